//! Whatever is sent to the API: nonsense gets a 4xx with a reason and changes nothing.
//!
//! Every route that takes JSON has a good body here; each case spoils it in one way, and each string of it
//! is spoiled by itself. A refused job may be kept as such, and nothing else.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    TestEnv,
    api::{ApiResponse, Client},
    job,
};

const JSON: &str = "application/json";
const REQUESTS: &str = "/v1/requests";
const BATCH: &str = "/v1/requests/batch";
/// Stands in a body's text for what no JSON of ours would write.
const MARK: &str = "(here)";

/// A route that takes a JSON body, and one that it takes gladly.
struct Route {
    method: Method,
    path: String,
    good: Value,
    /// The expected status of the valid call.
    status: u16,
}

/// One way to spoil a body.
struct Bad {
    what: String,
    kind: &'static str,
    body: Vec<u8>,
    /// The field that the answer must name.
    field: Option<String>,
}

impl Bad {
    fn nothing() -> Bad {
        Bad { what: String::new(), kind: JSON, body: Vec::new(), field: None }
    }
}

/// A job with a text in every field that takes one, but for those of a service recovery.
fn whole_job() -> Value {
    json!({
        "customer": {
            "custom_id": "C7", "name": "Jane", "email": "jane@example.com", "phone": "+14155550101"
        },
        "employee": { "email": "paulagent@blancapeak.com", "custom_id": "ABC789" },
        "channel": "phone", "ext_interaction_id": "call-7", "external_url": "https://crm.example/7",
        "tags": ["vip", "new"], "brand": "blanca", "language": "en", "country": "US", "medium": "email",
        "custom_properties": { "note": "one, two" }, "send_after": "2020-01-01T00:00:00Z",
        "idempotency_key": "order 7", "former_id": "54bd2af9-28cb-48df-8c60-cd27de080cd4",
        "requested_by": "Ann Smith", "requested_by_role": "team_leader",
        "override": { "reason": "she asked" },
    })
}

async fn routes(client: &Client) -> Vec<Route> {
    let mut refused = job::by_email("joe@example.com");
    refused["channel"] = json!("fax");
    assert_eq!(client.post(REQUESTS, &refused).await.status, 422);
    let first = async |path: &str| -> String {
        let answer = client.get(path).await;
        answer.json["items"][0]["id"].as_str().expect("there is one").to_owned()
    };
    let company = client.get("/v1/company?members=true").await.json;
    let paul = company["members"][0].clone();
    let member = format!("/v1/members/{}", first("/v1/members").await);
    let replay = format!("/v1/rejected/{}/replay", first("/v1/rejected").await);
    let nobody = "/v1/requests/00000000-0000-7000-8000-000000000000/retry";
    let id = "0190a0b0-0000-7000-8000-00000000cafe";
    let said = json!({ "response_id": "r-1", "ext_interaction_id": "call-9", "comment": "good",
        "answered_at": "2020-01-01T00:00:00Z", "custom_properties": { "note": "one, two" } });
    let bulk = json!({ "act": "pause", "requested_by": "Ann", "note": "because", "filter": {
        "status": "queued", "reason": "stop", "medium": "email", "channel": "phone", "brand": "blanca",
        "employee": "a@b.example", "tag": "vip", "source": "http", "from": "2020-01-01", "to": "2020-01-02",
        "test": "false", "q": "jane@example.com" } });
    let hire = json!({ "email": "new@blancapeak.com", "custom_id": "N1", "name": "New", "role": "leader" });
    let block = json!({ "address": "x@y.example", "medium": "email", "reason": "wrote to us" });
    let by_hand = json!({ "requested_by": "Ann", "note": "because", "of": id });
    let route = |method: Method, path: &str, good: Value, status: u16| Route {
        method,
        path: path.to_owned(),
        good,
        status,
    };
    vec![
        route(Method::POST, "/v1/requests/preview", whole_job(), 200),
        route(Method::POST, REQUESTS, whole_job(), 202),
        route(Method::POST, "/v1/responses", said, 200),
        route(Method::POST, "/v1/responses", json!({ "response_id": "r-2", "request_id": id }), 200),
        route(Method::POST, "/v1/requests/bulk", bulk, 200),
        route(Method::POST, nobody, by_hand, 404),
        route(Method::POST, "/v1/simulations", json!({ "changes": { "name": "Another" } }), 200),
        route(Method::PUT, "/v1/company", company.clone(), 200),
        route(Method::PATCH, "/v1/company", company, 200),
        route(Method::POST, "/v1/members", hire, 201),
        route(Method::PUT, &member, paul.clone(), 200),
        route(Method::PATCH, &member, paul, 200),
        route(Method::POST, "/v1/blocks", block, 201),
        route(Method::POST, &replay, json!({ "preview": true, "body": whole_job() }), 200),
    ]
}

/// Bodies that are bad for every route.
fn cases(good: &Value) -> Vec<Bad> {
    let text = good.to_string();
    let with = |inside: &str| format!("{}{inside}}}", &text[..text.len() - 1]).into_bytes();
    // A field with a value that is written as given, in place of the one that may be there.
    let put = |name: &str, raw: &str| {
        let mut body = good.clone();
        body[name] = MARK.into();
        body.to_string().replace(&format!("\"{MARK}\""), raw).into_bytes()
    };
    let (name, value) = good.as_object().and_then(|fields| fields.iter().next()).expect("it has a field");
    let list = |items: usize| json!(vec!["x"; items]).to_string();
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let plain: Vec<(&str, &'static str, Vec<u8>)> = vec![
        ("0 bytes", JSON, Vec::new()),
        ("1 byte", JSON, b"{".to_vec()),
        ("1 byte that is JSON", JSON, b"7".to_vec()),
        ("1 MiB of nothing", JSON, vec![b' '; 1 << 20]),
        ("1 MiB in one string", JSON, put("external_url", &format!("\"{}\"", "x".repeat(1 << 20)))),
        ("deep lists", JSON, "[".repeat(60_000).into_bytes()),
        ("deep and closed", JSON, put("tags", &deep)),
        ("deep objects", JSON, "{\"a\":".repeat(10_000).into_bytes()),
        ("another charset by name", "application/json; charset=iso-8859-1", text.clone().into_bytes()),
        ("UTF-16", JSON, text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("Latin-1", JSON, b"{\"channel\":\"caf\xe9\"}".to_vec()),
        ("half a surrogate pair as bytes", JSON, b"{\"channel\":\"\xed\xa0\x80\"}".to_vec()),
        ("a byte order mark", JSON, [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        ("a form", "application/x-www-form-urlencoded", b"channel=phone".to_vec()),
        ("text", "text/plain", text.clone().into_bytes()),
        ("no type", "", text.clone().into_bytes()),
        ("an unknown key twice", JSON, with(",\"colour\":1,\"colour\":1")),
        ("NUL, raw", JSON, put("brand", "\"a\u{0}b\"")),
        ("the other half", JSON, put("brand", "\"\\udc00\"")),
        ("halves in the wrong order", JSON, put("brand", "\"\\udc00\\ud800\"")),
        ("NUL in a key", JSON, put("custom_properties", "{\"a\\u0000\":\"b\"}")),
        ("CRLF in a key", JSON, put("custom_properties", "{\"a\\r\\nb\":\"b\"}")),
        ("a key twice, inside", JSON, put("custom_properties", "{\"a\":\"1\",\"a\":\"2\"}")),
        ("10,000 tags", JSON, put("tags", &list(10_000))),
        ("two documents", JSON, [text.as_bytes(), text.as_bytes()].concat()),
        ("a trailing comma", JSON, with(",")),
        ("an unknown field", JSON, with(",\"colour\":\"red\"")),
        ("a number beyond all bounds", JSON, put("brand", "1e999")),
        ("NaN", JSON, put("delay_secs", "NaN")),
        ("a list", JSON, b"[]".to_vec()),
        (
            "its values as a list",
            JSON,
            json!(good.as_object().expect("fields").values().collect::<Vec<_>>()).to_string().into_bytes(),
        ),
        ("null", JSON, b"null".to_vec()),
    ];
    let bad = |(what, kind, body): (&str, &'static str, Vec<u8>)| Bad {
        what: what.to_owned(),
        kind,
        body,
        ..Bad::nothing()
    };
    let mut bodies: Vec<Bad> = plain.into_iter().map(bad).collect();
    bodies.push(Bad {
        field: Some(name.clone()),
        ..bad(("a key twice", JSON, with(&format!(",\"{name}\":{value}"))))
    });
    bodies
}

/// The good body with one of its strings spoiled, for each of them.
fn spoiled_strings(good: &Value) -> Vec<Bad> {
    let mut found = Vec::new();
    strings("", "", good, &mut found);
    let mut bodies = Vec::new();
    for (field, pointer) in found {
        let text = good.pointer(&pointer).and_then(Value::as_str).expect("a string");
        let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
        let (within, behind) = (format!("{first}{MARK}{rest}"), format!("{text}{MARK}"));
        for (what, marked, escape, named) in [
            ("CRLF within", &within, "\\r\\n", true),
            ("CRLF behind", &behind, "\\r\\n", true),
            ("NUL", &behind, "\\u0000", true),
            ("half a surrogate pair", &within, "\\ud800", false),
        ] {
            let mut body = good.clone();
            *body.pointer_mut(&pointer).expect("it is there") = marked.as_str().into();
            bodies.push(Bad {
                what: format!("{what} {field}"),
                kind: JSON,
                body: body.to_string().replace(MARK, escape).into_bytes(),
                field: named.then(|| field.clone()),
            });
        }
    }
    bodies
}

/// Every string of a body: its path as answers name it, and as JSON points to it.
fn strings(field: &str, pointer: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(_) => found.push((field.to_owned(), pointer.to_owned())),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                strings(&format!("{field}[{place}]"), &format!("{pointer}/{place}"), item, found);
            }
        }
        Value::Object(fields) => {
            for (name, inside) in fields {
                let at = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                strings(&at, &format!("{pointer}/{name}"), inside, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Everything that is in the tables a call could change, and whether refused jobs are looked at too.
async fn rows(env: &TestEnv, with_refused: bool) -> Vec<(String, Option<String>)> {
    let mut contents = Vec::new();
    let tables: Vec<(String,)> = sqlx::query_as(
        "select tablename::text from pg_tables where schemaname = 'public'
         and tablename not in ('api_key', 'alert_tick', '_sqlx_migrations') order by 1",
    )
    .fetch_all(&env.pool)
    .await
    .expect("asked");
    for (table,) in tables.into_iter().filter(|(table,)| with_refused || table != "rejected_job") {
        let query = format!("select md5(string_agg(t::text, ' ' order by t::text)) from {table} t");
        let (content,): (Option<String>,) =
            sqlx::query_as(sqlx::AssertSqlSafe(query)).fetch_one(&env.pool).await.expect("asked");
        contents.push((table, content));
    }
    contents
}

async fn send(client: &Client, method: &Method, path: &str, kind: &str, body: Vec<u8>) -> ApiResponse {
    let headers = [("if-match", "*"), ("content-type", kind)];
    let headers = if kind.is_empty() { &headers[..1] } else { &headers[..] };
    client.raw(method.clone(), path, headers, body).await
}

/// The defect of the answer to a bad call, if there is one.
fn flaw(bad: &Bad, status: u16, problem: &Value) -> Option<String> {
    let reason = problem["detail"].as_str().is_some_and(|detail| !detail.is_empty());
    let named = bad.field.as_ref().is_none_or(|field| {
        let mut problems = problem["problems"].as_array().into_iter().flatten();
        problems.any(|one| one["field"] == field.as_str())
    });
    let good = (400..500).contains(&status) && reason && named;
    (!good).then(|| format!("{}: {status} {problem}", bad.what))
}

/// Sends a bad job as a batch: that fails as a whole, or the one job in it does.
async fn flaw_in_batch(client: &Client, bad: &Bad) -> Option<String> {
    let batch = [b"{\"requests\":[".as_slice(), &bad.body, b"]}"].concat();
    let answer = send(client, &Method::POST, BATCH, bad.kind, batch).await;
    if answer.status != 202 {
        let whole = Bad { what: format!("{} as a batch", bad.what), ..Bad::nothing() };
        return flaw(&whole, answer.status, &answer.json);
    }
    let answers = answer.json["answers"].as_array().cloned().unwrap_or_default();
    if answers.len() != 1 {
        return Some(format!("{} in a batch: {}", bad.what, answer.text));
    }
    let problem = &answers[0]["problem"];
    let status = problem["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    flaw(bad, status.unwrap_or(0), problem).map(|flaw| format!("in a batch, {flaw}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_body_is_refused_with_a_reason_and_changes_nothing() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker_with("api.calls_burst = 1000000").await;
    let client = env.client("blanca").await;
    let routes = routes(&client).await;
    let mut wrong = Vec::new();
    for Route { method, path, good, .. } in &routes {
        let hands_in = path == REQUESTS;
        let before = rows(&env, !hands_in).await;
        let mut bodies = cases(good);
        bodies.extend(spoiled_strings(good));
        if good.get("employee").is_some() {
            let mut recovery = good.clone();
            recovery["initial_feedback_request_id"] = json!("54bd2af9-28cb-48df-8c60-cd27de080cd4");
            let named = |bad: &Bad| bad.field.as_deref() == Some("initial_feedback_request_id");
            bodies.extend(spoiled_strings(&recovery).into_iter().filter(named));
        }
        assert!(bodies.len() > 36, "{method} {path}: only {} cases", bodies.len());
        for bad in &bodies {
            let answer = send(&client, method, path, bad.kind, bad.body.clone()).await;
            let flaw = flaw(bad, answer.status, &answer.json);
            wrong.extend(flaw.map(|flaw| format!("{method} {path}, {flaw}")));
            if hands_in {
                wrong.extend(flaw_in_batch(&client, bad).await);
            }
        }
        assert!(rows(&env, !hands_in).await == before, "{method} {path} changed something");
    }
    assert!(wrong.is_empty(), "{} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
    for Route { method, path, good, status } in routes {
        let answer = send(&client, &method, &path, JSON, good.to_string().into_bytes()).await;
        assert_eq!(answer.status, status, "{method} {path} takes the good one: {}", answer.text);
    }
    env.all_are(1, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_file_of_blocks_is_refused_with_a_reason_and_changes_nothing() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let before = rows(&env, true).await;
    let csv = "text/csv";
    let line = |cells: &str| format!("address,reason\n{cells}\n").into_bytes();
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("0 bytes", csv, Vec::new()),
        ("1 byte", csv, b"a".to_vec()),
        ("1 MiB in one line", csv, line(&format!("{},old", "x".repeat(1 << 20)))),
        ("5 MiB", csv, vec![b'\n'; 5 << 20]),
        ("another charset by name", "text/csv; charset=iso-8859-1", line("a@b.example,old")),
        ("Latin-1", csv, [line("a@b.example,old"), b"c@d.example,caf\xe9\n".to_vec()].concat()),
        (
            "half a surrogate pair",
            csv,
            [line("a@b.example,old"), b"c@d.example,\xed\xa0\x80\n".to_vec()].concat(),
        ),
        ("NUL in the address", csv, line("a\0@b.example,old")),
        ("NUL in the reason", csv, line("a@b.example,o\0ld")),
        ("CRLF in the address", csv, line("\"a\r\n@b.example\",old")),
        ("CRLF in the reason", csv, line("a@b.example,\"o\r\nld\"")),
        ("JSON", JSON, b"{}".to_vec()),
        ("no type", "", line("a@b.example,old")),
    ];
    for (what, kind, body) in cases {
        let answer = send(&client, &Method::POST, "/v1/blocks/import", kind, body).await;
        let bad = Bad { what: what.to_owned(), ..Bad::nothing() };
        assert_eq!(flaw(&bad, answer.status, &answer.json), None);
    }
    assert!(rows(&env, true).await == before, "something changed");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_headers_paths_and_queries_are_refused_with_a_reason() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let body = job::by_email("jane@example.com").to_string().into_bytes();
    let long = "k".repeat(256);
    for key in ["", "\"\"", "tab\tinside", long.as_str()] {
        let headers = [("content-type", JSON), ("idempotency-key", key)];
        let answer = client.raw(Method::POST, REQUESTS, &headers, body.clone()).await;
        assert_eq!((answer.status, answer.as_str()), (400, "bad_request"), "{key}: {}", answer.text);
    }
    for path in ["/v1/requests/%00", "/v1/%ff", "/v1", "/v1/../key", "//"] {
        let answer = client.get(path).await;
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.as_str().is_empty(), "{path}: {}", answer.text);
    }
    let block = "/v1/blocks/00000000-0000-7000-8000-000000000000";
    for query in ["", "?reason=", "?reason=a%00", "?reason=a%0D%0Ab", "?reason=%ff", "?reason=a&reason=b"] {
        let answer = client.call(Method::DELETE, &format!("{block}{query}"), None).await;
        assert!((400..500).contains(&answer.status), "{query}: {}", answer.status);
        assert!(!answer.as_str().is_empty(), "{query}: {}", answer.text);
    }
    assert!(env.standings().await.is_empty());
    env.nothing_left(worker).await;
}
