//! Handing in over HTTP: the seeds' calls, repeats, batches, and commits that are shared.
//!
//! The rules behind it are tested over AMQP; here is what the door adds. Bad input is in `bad_input`.

use std::time::Duration;

use postrider::api::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{TestEnv, api::ApiResponse, api::Client, job, proxy::Proxy, wait};

const PATH: &str = "/v1/requests";
const BATCH: &str = "/v1/requests/batch";

fn seed(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/seeds/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// As the seeds' document says: "the following headers should be sent with all requests".
async fn as_printed(client: &Client, name: &str) -> ApiResponse {
    let headers = [("accept", "application/json"), ("content-type", "application/json")];
    client.raw(Method::POST, PATH, &headers, seed(name)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_bodies_are_taken_byte_for_byte_with_their_headers() {
    let env = TestEnv::new().await;
    let seeds =
        ["1_simple", "2_custom_ids", "3_ticket_url", "4_tags", "5_brand", "6_do_not_send", "7_language"];
    let slugs: Vec<String> = (1..=seeds.len()).map(|place| format!("blanca{place}")).collect();
    for slug in &slugs {
        env.company(slug, |_| {}).await;
    }
    let worker = env.worker().await;
    for (name, slug) in seeds.iter().zip(&slugs) {
        env.webhooks_to(slug, &format!("127.0.0.1:{}", env.public_port));
        let answer = as_printed(&env.client(slug).await, name).await;
        assert_eq!(answer.status, 202, "{name}: {}", answer.text);
        let held = *name == "6_do_not_send";
        assert_eq!(answer.json["status"], if held { "suppressed" } else { "queued" }, "{name}");
        assert_eq!(answer.json["reason"], if held { json!("do_not_send") } else { Value::Null }, "{name}");
        let decision = &answer.json["decision"];
        assert_eq!(decision["verdict"], if held { "suppress" } else { "send" }, "{name}");
        assert!(decision["rules"].as_array().is_some_and(|rules| rules.len() > 3), "{name}: {decision}");
    }
    wait::until("six are sent and one is kept back", || async {
        let standings = env.standings().await;
        let sent = standings.iter().filter(|one| matches!(one.status, "sent" | "delivered")).count();
        sent == 6 && standings.iter().filter(|one| one.status == "suppressed").count() == 1
    })
    .await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_recovery_is_refused_as_printed_and_taken_when_mended() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let mut first: Value = serde_json::from_slice(&seed("1_simple")).expect("JSON");
    first["former_id"] = "54bd2af9-28cb-48df-8c60-cd27de080cd4".into();
    assert_eq!(client.post(PATH, &first).await.status, 202);
    env.all_are(1, "delivered").await;
    let refused = as_printed(&client, "8_recovery").await;
    assert_eq!((refused.status, refused.as_str()), (400, "not_json"), "{}", refused.text);
    assert!(refused.text.contains("line 11"), "the position is named: {}", refused.text);
    assert_eq!(as_printed(&client, "8_recovery_mended").await.status, 202);
    env.all_are(2, "delivered").await;
    assert_eq!(env.rejected(1).await, ["not_json"], "the refusal is kept, as over AMQP");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gets_the_first_answer_and_another_job_under_its_key_a_conflict() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let json = ("content-type", "application/json");
    let send = |key: &'static str, body: Value| {
        let client = client.clone();
        let body = body.to_string().into_bytes();
        async move { client.raw(Method::POST, PATH, &[json, ("idempotency-key", key)], body).await }
    };
    let first = send("order 7", job::by_email("jane@example.com")).await;
    assert_eq!((first.status, &first.json["duplicate"]), (202, &json!(false)), "{}", first.text);
    env.all_are(1, "delivered").await;
    let again = send("\"order 7\"", job::by_email("jane@example.com")).await;
    assert_eq!((again.status, &again.json["duplicate"]), (202, &json!(true)), "{}", again.text);
    assert_eq!((&again.json["id"], &again.json["decision"]), (&first.json["id"], &first.json["decision"]));
    assert_eq!(again.json["status"], "delivered", "how it stands is told as it is by now");
    let other = send("order 7", job::by_email("joe@example.com")).await;
    assert_eq!((other.status, other.as_str()), (409, "conflict"), "{}", other.text);
    assert_eq!(other.fields(), ["idempotency_key"]);
    let content = client.post(PATH, &job::by_email("joe@example.com")).await;
    let repeat = client.post(PATH, &job::by_email("joe@example.com")).await;
    assert_eq!(content.json["id"], repeat.json["id"], "without a key the content is the key");
    let mut own = job::by_email("ann@example.com");
    own["idempotency_key"] = "order 7".into();
    assert_eq!(client.post(PATH, &own).await.status, 409, "a job's own key is the same kind of key");
    assert_eq!(env.standings().await.len(), 2);
    env.all_are(2, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_concurrent_calls_of_one_key_make_one_request() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker_with("api.calls_burst = 5000").await;
    let client = env.client("blanca").await;
    let calls = (0..1_000).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let headers = [("content-type", "application/json"), ("idempotency-key", "the one")];
            client
                .raw(Method::POST, PATH, &headers, job::by_email("jane@example.com").to_string().into_bytes())
                .await
        })
    });
    let answers = futures_util::future::join_all(calls).await;
    let mut ids = std::collections::BTreeSet::new();
    let mut fresh = 0;
    for answer in answers {
        let answer = answer.expect("no call breaks");
        assert_eq!(answer.status, 202, "{}", answer.text);
        ids.insert(answer.json["id"].as_str().expect("an id").to_owned());
        fresh += usize::from(answer.json["duplicate"] == false);
    }
    assert_eq!((ids.len(), fresh), (1, 1), "one request, and one call that made it");
    env.all_are(1, "delivered").await;
    assert_eq!(env.simulator.accepted().len(), 1);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_job_names_every_field_and_is_kept_as_over_amqp() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let body = json!({ "customer": { "email": "nobody" }, "channel": 7, "tags": "x", "colour": "red" });
    let answer = client.post(PATH, &body).await;
    assert_eq!((answer.status, answer.as_str()), (422, "unprocessable"), "{}", answer.text);
    let fields: std::collections::BTreeSet<&str> = answer.fields().into_iter().collect();
    assert_eq!(
        fields.into_iter().collect::<Vec<_>>(),
        ["channel", "colour", "customer.email", "employee", "tags"]
    );
    let unknown = client
        .post(
            PATH,
            &json!({ "customer": { "email": "jane@example.com" },
        "employee": { "email": "nobody@blancapeak.com" }, "channel": "fax" }),
        )
        .await;
    assert_eq!(unknown.status, 422, "{}", unknown.text);
    client.post(PATH, &body).await;
    let (rows, times, http): (i64, i64, bool) = sqlx::query_as(
        "select count(*), sum(times)::bigint, bool_and(source = 'http' and routing = '/v1/requests') from rejected_job",
    )
    .fetch_one(&env.pool)
    .await
    .expect("asked");
    assert_eq!((rows, times, http), (2, 3, true), "the same mistake again only counts");
    assert!(env.standings().await.is_empty());
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_answers_each_job_by_itself_and_in_order() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let (jane, joe) = (job::by_email("jane@example.com"), job::by_email("joe@example.com"));
    let mut held = jane.clone();
    held["ext_interaction_id"] = "8".into();
    let body = json!({ "requests": [jane, { "customer": 7 }, joe, jane, held, null] });
    let answer = client.post(BATCH, &body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let answers = answer.json["answers"].as_array().expect("answers");
    assert_eq!(answers.len(), 6);
    let told = |place: usize, field: &str| answers[place]["request"][field].clone();
    assert_eq!((told(0, "status"), told(2, "status")), (json!("queued"), json!("queued")));
    assert_eq!(
        (told(3, "id"), told(3, "duplicate")),
        (told(0, "id"), json!(true)),
        "a twin in the same batch"
    );
    assert_eq!((told(4, "status"), told(4, "reason")), (json!("suppressed"), json!("suppression_period")));
    for place in [1, 5] {
        assert_eq!(answers[place]["problem"]["status"], 422, "{}", answers[place]);
    }
    for (wrong, fields) in [
        (json!({ "requests": [] }), vec!["requests"]),
        (json!({ "requests": vec![&jane; 1_001] }), vec!["requests"]),
        (json!({ "requests": [jane], "more": 1 }), vec!["more"]),
    ] {
        let answer = client.post(BATCH, &wrong).await;
        assert_eq!((answer.status, answer.fields()), (422, fields), "{}", answer.text);
    }
    let headers = [("content-type", "application/json"), ("idempotency-key", "x")];
    let keyed = client.raw(Method::POST, BATCH, &headers, body.to_string().into_bytes()).await;
    assert_eq!(keyed.status, 400, "a header that would be ignored is refused: {}", keyed.text);
    env.all_ended(3, wait::TIMEOUT).await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_share_commits() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let calls = (0..64).map(|place| {
        let client = client.clone();
        tokio::spawn(async move {
            client.post(PATH, &job::by_email(&format!("c{place}@example.com"))).await.status
        })
    });
    for status in futures_util::future::join_all(calls).await {
        assert_eq!(status.expect("no call breaks"), 202);
    }
    let (commits,): (i64,) = sqlx::query_as("select count(distinct created_at) from request")
        .fetch_one(&env.pool)
        .await
        .expect("asked");
    assert!(commits <= 32, "64 calls took {commits} commits");
    env.all_are(64, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_not_called_accepted_and_counts_once_when_sent_again() {
    let env = TestEnv::new().await;
    let (line, url) = Proxy::before(&env.database_url).await;
    env.company("blanca", |_| {}).await;
    let worker =
        env.worker_with(&format!("database.url = \"{url}\"\ndatabase.acquire_timeout_secs = 1")).await;
    let client = env.client("blanca").await;
    assert_eq!(client.get("/v1/key").await.status, 200);
    line.set_cut(true);
    let refused = client.post(PATH, &job::by_email("jane@example.com")).await;
    assert_eq!((refused.status, refused.as_str()), (503, "unavailable"), "{}", refused.text);
    assert!(!refused.header("retry-after").is_empty(), "{:?}", refused.headers);
    line.set_cut(false);
    let again = wait::until_some_within(Duration::from_secs(30), "it is taken again", || async {
        let answer = client.post(PATH, &job::by_email("jane@example.com")).await;
        (answer.status == 202).then_some(answer)
    })
    .await;
    assert!(again.json["id"].is_string());
    env.all_are(1, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_key_with_the_scope_send_hands_in() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client_with("blanca", true, &[Scope::Read, Scope::Manage]).await;
    for (path, body) in [
        (PATH, job::by_email("jane@example.com")),
        (BATCH, json!({ "requests": [job::by_email("jane@example.com")] })),
    ] {
        let answer = client.post(path, &body).await;
        assert_eq!((answer.status, answer.as_str()), (403, "forbidden"), "{}", answer.text);
    }
    assert!(env.standings().await.is_empty());
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_made_a_moment_ago_is_known_to_its_first_call() {
    let env = TestEnv::new().await;
    let worker = env.worker_with("companies.refresh_ms = 600000").await;
    env.company("blanca", |_| {}).await;
    let client = env.client("blanca").await;
    let answer = client.post(PATH, &job::by_email("jane@example.com")).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_is_refused_while_still_sending_gets_the_reason() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let body = format!("{{\"requests\": [{}]}}", " ".repeat(3 << 20));
    let reader = env.client_with("blanca", true, &[Scope::Read]).await;
    let nobody = Client { key: "pr_live_0".to_owned(), ..client.clone() };
    for _ in 0..10 {
        let headers = [("content-type", "application/json")];
        for (client, status) in [(&nobody, 401), (&reader, 403)] {
            let path = "/v1/requests/batch";
            let answer = client.raw(Method::POST, path, &headers, body.clone().into_bytes()).await;
            assert_eq!(answer.status, status, "{}", answer.text);
        }
    }
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_closes_the_sending_side_after_a_whole_call_is_answered() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let body = job::by_email("jane@example.com").to_string();
    let address = client.base.trim_start_matches("http://");
    let mut socket = tokio::net::TcpStream::connect(address).await.expect("connected");
    let call = format!(
        "POST /v1/requests HTTP/1.1\r\nhost: {address}\r\nx-api-key: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        client.key,
        body.len()
    );
    socket.write_all(call.as_bytes()).await.expect("sent");
    socket.shutdown().await.expect("the sending side is closed");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    env.nothing_left(worker).await;
}
