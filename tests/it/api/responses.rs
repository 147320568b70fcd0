//! `POST /v1/responses` as the survey's system calls it.
//!
//! How requests and responses find one another is in `answers`; here is what callers are told.

use postrider::api::Scope;
use serde_json::{Value, json};

use crate::support::{TestEnv, api::Client, job};

const RESPONSES: &str = "/v1/responses";
const REQUESTS: &str = "/v1/requests";

fn after(interaction: &str) -> Value {
    let customer = json!({ "name": "Jane", "email": format!("{interaction}@example.com") });
    job::with(job::to(customer), json!({ "ext_interaction_id": interaction, "delay_secs": 3_600 }))
}

async fn hand_in(client: &Client, job: &Value) -> String {
    let answer = client.post(REQUESTS, job).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_says_which_requests_it_completes_and_the_same_again_says_the_same() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let id = hand_in(&client, &after("call-1")).await;
    let said = json!({ "response_id": "r-1", "request_id": id, "score": 4, "comment": "Good, thanks" });
    let answer = client.post(RESPONSES, &said).await;
    assert_eq!((answer.status, answer.json["status"].as_str()), (200, Some("completed")), "{}", answer.text);
    assert_eq!(answer.json["request_ids"], json!([id]));
    assert_eq!(client.post(RESPONSES, &said).await.json, answer.json);
    let standing = &env.all_are(1, "suppressed").await[0];
    assert_eq!(standing.reason.as_deref(), Some("answered"));
    let other = client.post(RESPONSES, &json!({ "response_id": "r-1", "request_id": id })).await;
    assert_eq!((other.status, other.as_str(), other.fields()), (409, "conflict", vec!["response_id"]));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_comes_first_waits_and_its_request_is_never_sent() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let said = json!({ "response_id": "r-1", "ext_interaction_id": "call-1" });
    let answer = client.post(RESPONSES, &said).await;
    assert_eq!((answer.json["status"].as_str(), &answer.json["request_ids"]), (Some("waiting"), &json!([])));
    let mut at_once = after("call-1");
    at_once["delay_secs"] = json!(0);
    let answer = client.post(REQUESTS, &at_once).await;
    assert_eq!(
        (answer.json["status"].as_str(), answer.json["reason"].as_str()),
        (Some("suppressed"), Some("answered"))
    );
    let answer = client.post(RESPONSES, &said).await;
    assert_eq!(answer.json["status"], "completed");
    assert!(env.simulator.accepted().is_empty());
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_response_is_refused_by_field_and_changes_nothing() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let wrong = json!({ "ext_interaction_id": "a\r\nb", "score": -1, "answered_at": "now", "stars": 1 });
    let answer = client.post(RESPONSES, &wrong).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert_eq!(answer.fields(), ["stars", "response_id", "ext_interaction_id", "answered_at", "score"]);
    let json = [("content-type", "application/json")];
    for body in ["", "{", "[]", r#"{"response_id":"a","response_id":"a","ext_interaction_id":"c"}"#] {
        let answer = client.raw(reqwest::Method::POST, RESPONSES, &json, body.into()).await;
        assert!((400..=422).contains(&answer.status), "{body}: {}", answer.text);
    }
    for table in
        ["select count(*) from response", "select count(*) from awaited", "select count(*) from rejected_job"]
    {
        let (count,): (i64,) = sqlx::query_as(table).fetch_one(&env.pool).await.expect("asked");
        assert_eq!(count, 0, "{table}");
    }
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_reaches_no_request_of_another_company_or_kind_of_key() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.company("acme", |_| {}).await;
    let worker = env.worker().await;
    let id = hand_in(&env.client("blanca").await, &after("call-1")).await;
    let foreign = env.client("acme").await;
    let tests = env.client_with("blanca", false, &[Scope::Send]).await;
    for (n, client) in [foreign, tests].iter().enumerate() {
        for about in [json!({ "request_id": id }), json!({ "ext_interaction_id": "call-1" })] {
            let mut said = json!({ "response_id": format!("r-{n}-{about}") });
            said.as_object_mut().expect("an object").extend(about.as_object().expect("an object").clone());
            let answer = client.post(RESPONSES, &said).await;
            assert_eq!(answer.json["status"], "waiting", "{}", answer.text);
        }
    }
    assert_eq!(env.standings().await[0].status, "queued");
    let reader = env.client_with("blanca", true, &[Scope::Read, Scope::Manage]).await;
    let said = json!({ "response_id": "r", "request_id": id });
    assert_eq!(reader.post(RESPONSES, &said).await.status, 403);
    env.nothing_left(worker).await;
}
