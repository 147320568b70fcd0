//! Blocks as CSV: in, all rows or none; out, and in again.
//!
//! How single rows are read is tested beside the reader.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::{audit, count, world};
use crate::support::api::{ApiResponse, Client};

const IMPORT: &str = "/v1/blocks/import";
const EXPORT: &str = "/v1/blocks/export";

async fn import(client: &Client, query: &str, text: &str) -> ApiResponse {
    let path = format!("{IMPORT}{query}");
    client.raw(Method::POST, &path, &[("content-type", "text/csv")], text.as_bytes().to_vec()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_out_comes_in_again() {
    let (env, worker, client) = world().await;
    let text = "address,reason\njane@example.com,\"asked, twice\"\n+14155552671,=1+1\n=2+2@example.com,old\n";
    let seen = import(&client, "?preview=true", text).await;
    assert_eq!(seen.json, json!({ "preview": true, "rows": 3 }), "{}", seen.text);
    assert_eq!(count(&env, "block").await, 0, "a preview writes nothing");
    let done = import(&client, "", text).await;
    assert_eq!(done.json, json!({ "preview": false, "rows": 3, "added": 3 }), "{}", done.text);
    assert_eq!(audit(&client).await["changes"], json!({ "rows": 3, "added": 3 }));
    let out = client.get(EXPORT).await;
    assert_eq!((out.status, out.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert!(
        out.text.contains(",email,jane@example.com,blocked_by_hand,\"asked, twice\",import,"),
        "{}",
        out.text
    );
    for formula in [",'=1+1,", ",'=2+2@example.com,"] {
        assert!(out.text.contains(formula), "no formula goes out: {}", out.text);
    }
    let again = import(&client, "", &out.text).await;
    assert_eq!((again.status, &again.json["added"]), (200, &json!(0)), "{}", again.text);
    let found = client.get("/v1/blocks?address=%2B14155552671").await.json["items"][0].clone();
    assert_eq!(found["reason"], "=1+1", "what came in is what went out");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_in_many_times_at_once_are_added_once() {
    let (env, worker, client) = world().await;
    let rows: String = (0..2_000).map(|number| format!("a{number}@example.com\n")).collect();
    let text = format!("address\n{rows}");
    let answers = join_all((0..8).map(|_| import(&client, "?reason=old", &text))).await;
    let mut added: Vec<Option<i64>> = answers.iter().map(|answer| answer.json["added"].as_i64()).collect();
    added.sort_unstable();
    let wanted = [0, 0, 0, 0, 0, 0, 0, 2_000].map(Some);
    assert_eq!(added, wanted);
    let audits = client.get("/v1/audit?action=block.import").await.json["items"].clone();
    let on_record = audits.as_array().expect("a list").iter().map(|one| one["changes"]["added"].as_i64());
    let mut on_record: Vec<Option<i64>> = on_record.collect();
    on_record.sort_unstable();
    assert_eq!(on_record, wanted);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_row_keeps_all_of_them_out_and_is_named_by_its_line() {
    let (env, worker, client) = world().await;
    let answer =
        import(&client, "?reason=old", "address,medium\na@b.example,\nnobody,sms\nc@d.example,fax\n").await;
    assert_eq!((answer.status, answer.fields()), (422, vec!["line 3.address", "line 4.medium"]));
    assert!(!answer.text.contains("nobody"), "{}", answer.text);
    let silent = import(&client, "", "address\na@b.example\n").await;
    assert_eq!(silent.fields(), ["line 2.reason"], "{}", silent.text);
    let many: String = (0..10_001).map(|number| format!("a{number}@example.com\n")).collect();
    assert_eq!(import(&client, "?reason=old", &format!("address\n{many}")).await.status, 422);
    for text in ["", "\u{0}", "name\nx\n", "address\n\"a\n"] {
        assert_eq!(import(&client, "?reason=old", text).await.status, 422, "{text:?}");
    }
    let json = client.post(IMPORT, &json!({})).await;
    assert_eq!(json.status, 415, "{}", json.text);
    assert_eq!((count(&env, "block").await, count(&env, "audit").await), (0, 1));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rows_come_in_at_once_and_go_out_page_by_page() {
    let (env, worker, client) = world().await;
    let rows: String = (0..10_000).map(|number| format!("a{number}@example.com\n")).collect();
    let done = import(&client, "?reason=old", &format!("address\n{rows}")).await;
    assert_eq!(done.json["added"], 10_000, "{}", done.text);
    let out = client.get(EXPORT).await.text;
    let mut addresses: Vec<&str> = out.lines().skip(1).filter_map(|line| line.split(',').nth(2)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 10_000);
    env.nothing_left(worker).await;
}
