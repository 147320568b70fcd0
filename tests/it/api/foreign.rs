//! Nothing of one company is visible or changeable with another's key: every documented route is walked.
//!
//! All ids that a company has in the ledger are put into every path, query and body of the description, and
//! called with another company's key. New routes are walked without a line here; a route that takes none of the
//! bodies made here fails until it has one in `bodies`, and a route without description fails too. No worker
//! dispatches meanwhile: every change is the walk's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use postrider::api::{openapi, router};
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::support::{TestEnv, api::Client, job, wait};

/// In names, tags and notes of the owner, and in nothing that the walk sends.
const SECRET: &str = "Zebedee";
const EMAIL: &str = "walk@owner.example";

const OTHERS_EMAIL: &str = "walk@other.example";
/// Keys note their use.
const RESTLESS: [&str; 2] = ["api_key", "_sqlx_migrations"];
/// Answers that are given before a named resource is looked up: the walk has to come further.
const AT_THE_DOOR: [u16; 9] = [400, 401, 403, 405, 408, 413, 415, 422, 428];

/// Every row of every other table, by table.
async fn rows(env: &TestEnv) -> BTreeMap<String, BTreeSet<String>> {
    let tables: Vec<(String,)> =
        sqlx::query_as("select tablename::text from pg_tables where schemaname = 'public' order by 1")
            .fetch_all(&env.pool)
            .await
            .expect("asked");
    let mut all = BTreeMap::new();
    for (table,) in tables.into_iter().filter(|(table,)| !RESTLESS.contains(&table.as_str())) {
        let query = format!("select to_jsonb(t)::text from {table} t");
        let rows: Vec<(String,)> =
            sqlx::query_as(sqlx::AssertSqlSafe(query)).fetch_all(&env.pool).await.expect("asked");
        all.insert(table, rows.into_iter().map(|row| row.0).collect());
    }
    all
}

/// Ids that the owner has anywhere: what a foreign caller might have learnt.
fn ids(rows: &BTreeMap<String, BTreeSet<String>>, stranger: i32) -> Vec<String> {
    let mut ids: BTreeSet<String> =
        ["owner", EMAIL, "owner-mailgun", "paulagent@blancapeak.com"].map(str::to_owned).into();
    for row in rows.values().flatten() {
        let row = fields(row);
        if row.get("company") == Some(&json!(stranger)) {
            continue;
        }
        for name in ["id", "request", "message"] {
            ids.extend(row.get(name).and_then(Value::as_str).map(str::to_owned));
        }
    }
    ids.into_iter().collect()
}

fn fields(row: &str) -> Map<String, Value> {
    serde_json::from_str(row).expect("JSON")
}

/// The owner's world, at rest: jobs that went out, are held and wait, and one that was refused.
async fn owner(env: &TestEnv) -> Client {
    let owner = env.client("owner").await;
    let mut jobs = vec![job::by_email(EMAIL), job::by_email(EMAIL), job::by_email("later@owner.example")];
    jobs[1]["ext_interaction_id"] = "2".into();
    jobs[2]["delay_secs"] = 86_400.into();
    for one in &mut jobs {
        one["customer"]["name"] = SECRET.into();
        one["tags"] = json!([SECRET]);
        assert_eq!(owner.post("/v1/requests", one).await.status, 202);
    }
    let bad = json!({ "customer": { "name": SECRET }, "colour": SECRET });
    assert_eq!(owner.post("/v1/requests", &bad).await.status, 422);
    wait::until("the owner's requests rest", || async {
        let words: Vec<_> = env.standings().await.into_iter().map(|one| one.status).collect();
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
        "string" if schema["format"] == "email" => json!(OTHERS_EMAIL),
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
    /// As described.
    route: String,
    path: String,
    kind: String,
    body: Option<Vec<u8>>,
    /// The path itself names something of the owner's.
    named: bool,
}

fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Bodies that a route takes, where the description alone makes none. `own`: the stranger's own company.
fn bodies(method: &str, route: &str, id: &str, own: &Value) -> Vec<Value> {
    let mut about = job::by_email(OTHERS_EMAIL);
    about["ext_interaction_id"] = id.into();
    about["tags"] = json!([id]);
    let recovery =
        json!({ "employee": { "email": "paulagent@blancapeak.com" }, "initial_feedback_request_id": id });
    let named = if Uuid::try_parse(id).is_ok() { "request_id" } else { "ext_interaction_id" };
    let mut theirs = own.clone();
    theirs["slug"] = "owner".into();
    match (method, route) {
        ("POST", "/v1/requests" | "/v1/requests/preview") => vec![about, recovery],
        ("POST", "/v1/requests/batch") => vec![json!({ "requests": [about, recovery] })],
        ("POST", "/v1/responses") => vec![
            json!({ "response_id": id, named: id }),
            json!({ "response_id": format!("about {id}"), "ext_interaction_id": id }),
        ],
        ("PUT", "/v1/company") => vec![own.clone(), theirs],
        ("PATCH", "/v1/company") => vec![json!({}), json!({ "slug": "owner" })],
        ("POST" | "PUT" | "PATCH", "/v1/members" | "/v1/members/{id}") => vec![json!({ "custom_id": id })],
        ("POST", "/v1/blocks") => vec![json!({ "address": OTHERS_EMAIL, "reason": id })],
        _ => Vec::new(),
    }
}

/// Every call of the description with one id of the owner's.
fn calls(document: &Value, id: &str, own: &Value) -> Vec<Call> {
    let mut calls = Vec::new();
    for (route, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let method = method.to_uppercase();
            let named = route.contains('{');
            let part = |part: &str| if part.starts_with('{') { escaped(id) } else { part.to_owned() };
            let plain = route.split('/').map(part).collect::<Vec<_>>().join("/");
            let mut push = |path: String, kind: &str, body: Option<Vec<u8>>| {
                let method = method.parse().expect("a method");
                calls.push(Call { method, route: route.clone(), path, kind: kind.to_owned(), body, named });
            };
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] == "query" {
                    let name = parameter["name"].as_str().expect("a name");
                    push(format!("{plain}?{name}={}", escaped(id)), "", None);
                }
            }
            let Some(contents) = operation["requestBody"]["content"].as_object() else {
                push(plain, "", None);
                continue;
            };
            for (kind, content) in contents {
                if kind == "text/csv" {
                    let file = format!("address,reason\n{OTHERS_EMAIL},{id}\n");
                    push(plain.clone(), kind, Some(file.into_bytes()));
                    continue;
                }
                let samples = [false, true].map(|whole| sample(document, &content["schema"], id, whole, 0));
                for body in bodies(&method, route, id, own).into_iter().chain(samples) {
                    push(plain.clone(), kind, Some(body.to_string().into_bytes()));
                }
            }
        }
    }
    calls
}

/// The results of a walk.
#[derive(Default)]
struct Walk {
    calls: usize,
    wrong: Vec<String>,
    /// Operations that looked for what they were told.
    visited: BTreeSet<(String, String)>,
}

impl Walk {
    /// Makes every call with one of the owner's ids; `kept` are those that were not sent yet.
    async fn with(&mut self, stranger: &Client, calls: Vec<Call>, kept: &[&String]) {
        for Call { method, route, path, kind, body, named } in calls {
            let headers = [("if-match", "*"), ("content-type", kind.as_str())];
            let headers = if body.is_some() { &headers[..] } else { &headers[..1] };
            let bytes = body.unwrap_or_default();
            let answer = stranger.raw(method.clone(), &path, headers, bytes.clone()).await;
            self.calls += 1;
            let tells = |id: &str| {
                let simple = Uuid::try_parse(id).map(|id| id.simple().to_string());
                answer.text.contains(id) || simple.is_ok_and(|id| answer.text.contains(&id))
            };
            let leaked = answer.text.contains(SECRET) || kept.iter().any(|id| tells(id));
            let shown = named && answer.status < 400;
            if answer.status >= 500 || leaked || shown {
                let sent = String::from_utf8_lossy(&bytes);
                self.wrong.push(format!("{method} {path} {sent}: {} {}", answer.status, answer.text));
            }
            if !AT_THE_DOOR.contains(&answer.status) {
                self.visited.insert((method.to_string(), route));
            }
        }
    }
}

/// Fails where a row of the owner's changed or went, or something new is about the owner.
async fn nothing_changed(
    env: &TestEnv,
    before: &BTreeMap<String, BTreeSet<String>>,
    owner: i32,
    ids: &[String],
) {
    for (table, now) in rows(env).await {
        let others = |row: &&String| fields(row).get("slug") == Some(&json!("other"));
        let gone: Vec<_> = before[&table].difference(&now).filter(|row| !others(row)).collect();
        assert!(gone.is_empty(), "{table}: rows changed or went: {gone:?}");
        let about_owner = |row: &&String| {
            let row = fields(row);
            match row.get("company") {
                Some(company) => company == &json!(owner),
                None => row.values().filter_map(Value::as_str).any(|value| ids.iter().any(|id| id == value)),
            }
        };
        let new: Vec<_> = now.difference(&before[&table]).filter(about_owner).collect();
        assert!(new.is_empty(), "{table}: new rows are about the owner: {new:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_shows_or_changes_anything_with_another_companys_key() {
    let env = TestEnv::new().await;
    let company = env.company("owner", |_| {}).await;
    let other = env.company("other", |_| {}).await;
    let sender = env.worker().await;
    env.webhooks_to("owner", &format!("127.0.0.1:{}", env.public_port));
    let owner = owner(&env).await;
    env.nothing_due().await;
    env.nothing_left(sender).await;
    let worker =
        env.worker_with("api.calls_burst = 1000000\nroles.intake = false\nroles.dispatch = false").await;
    let stranger = env.client("other").await;
    let own = stranger.get("/v1/company").await.json;
    assert_eq!(own["slug"], "other");
    let before = rows(&env).await;
    let ids = ids(&before, other.0);
    let document = serde_json::to_value(router::document()).expect("JSON");
    let mut walk = Walk::default();
    // Values that the stranger sent may be repeated in the answer.
    let mut sent: BTreeSet<&str> = ["owner", EMAIL, "paulagent@blancapeak.com"].into();
    for id in &ids {
        sent.insert(id);
        let kept: Vec<&String> = ids.iter().filter(|other| !sent.contains(other.as_str())).collect();
        walk.with(&stranger, calls(&document, id, &own), &kept).await;
    }
    let Walk { calls, wrong, visited } = walk;
    assert!(wrong.is_empty(), "{} of {calls} calls:\n{}", wrong.len(), wrong.join("\n"));
    let mut missed = Vec::new();
    for (path, methods) in openapi::operations_by_path(&router::document()) {
        let unseen = |method: &&str| !visited.contains(&((*method).to_owned(), path.clone()));
        missed.extend(methods.into_iter().filter(unseen).map(|method| format!("{method} {path}")));
    }
    assert!(missed.is_empty(), "the walk came no further than the door of {missed:?}");
    nothing_changed(&env, &before, company.0, &ids).await;
    let (good,): (bool,) = sqlx::query_as("select bool_and(revoked_at is null) from api_key")
        .fetch_one(&env.pool)
        .await
        .expect("asked");
    assert_eq!((good, owner.get("/v1/key").await.status), (true, 200), "no key was revoked");
    assert!(worker.stop().await, "the worker ends within its deadline");
}

/// All of a folder's sources, with their names.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            found.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text));
        }
    }
}

/// The walk goes by the description: this holds the description to what is served.
#[test]
fn every_route_that_is_served_is_described() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api"), &mut found);
    let described: usize = openapi::operations_by_path(&router::document()).values().map(Vec::len).sum();
    let handlers: usize = found.iter().map(|(_, text)| text.matches("#[utoipa::path(").count()).sum();
    assert_eq!(handlers, described, "every handler of the API is on a route, and every route has one");
    for (name, text) in &found {
        // The description itself and its page are public, and are declared in `router.rs` only.
        let open = if name == "router.rs" { 2 } else { 0 };
        let plain: usize = [".route(", ".nest(", ".nest_service(", ".route_service(", ".fallback_service("]
            .iter()
            .map(|call| text.matches(call).count())
            .sum();
        assert_eq!(plain, open, "{name} serves something that is not described");
    }
}
