//! Refused jobs over the API: found by what is wrong, mended, and taken once.
//!
//! Which jobs are refused, and why, is in `jobs`.

use serde_json::{Value, json};

use super::{audit, count, hand_in, world};
use crate::support::{TestEnv, api::Client, job};

const REJECTED: &str = "/v1/rejected";

/// A job with a mistake, refused.
async fn refused(worker: &postrider::worker::Worker, email: &str) -> Value {
    let mut body = job::by_email(email);
    body["channel"] = json!("fax");
    hand_in(worker, &body).await;
    body
}

async fn list(client: &Client, query: &str) -> Vec<Value> {
    let answer = client.get(&format!("{REJECTED}?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["items"].as_array().expect("a list").clone()
}

fn path(job: &Value, more: &str) -> String {
    format!("{REJECTED}/{}{more}", job["id"].as_str().expect("an id"))
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_jobs_are_found_by_what_is_wrong_with_them() {
    let (env, worker, client) = world().await;
    let body = refused(&worker, "jane@example.com").await;
    hand_in(&worker, &json!({ "tags": "one", "channel": 1 })).await;
    assert_eq!(list(&client, "").await.len(), 2);
    for (query, found) in [
        ("code=unknown_channel", 1),
        ("field=channel", 2),
        ("code=unknown_channel&field=channel", 1),
        ("code=wrong_type&field=tags", 1),
        ("code=unknown_channel&field=tags", 0),
        ("since=2020-01-01T00:00:00Z", 2),
        ("since=2100-01-01T00:00:00%2B01:00", 0),
    ] {
        assert_eq!(list(&client, query).await.len(), found, "{query}");
    }
    let found = list(&client, "code=unknown_channel").await.remove(0);
    assert_eq!(found["body"], Value::Null, "lists show no bodies");
    let shown = client.get(&path(&found, "")).await.json;
    assert_eq!((&shown["body"], &shown["problems"]), (&json!(body.to_string()), &found["problems"]));
    for query in ["since=yesterday", "code=%00", "cursor=x", "limit=0"] {
        assert_eq!(client.get(&format!("{REJECTED}?{query}")).await.status, 400, "{query}");
    }
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_what_would_happen_and_writes_nothing() {
    let (env, worker, client) = world().await;
    refused(&worker, "jane@example.com").await;
    let found = list(&client, "").await.remove(0);
    let tables = ["request", "message", "reservation", "rejected_job", "audit", "due", "lease", "ending"];
    let mut before = Vec::new();
    for table in tables {
        before.push(count(&env, table).await);
    }
    let as_it_is = client.post(&path(&found, "/replay"), &json!({ "preview": true })).await;
    assert_eq!((as_it_is.status, &as_it_is.json["outcome"]), (200, &json!("rejected")), "{}", as_it_is.text);
    assert_eq!(as_it_is.json["problems"][0]["field"], "channel");
    let corrected = json!({ "preview": true, "body": job::by_email("jane@example.com") });
    let mended = client.post(&path(&found, "/replay"), &corrected).await;
    assert_eq!(mended.json["outcome"], "accepted", "{}", mended.text);
    assert_eq!(mended.json["decision"]["verdict"], "send", "{}", mended.text);
    for (table, rows) in tables.iter().zip(before) {
        assert_eq!(count(&env, table).await, rows, "{table}");
    }
    assert_eq!(list(&client, "").await, [found]);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_may_be_repeated_and_makes_one_request() {
    let (env, worker, client) = world().await;
    refused(&worker, "jane@example.com").await;
    let found = list(&client, "").await.remove(0);
    let still = client.post(&path(&found, "/replay"), &json!({})).await;
    assert_eq!((still.status, still.fields()), (422, vec!["channel"]), "{}", still.text);
    let worse = client.post(&path(&found, "/replay"), &json!({ "body": { "channel": "fax" } })).await;
    assert_eq!(worse.status, 422, "{}", worse.text);
    let kept = list(&client, "").await;
    assert_eq!(kept, std::slice::from_ref(&found), "a correction that fails is no further rejected job");
    // Each corrects it in another way: without turns each would be a request of its own.
    let bodies: Vec<Value> = (0..8)
        .map(|number| {
            let mut body = job::by_email("jane@example.com");
            body["ext_interaction_id"] = json!(format!("i{number}"));
            json!({ "body": body })
        })
        .collect();
    let replay = path(&found, "/replay");
    let answers = futures_util::future::join_all(bodies.iter().map(|body| client.post(&replay, body))).await;
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 409)), "{answers:?}");
    let accepted = answers.iter().filter(|answer| answer.json["outcome"] == "accepted").count();
    assert_eq!(accepted, 1, "{answers:?}");
    let standings = env.all_are(1, "delivered").await;
    let again = client.post(&replay, &bodies[0]).await;
    assert_eq!((again.status, &again.json["outcome"]), (200, &json!("duplicate")), "{}", again.text);
    assert_eq!(again.json["request"], json!(standings[0].id));
    let on_record = audit(&client).await;
    assert_eq!(on_record["changes"]["replayed"]["after"]["request"], json!(standings[0].id));
    assert_eq!(list(&client, "").await, Vec::<Value>::new());
    assert_eq!(list(&client, "replayed=true").await[0]["replayed_as"], json!(standings[0].id));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_job_stays_a_test_when_it_is_replayed() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| {
        policy.bindings = vec![postrider_domain::company::Binding { user: "tester".to_owned(), test: true }];
        policy.test_email = Some("tests@blancapeak.com".to_owned());
    })
    .await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let mut body = job::by_email("jane@example.com");
    body["channel"] = json!("fax");
    let mut from_a_tester = job::inbound("blanca", body.to_string().as_bytes());
    from_a_tester.entry_point =
        postrider::intake::inbound::EntryPoint::Amqp { user: Some("tester".to_owned()) };
    let acceptor = worker.acceptor.as_ref().expect("this worker takes jobs");
    acceptor.accept(&[from_a_tester]).await.expect("the database answers");
    let found = list(&client, "").await.remove(0);
    assert_eq!(found["test"], true);
    let corrected = json!({ "body": job::by_email("jane@example.com") });
    assert_eq!(client.post(&path(&found, "/replay"), &corrected).await.json["outcome"], "accepted");
    env.all_are(1, "delivered").await;
    let recipients: Vec<String> = env.simulator.calls().into_iter().map(|call| call.recipient).collect();
    assert_eq!(recipients, ["tests@blancapeak.com"]);
    env.nothing_left(worker).await;
}
