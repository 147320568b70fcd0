//! Nothing of one company is visible or changeable with another's key: every documented route is walked.
//!
//! Whatever ids a company has in the ledger are put into every path, query and body of the description, and
//! called with another company's key. New routes are walked without a line here.

use std::collections::{BTreeMap, BTreeSet};

use postrider::api::router;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::hand_in::job;
use crate::support::{Bed, api::Client};

/// In names, tags and notes of the owner, and in nothing that the walk sends.
const SECRET: &str = "Zebedee";
const EMAIL: &str = "walk@owner.example";

/// Tables whose rows come and go by themselves.
const RESTLESS: [&str; 6] = ["alert_tick", "lease", "watch", "suspect", "api_key", "_sqlx_migrations"];

/// Every row of every other table, by table.
async fn rows(bed: &Bed) -> BTreeMap<String, BTreeSet<String>> {
    let tables: Vec<(String,)> =
        sqlx::query_as("select tablename::text from pg_tables where schemaname = 'public' order by 1")
            .fetch_all(&bed.pool)
            .await
            .expect("asked");
    let mut all = BTreeMap::new();
    for (table,) in tables.into_iter().filter(|(table,)| !RESTLESS.contains(&table.as_str())) {
        let query = format!("select to_jsonb(t)::text from {table} t");
        let rows: Vec<(String,)> =
            sqlx::query_as(sqlx::AssertSqlSafe(query)).fetch_all(&bed.pool).await.expect("asked");
        all.insert(table, rows.into_iter().map(|row| row.0).collect());
    }
    all
}

/// Ids that the owner has anywhere: what a foreign caller might have learnt.
fn ids(rows: &BTreeMap<String, BTreeSet<String>>, stranger: i32) -> Vec<String> {
    let mut ids: BTreeSet<String> =
        ["owner", EMAIL, "owner-mailgun", "paulagent@blancapeak.com"].map(str::to_owned).into();
    for row in rows.values().flatten() {
        let row: Map<String, Value> = serde_json::from_str(row).expect("JSON");
        if row.get("company") == Some(&json!(stranger)) {
            continue;
        }
        for name in ["id", "request", "message"] {
            ids.extend(row.get(name).and_then(Value::as_str).map(str::to_owned));
        }
    }
    ids.into_iter().collect()
}

async fn owner(bed: &Bed) -> Client {
    let owner = bed.client("owner").await;
    let mut jobs = vec![job(EMAIL), job(EMAIL), job("later@owner.example")];
    jobs[1]["ext_interaction_id"] = "2".into();
    jobs[2]["delay_secs"] = 86_400.into();
    for one in &mut jobs {
        one["customer"]["name"] = SECRET.into();
        one["tags"] = json!([SECRET]);
        assert_eq!(owner.post("/v1/requests", one).await.status, 202);
    }
    let bad = json!({ "customer": { "name": SECRET }, "colour": SECRET });
    assert_eq!(owner.post("/v1/requests", &bad).await.status, 422);
    crate::support::wait::until("the owner's requests rest", || async {
        let words: Vec<_> = bed.standings().await.into_iter().map(|one| one.status).collect();
        words == ["delivered", "suppressed", "queued"]
    })
    .await;
    owner
}

/// A body that fits a schema: what is required, or everything; each id becomes `id`.
fn sample(document: &Value, schema: &Value, id: &str, whole: bool, depth: usize) -> Value {
    if let Some(path) = schema["$ref"].as_str() {
        let name = path.rsplit('/').next().unwrap_or("");
        return sample(document, &document["components"]["schemas"][name], id, whole, depth + 1);
    }
    if let Some(options) = ["oneOf", "anyOf", "allOf"].iter().find_map(|word| schema[word].as_array()) {
        let some = options.iter().find(|one| one["type"] != "null").unwrap_or(&Value::Null);
        return sample(document, some, id, whole, depth + 1);
    }
    if let Some(word) = schema["enum"].get(0) {
        return word.clone();
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    let kind = kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("object");
    match kind {
        "string" if schema["format"] == "date-time" => json!("2030-01-01T00:00:00Z"),
        "string" if schema["format"] == "email" => json!("walk@other.example"),
        "string" => json!(id),
        "integer" | "number" => json!(schema["minimum"].as_i64().unwrap_or(1)),
        "boolean" => json!(true),
        "array" if depth < 8 => json!([sample(document, &schema["items"], id, whole, depth + 1)]),
        "array" => json!([]),
        _ if depth >= 8 => json!({}),
        _ => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let wanted = |name: &String| whole || required.iter().any(|one| one == name);
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields
                .filter(|(name, _)| wanted(name))
                .map(|(name, inside)| (name.clone(), sample(document, inside, id, whole, depth + 1)))
                .collect::<Map<String, Value>>()
                .into()
        }
    }
}

struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
    /// The path itself names something of the owner's.
    named: bool,
}

fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Every call of the description with one id of the owner's.
fn calls(document: &Value, id: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
            let named = parts.iter().any(|part| part.starts_with('{'));
            for part in parts.iter_mut().filter(|part| part.starts_with('{')) {
                *part = escaped(id);
            }
            let plain = parts.join("/");
            let mut push = |path: String, body: Option<Value>| {
                calls.push(Call { method: method.clone(), path, body, named });
            };
            let content =
                operation["requestBody"]["content"].as_object().and_then(|content| content.values().next());
            match content {
                Some(content) => {
                    for whole in [false, true] {
                        push(plain.clone(), Some(sample(document, &content["schema"], id, whole, 0)));
                    }
                }
                None => push(plain.clone(), None),
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] == "query" {
                    let name = parameter["name"].as_str().expect("a name");
                    push(format!("{plain}?{name}={}", escaped(id)), None);
                }
            }
        }
    }
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_shows_or_changes_anything_with_another_companys_key() {
    let bed = Bed::new().await;
    let company = bed.company("owner", |_| {}).await;
    let other = bed.company("other", |_| {}).await;
    let worker = bed.worker_with("api.calls_burst = 1000000\ncompanies.refresh_ms = 600000").await;
    bed.webhooks_to("owner", &format!("127.0.0.1:{}", bed.public_port));
    let owner = owner(&bed).await;
    let before = rows(&bed).await;
    let ids = ids(&before, other.0);
    let stranger = bed.client("other").await;
    let document = serde_json::to_value(router::document()).expect("JSON");
    let mut wrong = Vec::new();
    let mut walked = 0;
    // What the stranger wrote is the stranger's, and may be told.
    let mut sent: BTreeSet<&str> = ["owner", EMAIL, "paulagent@blancapeak.com"].into();
    for id in &ids {
        sent.insert(id);
        for Call { method, path, body, named } in calls(&document, id) {
            let answer = stranger.call(method.clone(), &path, body.as_ref()).await;
            walked += 1;
            let unsent = |other: &&String| !sent.contains(other.as_str());
            let leaked = answer.text.contains(SECRET)
                || ids.iter().filter(unsent).any(|other| answer.text.contains(other.as_str()));
            let shown = named && method == Method::GET && answer.status < 400;
            if answer.status >= 500 || leaked || shown {
                wrong.push(format!(
                    "{method} {path} {}: {} {}",
                    body.unwrap_or_default(),
                    answer.status,
                    answer.text
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {walked} calls:\n{}", wrong.len(), wrong.join("\n"));
    assert!(walked >= ids.len() * 4, "only {walked} calls were made");
    for (table, now) in rows(&bed).await {
        let strangers = |row: &&String| row.contains("\"slug\": \"other\"");
        let gone: Vec<_> = before[&table].difference(&now).filter(|row| !strangers(row)).collect();
        assert!(gone.is_empty(), "{table}: rows changed or went: {gone:?}");
        let owners = format!("\"company\": {}", company.0);
        let new: Vec<_> = now.difference(&before[&table]).filter(|row| row.contains(&owners)).collect();
        assert!(new.is_empty(), "{table}: the owner has new rows: {new:?}");
    }
    let (key,): (String,) = sqlx::query_as("select bool_and(revoked_at is null)::text from api_key")
        .fetch_one(&bed.pool)
        .await
        .expect("asked");
    assert_eq!((key.as_str(), owner.get("/v1/key").await.status), ("true", 200), "no key was revoked");
    assert!(worker.stop().await, "the worker ends within its deadline");
}
