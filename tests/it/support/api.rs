//! Calls of the API as a producer makes them, with keys made as `postrider key create` makes them.
//!
//! An answer keeps status, headers and JSON; nothing here judges it. Used by everything under `api`.

use postrider::api::{Scope, key};
use postrider_ledger::audit::Actor;
use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

use super::{TestEnv, http};

/// The answer to a call.
#[derive(Debug)]
pub struct ApiResponse {
    pub status: u16,
    pub headers: HeaderMap,
    /// Null where the body is no JSON.
    pub json: Value,
    pub text: String,
}

impl ApiResponse {
    /// The stable word of a problem; empty where it is none.
    pub fn as_str(&self) -> &str {
        let kind = self.json["type"].as_str().unwrap_or("");
        kind.strip_prefix("urn:problem-type:postrider:").unwrap_or("")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The fields that a problem names.
    pub fn fields(&self) -> Vec<&str> {
        self.json["problems"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["field"].as_str())
            .collect()
    }
}

/// One holder of a key.
#[derive(Debug, Clone)]
pub struct Client {
    pub base: String,
    pub key: String,
}

impl Client {
    pub async fn get(&self, path: &str) -> ApiResponse {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> ApiResponse {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> ApiResponse {
        let headers = body.map_or(&[][..], |_| &[("content-type", "application/json")][..]);
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.raw(method, path, headers, bytes).await
    }

    /// With exactly these headers, but for the key.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> ApiResponse {
        let mut request = http().request(method, format!("{}{path}", self.base)).body(body);
        if !self.key.is_empty() {
            request = request.header("x-api-key", &self.key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("the worker answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("the answer ends");
        ApiResponse { status, headers, json: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }
}

impl TestEnv {
    /// A live key with every scope.
    pub async fn client(&self, slug: &str) -> Client {
        self.client_with(slug, true, &Scope::ALL).await
    }

    pub async fn client_with(&self, slug: &str, live: bool, scopes: &[Scope]) -> Client {
        let made = key::generate(live);
        let company = self.ledger.company_id(slug).await.expect("asked").expect("the company is there");
        let key = made.to_row(company, "a test", scopes);
        self.ledger.add_key(&key, &Actor::System).await.expect("the key is kept");
        // Tests count what is on record of their calls; a key of the set-up is none of them.
        sqlx::query("delete from audit where object = $1")
            .bind(format!("key {}", key.id))
            .execute(&self.pool)
            .await
            .expect("the ledger answers");
        Client { base: format!("http://127.0.0.1:{}", self.public_port), key: made.as_text().to_owned() }
    }
}
