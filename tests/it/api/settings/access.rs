//! Read and write access to settings, and its end at the company's border.
//!
//! Every call of the area is tried with every kind of key; `api::foreign` walks the description besides.

use postrider::api::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use super::{count, hand_in, world};
use crate::support::api::{ApiResponse, Client};
use crate::support::job;

/// Every call that changes a setting, well-formed; `{}` is where the id of the thing stands.
fn state_changes() -> Vec<(Method, &'static str, Option<Value>)> {
    vec![
        (Method::PUT, "/v1/company", Some(json!({}))),
        (Method::PATCH, "/v1/company", Some(json!({ "delay_secs": 7 }))),
        (Method::POST, "/v1/members", Some(json!({ "custom_id": "m" }))),
        (Method::PUT, "/v1/members/{member}", Some(json!({ "custom_id": "m" }))),
        (Method::PATCH, "/v1/members/{member}", Some(json!({ "approved": false }))),
        (Method::DELETE, "/v1/members/{member}", None),
        (Method::POST, "/v1/blocks", Some(json!({ "address": "a@b.example", "reason": "r" }))),
        (Method::DELETE, "/v1/blocks/{block}?reason=r", None),
        (Method::POST, "/v1/blocks/import?reason=r", None),
        (Method::POST, "/v1/rejected/{rejected}/replay", Some(json!({ "preview": true }))),
    ]
}

const LOOKS: [&str; 9] = [
    "/v1/company",
    "/v1/company/secrets",
    "/v1/members",
    "/v1/members/{member}",
    "/v1/blocks",
    "/v1/blocks/{block}",
    "/v1/rejected",
    "/v1/rejected/{rejected}",
    "/v1/audit",
];

struct Ids {
    member: String,
    block: String,
    rejected: String,
}

impl Ids {
    async fn of(client: &Client) -> Ids {
        let first = async |path: &str| -> String {
            let answer = client.get(path).await;
            answer.json["items"][0]["id"].as_str().expect("there is one").to_owned()
        };
        Ids {
            member: first("/v1/members").await,
            block: first("/v1/blocks").await,
            rejected: first("/v1/rejected").await,
        }
    }

    fn put_into(&self, path: &str) -> String {
        path.replace("{member}", &self.member)
            .replace("{block}", &self.block)
            .replace("{rejected}", &self.rejected)
    }
}

async fn call(client: &Client, method: Method, path: &str, body: Option<&Value>) -> ApiResponse {
    let (kind, bytes) = match body {
        Some(body) => ("application/json", body.to_string().into_bytes()),
        None => ("text/csv", b"address\na@b.example\n".to_vec()),
    };
    client.raw(method, path, &[("content-type", kind), ("if-match", "*")], bytes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_live_key_that_may_manage_changes_settings_and_readers_see_them() {
    let (env, worker, manager) = world().await;
    manager.post("/v1/blocks", &json!({ "address": "x@y.example", "reason": "r" })).await;
    let mut bad = job::by_email("jane@example.com");
    bad["channel"] = json!("fax");
    hand_in(&worker, &bad).await;
    let ids = Ids::of(&manager).await;
    let tester = env.client_with("blanca", false, &Scope::ALL).await;
    let reader = env.client_with("blanca", true, &[Scope::Read, Scope::Send]).await;
    let sender = env.client_with("blanca", true, &[Scope::Send]).await;
    let audits = count(&env, "audit").await;
    for (method, path, body) in state_changes() {
        let path = ids.put_into(path);
        for client in [&tester, &reader, &sender] {
            let answer = call(client, method.clone(), &path, body.as_ref()).await;
            assert_eq!(
                (answer.status, answer.as_str()),
                (403, "forbidden"),
                "{method} {path}: {}",
                answer.text
            );
        }
    }
    let admin = env.client_with("blanca", true, &[Scope::Manage]).await;
    for path in LOOKS.iter().chain(&["/v1/blocks/export"]) {
        let path = ids.put_into(path);
        for client in [&tester, &reader, &admin] {
            assert_eq!(client.get(&path).await.status, 200, "{path}");
        }
        assert_eq!(sender.get(&path).await.status, 403, "{path}");
    }
    assert_eq!(count(&env, "audit").await, audits);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_one_company_is_seen_or_changed_with_anothers_key() {
    let (env, worker, theirs) = world().await;
    env.company("other", |_| {}).await;
    theirs.post("/v1/blocks", &json!({ "address": "x@y.example", "reason": "their-secret-reason" })).await;
    let mut bad = job::by_email("jane@example.com");
    bad["channel"] = json!("fax");
    hand_in(&worker, &bad).await;
    let ids = Ids::of(&theirs).await;
    let stranger = env.client("other").await;
    let before = [theirs.get("/v1/company?members=true").await.json, theirs.get("/v1/blocks").await.json];
    let audits = count(&env, "audit where company = 1").await;
    for (method, path, body) in state_changes().into_iter().filter(|(_, path, _)| path.contains('{')) {
        let path = ids.put_into(path);
        let answer = call(&stranger, method.clone(), &path, body.as_ref()).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
    }
    for path in LOOKS.iter().chain(&["/v1/blocks/export"]) {
        let answer = stranger.get(&ids.put_into(path)).await;
        assert_eq!(answer.status, if path.contains('{') { 404 } else { 200 }, "{path}: {}", answer.text);
        for word in ["blanca-mailgun", "their-secret-reason", &ids.member, &ids.block, &ids.rejected] {
            assert!(!answer.text.contains(word), "{path} tells {word}: {}", answer.text);
        }
    }
    let by_address = stranger.get("/v1/blocks?address=x@y.example").await;
    assert_eq!(by_address.json["items"], json!([]));
    let after = [theirs.get("/v1/company?members=true").await.json, theirs.get("/v1/blocks").await.json];
    assert_eq!((before, audits), (after, count(&env, "audit where company = 1").await));
    env.nothing_left(worker).await;
}
