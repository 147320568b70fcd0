//! One action on many requests: nothing without a confirmation, and never more than was counted.
//!
//! Over HTTP, without a dispatching worker; actions on one request are in `requests`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::requests::House;
use crate::support::api::ApiResponse;

const BULK: &str = "/v1/requests/bulk";

async fn ask(house: &House, body: &Value) -> ApiResponse {
    let answer = house.client.post(BULK, body).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text);
    answer
}

/// Confirms a preview batch by batch; gives how many came to which result.
async fn confirm(house: &House, mut body: Value) -> BTreeMap<String, u64> {
    let mut results = BTreeMap::new();
    body["confirm"] = ask(house, &body).await.json["confirm"].clone();
    while body["confirm"].is_string() {
        let batch = ask(house, &body).await.json;
        for (word, count) in batch["results"].as_object().expect("results") {
            *results.entry(word.clone()).or_default() += count.as_u64().expect("a count");
        }
        body["confirm"] = batch["confirm"].clone();
    }
    results
}

async fn statuses(house: &House) -> Vec<&'static str> {
    house.env.standings().await.into_iter().map(|standing| standing.status).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_changes_nothing_and_its_confirmation_does_what_was_previewed() {
    let house = House::new().await;
    house.accept(&[json!({}), json!({ "channel": "chat" }), json!({ "channel": "chat" })]).await;
    let body = json!({ "act": "cancel", "filter": { "channel": "chat" } });
    let preview = ask(&house, &body).await.json;
    assert_eq!((&preview["left"], preview["sample"].as_array().map(Vec::len)), (&json!(2), Some(2)));
    assert_eq!(statuses(&house).await, ["queued"; 3]);
    // One that comes after the preview is not part of it.
    house.accept(&[json!({ "channel": "chat" })]).await;
    let mut confirmed = body.clone();
    confirmed["confirm"] = preview["confirm"].clone();
    let batch = ask(&house, &confirmed).await.json;
    assert_eq!((&batch["results"], &batch["confirm"]), (&json!({ "canceled": 2 }), &Value::Null));
    assert_eq!(batch["requests"].as_array().map(Vec::len), Some(2), "each is reported");
    assert_eq!(statuses(&house).await, ["queued", "canceled", "canceled", "queued"]);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_done_in_batches() {
    let house = House::new().await;
    house.accept(&vec![json!({}); 130]).await;
    let results = confirm(&house, json!({ "act": "pause", "filter": {} })).await;
    assert_eq!(results, BTreeMap::from([("paused".to_owned(), 130)]));
    let results = confirm(&house, json!({ "act": "resume", "filter": { "status": "queued" } })).await;
    assert_eq!(results, BTreeMap::from([("resumed".to_owned(), 130)]));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_is_for_the_words_that_were_previewed() {
    let house = House::new().await;
    house.accept(&[json!({}), json!({ "channel": "chat" })]).await;
    let preview = ask(&house, &json!({ "act": "pause", "filter": { "channel": "chat" } })).await.json;
    let token = preview["confirm"].as_str().expect("a confirmation");
    let mut forged = token.to_owned();
    forged.replace_range(0..1, if token.starts_with('f') { "e" } else { "f" });
    for body in [
        json!({ "act": "cancel", "filter": { "channel": "chat" }, "confirm": token }),
        json!({ "act": "pause", "filter": {}, "confirm": token }),
        json!({ "act": "pause", "filter": { "channel": "chat" }, "confirm": forged }),
        json!({ "act": "pause", "filter": { "channel": "chat" }, "confirm": "" }),
    ] {
        let answer = house.client.post(BULK, &body).await;
        assert_eq!((answer.status, answer.as_str()), (409, "not_confirmed"), "{body}: {}", answer.text);
    }
    house.env.company("other", |_| {}).await;
    let body = json!({ "act": "pause", "filter": { "channel": "chat" }, "confirm": token });
    let stranger = house.env.client("other").await.post(BULK, &body).await;
    assert_eq!((stranger.status, stranger.as_str()), (409, "not_confirmed"), "{}", stranger.text);
    let paused = house.client.get("/v1/requests").await.json;
    assert!(paused["requests"].as_array().expect("a list").iter().all(|line| line["paused"] == false));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_ones_are_retried_once_each_and_the_unclear_ones_only_with_the_word() {
    let house = House::new().await;
    house.accept(&[json!({}), json!({}), json!({})]).await;
    house
        .change(
            "update message set state = {PresumedFailed}, reason = 'retries_exhausted', attempt = 1, begun_at = now(),
                outcome = 1, ended_at = now() where id in (select id from message order by id limit 2);
            update message set state = {PresumedFailed}, reason = 'outcome_unknown', may_have_been_sent = true, attempt = 1,
                begun_at = now(), outcome = 2, ended_at = now() where state = {Waiting};
            delete from due",
        )
        .await;
    let nameless = house.client.post(BULK, &json!({ "act": "retry", "filter": {} })).await;
    assert_eq!((nameless.status, nameless.fields()), (422, vec!["requested_by"]));
    let mut body = json!({ "act": "retry", "filter": { "status": "failed" }, "requested_by": "Ann" });
    let preview = ask(&house, &body).await.json;
    body["confirm"] = preview["confirm"].clone();
    let batch = ask(&house, &body).await.json;
    assert_eq!(batch["results"], json!({ "retried": 2, "outcome_unknown": 1 }), "{batch}");
    // The retries fail as well, and the lost answer is asked for again.
    house
        .change("update message set state = {PresumedFailed}, reason = 'retries_exhausted', ended_at = now() where seq > 0; delete from due")
        .await;
    let batch = ask(&house, &body).await.json;
    assert_eq!(batch["results"], json!({ "outcome_unknown": 1 }), "what failed since is no part of it");
    let (messages,): (i64,) =
        sqlx::query_as("select count(*) from message").fetch_one(&house.env.pool).await.expect("counted");
    assert_eq!(messages, 5);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_actions_actor_is_on_record_with_each_request() {
    let house = House::new().await;
    let ids = house.accept(&[json!({}), json!({})]).await;
    let body = json!({ "act": "pause", "filter": {}, "requested_by": "Ann", "note": "wrong survey" });
    assert_eq!(confirm(&house, body).await, BTreeMap::from([("paused".to_owned(), 2)]));
    for id in ids {
        let shown = house.client.get(&format!("/v1/requests/{id}")).await.json;
        let told = shown["timeline"].as_array().and_then(|events| events.last()).expect("an event");
        assert_eq!(told["event"], "paused", "{shown}");
        assert_eq!((&told["what"], &told["why"]), (&json!("by Ann through a test"), &json!("wrong survey")));
    }
    house.end().await;
}
