//! API keys: authentication, expiry and rate limits.
//!
//! Made as `postrider key create` makes them; the scope that a call needs is tested with its area.

use postrider::api::{Scope, key};
use postrider_ledger::audit::Actor;
use serde_json::{Value, json};

use crate::support::{TestEnv, process, wait};

const KEY: &str = "/v1/key";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_shows_its_company_and_its_scopes() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client_with("blanca", false, &[Scope::Read, Scope::Send]).await;
    let answer = client.get(KEY).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json["company"], "blanca");
    assert_eq!(answer.json["live"], false);
    assert_eq!(answer.json["scopes"], serde_json::json!(["send", "read"]));
    let (noted,): (bool,) = sqlx::query_as("select last_used_at is not null from api_key")
        .fetch_one(&env.pool)
        .await
        .expect("asked");
    assert!(noted, "its use is on record");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_good_key_is_refused_with_a_reason() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let good = env.client("blanca").await;
    let stranger = key::generate(true);
    let cases =
        ["", "nonsense", stranger.as_text(), &format!("{}0", good.key), &good.key[..good.key.len() - 1]];
    for text in cases {
        let mut client = good.clone();
        client.key = text.to_owned();
        let answer = client.get(KEY).await;
        assert_eq!((answer.status, answer.as_str()), (401, "unauthorized"), "{text}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    let mut forged = good.clone();
    let end = if good.key.ends_with('0') { "1" } else { "0" };
    forged.key.replace_range(good.key.len() - 1.., end);
    assert_eq!(forged.get(KEY).await.status, 401, "a known prefix is not enough");
    assert_eq!(good.get(KEY).await.status, 200);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_within_seconds() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    assert_eq!(client.get(KEY).await.status, 200);
    let prefix = key::prefix(&client.key).expect("a key").to_owned();
    assert!(env.ledger.revoke_key(&prefix, &Actor::System).await.expect("asked"));
    assert!(!env.ledger.revoke_key(&prefix, &Actor::System).await.expect("asked"), "once is enough");
    wait::until("the key is refused", || async { client.get(KEY).await.status == 401 }).await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn making_and_revoking_a_key_at_the_command_line_is_on_record_with_its_actor() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let olga = [("SUDO_USER", "olga")];
    let create = ["key", "create", "blanca", "the CRM", "--test", "--scope", "send", "--json"];
    let made = process::tell(&env, &create, &olga).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let text = made["key"].as_str().expect("a key");
    let told = json!({ "name": "the CRM", "prefix": made["prefix"], "live": false, "scopes": ["send"] });
    let latest = async || client.get("/v1/audit?limit=1").await.json["items"][0].clone();
    let created = latest().await;
    assert_eq!(created["action"], "key.create", "{created}");
    assert_eq!(created["changes"], json!({ "key": { "after": told } }));
    let revoked = process::tell(&env, &["key", "revoke", text], &olga).await;
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    let ended = latest().await;
    assert_eq!(ended["action"], "key.revoke", "{ended}");
    assert_eq!(ended["changes"], json!({ "key": { "before": told } }));
    let object = json!(format!("key {}", made["id"].as_str().expect("an id")));
    for on_record in [&created, &ended] {
        assert_eq!((&on_record["object"], &on_record["who"]["name"]), (&object, &json!("olga")));
        let secret = text.rsplit('_').next().expect("a secret");
        assert!(!on_record.to_string().contains(secret), "no secret is on record: {on_record}");
    }
    let again = process::tell(&env, &["key", "revoke", text], &olga).await;
    assert!(!again.status.success(), "it is no good key any more");
    assert_eq!(latest().await, ended, "what changes nothing is not on record");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_put_on_record_is_neither_made_nor_revoked() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let client = env.client("blanca").await;
    sqlx::raw_sql("alter table audit add check (at < '2000-01-01') not valid")
        .execute(&env.pool)
        .await
        .expect("audits fail from now on");
    let prefix = key::prefix(&client.key).expect("a key");
    assert!(env.ledger.revoke_key(prefix, &Actor::System).await.is_err());
    let made = process::tell(&env, &["key", "create", "blanca", "the CRM"], &[]).await;
    assert!(!made.status.success() && made.stdout.is_empty(), "{}", String::from_utf8_lossy(&made.stdout));
    let (keys, good): (i64, i64) =
        sqlx::query_as("select count(*), count(*) filter (where revoked_at is null) from api_key")
            .fetch_one(&env.pool)
            .await
            .expect("asked");
    assert_eq!((keys, good), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_a_share_and_hears_what_is_left_of_it() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker_with("api.calls_per_sec = 1\napi.calls_burst = 3").await;
    let (busy, other) = (env.client("blanca").await, env.client("blanca").await);
    let first = busy.get(KEY).await;
    assert_eq!(first.header("ratelimit-policy"), "\"calls\";q=3;w=3");
    assert_eq!(first.header("ratelimit"), "\"calls\";r=2;t=1");
    let refused = wait::until_some("the share is used up", || async {
        let answer = busy.get(KEY).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!((refused.status, refused.as_str()), (429, "too_many_calls"), "{}", refused.text);
    assert!(matches!(refused.header("retry-after"), "1" | "2"), "{:?}", refused.headers);
    assert_eq!(other.get(KEY).await.status, 200, "another key has its own share");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_problems_too() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let nowhere = client.get("/v1/nowhere").await;
    assert_eq!((nowhere.status, nowhere.as_str()), (404, "not_found"));
    let wrong = client.post(KEY, &serde_json::json!({})).await;
    assert_eq!((wrong.status, wrong.as_str()), (405, "method_not_allowed"));
    assert!(wrong.header("allow").contains("GET"), "{:?}", wrong.headers);
    env.nothing_left(worker).await;
}
