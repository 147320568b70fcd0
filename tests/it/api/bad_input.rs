//! Whatever is sent to the API: nonsense gets a 4xx with a reason and changes nothing.
//!
//! One list for every route that takes a body; a refused job may be kept as such, and nothing else.

use reqwest::Method;
use serde_json::{Value, json};

use super::hand_in::job;
use crate::support::{Bed, api::Client};

const JSON: (&str, &str) = ("content-type", "application/json");

/// What, the content type, the body.
fn cases() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let good = job("jane@example.com").to_string();
    let with = |inside: &str| format!("{}{inside}}}", &good[..good.len() - 1]).into_bytes();
    let json = JSON.1;
    let every_string = r#"{"customer":{"name":"a\r\nb","email":"jane@example.com\r\n"},"channel":"phone\r\n",
        "employee":{"email":"paulagent@blancapeak.com\r\n"},"tags":["a\r\nb"],"brand":"blanca\r\n"}"#;
    let surrogate = |half: &str| with(&format!(",\"ext_interaction_id\":\"{half}\""));
    vec![
        ("0 bytes", json, Vec::new()),
        ("1 byte", json, b"{".to_vec()),
        ("1 byte that is JSON", json, b"7".to_vec()),
        ("1 MiB of nothing", json, vec![b' '; 1 << 20]),
        ("1 MiB in one string", json, with(&format!(",\"external_url\":\"{}\"", "x".repeat(1 << 20)))),
        ("deep lists", json, "[".repeat(60_000).into_bytes()),
        ("deep and closed", json, with(&format!(",\"tags\":{}{}", "[".repeat(5_000), "]".repeat(5_000)))),
        ("deep objects", json, "{\"a\":".repeat(10_000).into_bytes()),
        ("another charset by name", "application/json; charset=iso-8859-1", good.clone().into_bytes()),
        ("UTF-16", json, good.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("Latin-1", json, [b"{\"channel\":\"caf\xe9\"}".as_slice()].concat()),
        ("a byte order mark", json, [b"\xef\xbb\xbf", good.as_bytes()].concat()),
        ("a form", "application/x-www-form-urlencoded", b"channel=phone".to_vec()),
        ("text", "text/plain", good.clone().into_bytes()),
        ("no type", "", good.clone().into_bytes()),
        ("a key twice", json, with(",\"channel\":\"phone\"")),
        ("a key twice, inside", json, with(",\"custom_properties\":{\"a\":\"1\",\"a\":\"2\"}")),
        ("NUL, escaped", json, with(",\"ext_interaction_id\":\"a\\u0000b\"")),
        ("NUL, raw", json, with(",\"ext_interaction_id\":\"a\u{0}b\"")),
        ("NUL in a key", json, with(",\"custom_properties\":{\"a\\u0000\":\"b\"}")),
        ("half a surrogate pair", json, surrogate("\\ud800")),
        ("the other half", json, surrogate("\\udc00")),
        ("halves in the wrong order", json, surrogate("\\udc00\\ud800")),
        ("CRLF in every string", json, every_string.as_bytes().to_vec()),
        ("10,000 tags", json, with(&format!(",\"tags\":{}", json!(vec!["x"; 10_000])))),
        ("two documents", json, [good.as_bytes(), good.as_bytes()].concat()),
        ("a trailing comma", json, with(",")),
        ("an unknown field", json, with(",\"colour\":\"red\"")),
        ("numbers for strings", json, with(",\"brand\":1e999")),
        ("NaN", json, with(",\"delay_secs\":NaN")),
        ("a list", json, b"[]".to_vec()),
        ("null", json, b"null".to_vec()),
    ]
}

/// Counts of everything that a call could make.
async fn rows(bed: &Bed) -> Vec<(String, i64)> {
    let mut counts = Vec::new();
    let tables: Vec<(String,)> = sqlx::query_as(
        "select tablename::text from pg_tables where schemaname = 'public'
         and tablename not in ('rejected_job', '_sqlx_migrations') order by 1",
    )
    .fetch_all(&bed.pool)
    .await
    .expect("asked");
    for (table,) in tables {
        let (count,): (i64,) = sqlx::query_as(sqlx::AssertSqlSafe(format!("select count(*) from {table}")))
            .fetch_one(&bed.pool)
            .await
            .expect("asked");
        counts.push((table, count));
    }
    counts
}

async fn send(client: &Client, path: &str, kind: &str, body: Vec<u8>) -> (u16, Value, String) {
    let headers = [("content-type", kind)];
    let headers = if kind.is_empty() { &[][..] } else { &headers[..] };
    let answer = client.raw(Method::POST, path, headers, body).await;
    (answer.status, answer.json, answer.text)
}

fn judge(wrong: &mut Vec<String>, what: &str, status: u16, problem: &Value, text: &str) {
    let reason = problem["detail"].as_str().is_some_and(|detail| !detail.is_empty());
    if !(400..500).contains(&status) || !reason {
        wrong.push(format!("{what}: {status} {text}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_body_is_refused_with_a_reason_and_changes_nothing() {
    let bed = Bed::new().await;
    bed.company("blanca", |_| {}).await;
    let worker = bed.worker().await;
    let client = bed.client("blanca").await;
    assert_eq!(client.get("/v1/key").await.status, 200);
    let before = rows(&bed).await;
    let mut wrong = Vec::new();
    for (what, kind, body) in cases() {
        let (status, problem, text) = send(&client, "/v1/requests", kind, body.clone()).await;
        judge(&mut wrong, what, status, &problem, &text);
        // As a batch it fails as a whole, or the one job in it does.
        let batch = [b"{\"requests\":[".as_slice(), &body, b"]}"].concat();
        let (status, answer, text) = send(&client, "/v1/requests/batch", kind, batch).await;
        match status {
            202 => {
                for one in answer["answers"].as_array().into_iter().flatten() {
                    let status =
                        one["problem"]["status"].as_u64().and_then(|status| u16::try_from(status).ok());
                    judge(
                        &mut wrong,
                        &format!("{what} in a batch"),
                        status.unwrap_or(0),
                        &one["problem"],
                        &text,
                    );
                }
            }
            _ => judge(&mut wrong, &format!("{what} as a batch"), status, &answer, &text),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows(&bed).await, before);
    assert_eq!(
        client.post("/v1/requests", &job("jane@example.com")).await.status,
        202,
        "the good one is good"
    );
    bed.all_are(1, "delivered").await;
    bed.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_headers_and_paths_are_refused_with_a_reason() {
    let bed = Bed::new().await;
    bed.company("blanca", |_| {}).await;
    let worker = bed.worker().await;
    let client = bed.client("blanca").await;
    let body = job("jane@example.com").to_string().into_bytes();
    let long = "k".repeat(256);
    for key in ["", "\"\"", "tab\tinside", long.as_str()] {
        let headers = [JSON, ("idempotency-key", key)];
        let answer = client.raw(Method::POST, "/v1/requests", &headers, body.clone()).await;
        assert_eq!((answer.status, answer.word()), (400, "bad_request"), "{key}: {}", answer.text);
    }
    for path in ["/v1/requests/%00", "/v1/%ff", "/v1", "/v1/../key", "//"] {
        let answer = client.get(path).await;
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.word().is_empty(), "{path}: {}", answer.text);
    }
    assert!(bed.standings().await.is_empty());
    bed.nothing_left(worker).await;
}
