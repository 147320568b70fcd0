//! Kustomer's API over real HTTP: one conversation, its customer, its user and its tags.
//!
//! Answers as developer.kustomer.com documents them and only with the right key. A test may change what is
//! there, and have the next questions fail. It also signs notices, by a code of its own.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::watch;

use super::{TestEnv, http};

pub const API_KEY: &str = "simulated-kustomer-api-key";
pub const TOKEN: &str = "simulated-kustomer-webhook-token";
/// Set for every test in `.cargo/config.toml`.
pub const API_KEY_ENV: &str = "POSTRIDER_SIMULATED_KUSTOMER";
pub const TOKEN_ENV: &str = "POSTRIDER_SIMULATED_KUSTOMER_TOKEN";

pub const CONVERSATION: &str = "5f0c8a1b2d3e4f5061728394";
pub const CUSTOMER: &str = "5f0c89aa2d3e4f5061728001";
pub const USER: &str = "5f0c8a1b2d3e4f50617200a1";
pub const NOTICE: &str = include_str!("../../fixtures/recipes/kustomer_done.json");

#[derive(Default)]
struct There {
    /// By path under /v1.
    things: BTreeMap<String, Value>,
    tags: BTreeMap<String, String>,
    heard: Vec<String>,
    /// Statuses of the next questions.
    failing: Vec<u16>,
    /// Whether questions have to wait for their answers.
    hanging: watch::Sender<bool>,
}

/// Ends when dropped.
pub struct Kustomer {
    pub addr: SocketAddr,
    there: Arc<Mutex<There>>,
    task: tokio::task::JoinHandle<()>,
}

impl Kustomer {
    pub async fn start() -> Kustomer {
        let there = Arc::new(Mutex::new(There::default()));
        let router = Router::new()
            .route("/v1/tags/{ids}", get(tags))
            .route("/v1/{kind}/{id}", get(thing))
            .with_state(Arc::clone(&there));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let kustomer = Kustomer { addr, there, task };
        kustomer.set_customer(json!({"name": "Jane Customer", "emails": [{"type": "home", "email": "janecustomer@example.com"}]}));
        kustomer.set(
            "users",
            USER,
            json!({"name": "Paul Agent", "email": "paulagent@blancapeak.com"}),
            json!({}),
        );
        kustomer.set_channels(&["chat"]);
        let mut tags = kustomer.there();
        tags.tags.insert("5f0c8a1b2d3e4f50617200b1".to_owned(), "exchange".to_owned());
        tags.tags.insert("5f0c8a1b2d3e4f50617200b2".to_owned(), "backorder".to_owned());
        drop(tags);
        kustomer
    }

    pub fn set_customer(&self, attributes: Value) {
        self.set("customers", CUSTOMER, attributes, json!({}));
    }

    /// The conversation of the fixture, through these channels.
    pub fn set_channels(&self, channels: &[&str]) {
        let mut data = notice(|_| {})["data"].clone();
        data["attributes"]["channels"] = json!(channels);
        self.set("conversations", CONVERSATION, data["attributes"].clone(), data["relationships"].clone());
    }

    pub fn forget_customer(&self) {
        self.there().things.remove(&format!("customers/{CUSTOMER}"));
    }

    /// Has the next questions fail.
    pub fn fail(&self, statuses: &[u16]) {
        self.there().failing = statuses.to_vec();
    }

    /// Has questions wait until they are let go.
    pub fn hang(&self, hanging: bool) {
        self.there().hanging.send_replace(hanging);
    }

    pub fn heard(&self) -> Vec<String> {
        self.there().heard.clone()
    }

    fn set(&self, kind: &str, id: &str, attributes: Value, relationships: Value) {
        let kind_of_one = kind.trim_end_matches('s');
        let thing = json!({"data": {"type": kind_of_one, "id": id, "attributes": attributes, "relationships": relationships}});
        self.there().things.insert(format!("{kind}/{id}"), thing);
    }

    fn there(&self) -> std::sync::MutexGuard<'_, There> {
        self.there.lock().expect("no panic while locked")
    }
}

impl Drop for Kustomer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn thing(
    State(there): State<Arc<Mutex<There>>>,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let path = format!("{kind}/{id}");
    let mut hanging = there.lock().expect("no panic while locked").hanging.subscribe();
    let _ = hanging.wait_for(|hanging| !*hanging).await;
    answer(&there, &headers, path.clone(), |there| there.things.get(&path).cloned())
}

async fn tags(
    State(there): State<Arc<Mutex<There>>>,
    Path(ids): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(&there, &headers, format!("tags/{ids}"), |there| {
        let tag =
            |id: &str| Some(json!({"type": "tag", "id": id, "attributes": {"name": there.tags.get(id)?}}));
        let found: Vec<Value> = ids.split(',').filter_map(tag).collect();
        // One id alone is answered with the thing itself.
        match ids.contains(',') {
            true => Some(json!({ "data": found })),
            false => found.into_iter().next().map(|tag| json!({ "data": tag })),
        }
    })
}

fn answer(
    there: &Mutex<There>,
    headers: &HeaderMap,
    path: String,
    find: impl FnOnce(&There) -> Option<Value>,
) -> Response {
    let mut there = there.lock().expect("no panic while locked");
    there.heard.push(path);
    let key = headers.get("authorization").and_then(|value| value.to_str().ok());
    if key != Some(&format!("Bearer {API_KEY}")) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Some(status) = there.failing.pop() {
        return StatusCode::from_u16(status).expect("a status").into_response();
    }
    match find(&there) {
        Some(found) => axum::Json(found).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The fixture's notice with one thing changed.
pub fn notice(change: impl FnOnce(&mut Value)) -> Value {
    let mut notice = serde_json::from_str(NOTICE).expect("the fixture is JSON");
    change(&mut notice);
    notice
}

pub fn sign(token: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("any key");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// Posts a notice as Kustomer does; gives the status.
pub async fn post(env: &TestEnv, recipe: &str, signature: Option<&str>, body: Vec<u8>) -> u16 {
    let url = format!("http://127.0.0.1:{}/webhooks/kustomer/{recipe}/events", env.public_port);
    let mut call = http().post(url).header("content-type", "application/json");
    call = call.header("x-kustomer-webhook-event", "kustomer.conversation.update");
    if let Some(signature) = signature {
        call = call.header("x-kustomer-webhook-signature", signature);
    }
    call.body(body).send().await.expect("answered").status().as_u16()
}
