//! 8x8's notices, signed as documented by code and a key of the tests' own; and where 8x8 publishes keys.
//!
//! Shapes: developer.8x8.com, "Webhooks Events Reference" and the event stream's "Event Reference".

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use postrider_domain::company::PublicKey;
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Value, json};

use super::{TestEnv, http};

const KEY: &[u8] = include_bytes!("../../fixtures/recipes/8x8_key.der");
const JWK: &str = include_str!("../../fixtures/recipes/8x8_key.jwk.json");
pub const CHAT: &str = "Aka5NMHU8MtIG7lUQOxI0DTOvM4";
pub const TENANT: &str = "tenant01";

/// One delivery, ready to go or to be forged.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub jose: Value,
    pub tenant: String,
    pub event_id: String,
    pub retry: u32,
    pub sent_millis: i64,
    pub body: Vec<u8>,
}

pub fn key() -> PublicKey {
    let jwk: Value = serde_json::from_str(JWK).expect("the fixture is JSON");
    let part = |name: &str| jwk[name].as_str().expect("a JWK of RSA").to_owned();
    PublicKey { kid: part("kid"), n: part("n"), e: part("e") }
}

impl Delivery {
    pub fn of(notice: &Value) -> Delivery {
        Delivery {
            jose: json!({"b64": false, "crit": ["b64"], "kid": "key1", "alg": "RS256"}),
            tenant: TENANT.to_owned(),
            event_id: postrider_clock::random_id().simple().to_string(),
            retry: 0,
            sent_millis: postrider_clock::wall().timestamp_millis(),
            body: notice.to_string().into_bytes(),
        }
    }

    fn signature(&self) -> String {
        let protected = URL_SAFE_NO_PAD.encode(self.jose.to_string());
        let payload = format!(
            r#"{{"checksum":{},"cid":"customer","eid":"{}","retry":{},"tid":"{}","tt":{}}}"#,
            crc32(&self.body),
            self.event_id,
            self.retry,
            self.tenant,
            self.sent_millis
        );
        let pair = RsaKeyPair::from_der(KEY).expect("the fixture is a key");
        let mut signature = vec![0; pair.public().modulus_len()];
        let input = format!("{protected}.{payload}");
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).expect("signed");
        format!("{protected}..{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Posts it as 8x8 does; gives the status.
    pub async fn post(&self, env: &TestEnv, recipe: &str) -> u16 {
        self.post_as(env, recipe, &self.body).await
    }

    /// The same with another body under its signature.
    pub async fn post_as(&self, env: &TestEnv, recipe: &str, body: &[u8]) -> u16 {
        let url = format!("http://127.0.0.1:{}/webhooks/8x8/{recipe}/events", env.public_port);
        let call = http()
            .post(url)
            .header("content-type", "application/json")
            .header("x-8x8-customer-id", "customer")
            .header("x-8x8-tenant-id", &self.tenant)
            .header("x-8x8-event-id", &self.event_id)
            .header("x-8x8-retry", self.retry)
            .header("x-8x8-transmission-time", self.sent_millis)
            .header("x-8x8-signature", self.signature());
        call.body(body.to_vec()).send().await.expect("answered").status().as_u16()
    }
}

/// Where 8x8 publishes its keys, over real HTTP. Ends when dropped.
pub struct KeyHouse {
    pub addr: SocketAddr,
    there: Arc<Mutex<House>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct House {
    asked: Vec<String>,
    /// The status that all calls get instead.
    failing: Option<u16>,
}

impl KeyHouse {
    pub async fn start() -> KeyHouse {
        let there = Arc::new(Mutex::new(House::default()));
        let router = Router::new().route("/jwk/{kid}/public", get(published)).with_state(Arc::clone(&there));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        KeyHouse { addr, there, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/jwk/{{kid}}/public", self.addr)
    }

    pub fn set_failing(&self, status: Option<u16>) {
        self.there.lock().expect("no panic while locked").failing = status;
    }

    /// The ids that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.there.lock().expect("no panic while locked").asked.clone()
    }
}

impl Drop for KeyHouse {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn published(
    State(there): State<Arc<Mutex<House>>>,
    Path(kid): Path<String>,
) -> (StatusCode, &'static str) {
    let mut there = there.lock().expect("no panic while locked");
    let answer = match there.failing {
        Some(status) => (StatusCode::from_u16(status).expect("a status"), ""),
        None if kid == "key1" => (StatusCode::OK, JWK),
        None => (StatusCode::NOT_FOUND, ""),
    };
    there.asked.push(kid);
    answer
}

/// Bit by bit, beside the product's table.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)))
}

/// An event of the stream about the chat, as a relay hands it on.
pub fn event(name: &str, agent: &str, second: i64) -> Value {
    json!({"conversationId": CHAT, "Interaction": {
        "agentGUID": format!("tenant01-{agent}-ad92a3d3-414a-4dfa-a971-dc0d28970d22"),
        "agentId": agent,
        "attachedData": {"attachedDatum": [
            {"attachedDataKey": "tclSelectedItems", "attachedDataValue": "5|12,6|45"},
            {"attachedDataKey": "med", "attachedDataValue": "C"}
        ]},
        "event": name,
        "interactionEventTS": second,
        "interactionGUID": "int-1963f4d8314-ShlIYL3nayugzbFYJvHhZgPL2-chat-03-tenant01",
        "mediaType": "chat",
        "msgInfo": {"instanceId": "example.8x8.com", "sequenceId": second, "timestamp": second * 1_000},
        "resourceType": 2
    }})
}

/// The Gateway's notification with the customer's identity.
pub fn conversation(channel: &str, user: Value) -> Value {
    json!({"eventType": "CONVERSATION_UPDATE", "conversationId": CHAT, "timestamp": 1_713_100_000_000_i64, "data": {
        "state": "active",
        "assignment": {"type": "agent", "id": "agPaul", "resourceId": "resource-123"},
        "user": user,
        "channel": channel
    }})
}

pub fn jane() -> Value {
    json!({"name": "Jane Customer", "userId": "u-4711", "email": "janecustomer@example.com",
        "caseId": "CASE-789", "language": "en", "additionalProperties": []})
}

/// A chat that one agent rejected, another let time out, and Paul took to its end.
pub fn handled() -> Vec<Value> {
    vec![
        event("InteractionCreated", "", 1),
        event("InteractionQueued", "", 2),
        event("InteractionAssigned", "agRejects", 3),
        event("InteractionRejected", "agRejects", 4),
        event("InteractionAssigned", "agSleeps", 5),
        event("InteractionRejected", "agSleeps", 6),
        event("InteractionAssigned", "ABC789", 7),
        event("InteractionAccepted", "ABC789", 8),
        conversation("Facebook", jane()),
        event("InteractionPostProcess", "ABC789", 9),
        event("InteractionDeleted", "ABC789", 11),
        event("InteractionEndPostProcess", "ABC789", 10),
    ]
}
