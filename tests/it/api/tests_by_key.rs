//! Test keys: the real path through rules, ledger and receipts, and never to a customer.
//!
//! The same over AMQP is a binding's `test`; what a test request does to the rules is in `rules`. Tests and
//! what is meant for customers do not meet, neither as duplicates nor in statistics.

use postrider::api::Scope;
use serde_json::json;

use crate::support::{TestEnv, job, process::Process, wait};

const PATH: &str = "/v1/requests";
const HOUSE: &str = "tests@blancapeak.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_test_keys_requests_reach_the_companys_test_address_and_make_no_reservation() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| policy.test_email = Some(HOUSE.to_owned())).await;
    let worker = env.worker().await;
    let tester = env.client_with("blanca", false, &[Scope::Send]).await;
    let live = env.client("blanca").await;
    let answer = tester.post(PATH, &job::by_email("jane@example.com")).await;
    assert_eq!((answer.status, &answer.json["test"]), (202, &json!(true)), "{}", answer.text);
    env.all_are(1, "delivered").await;
    let (test, reserved): (bool, i64) =
        sqlx::query_as("select bool_and(test), (select count(*) from reservation) from request")
            .fetch_one(&env.pool)
            .await
            .expect("asked");
    assert_eq!((test, reserved), (true, 0), "marked, and no customer counts as asked");
    let mut second = job::by_email("jane@example.com");
    second["ext_interaction_id"] = "2".into();
    let answer = live.post(PATH, &second).await;
    assert_eq!((&answer.json["status"], &answer.json["test"]), (&json!("queued"), &json!(false)));
    env.all_are(2, "delivered").await;
    second["ext_interaction_id"] = "3".into();
    let answer = tester.post(PATH, &second).await;
    assert_eq!(answer.json["status"], "queued", "a test is not held");
    let rules = answer.json["decision"]["rules"].as_array().expect("rules").clone();
    let period = rules.iter().find(|rule| rule["rule"] == "suppression_period").expect("it is seen");
    assert!(period["note"].as_str().is_some_and(|note| note.contains("not held")), "{period}");
    env.all_are(3, "delivered").await;
    let mut to: Vec<String> = env.simulator.accepted().into_iter().map(|mail| mail.recipient).collect();
    to.sort();
    assert_eq!(to, ["jane@example.com", HOUSE, HOUSE]);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_no_twin_of_what_is_meant_for_a_customer() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| policy.test_email = Some(HOUSE.to_owned())).await;
    let worker = env.worker().await;
    let tester = env.client_with("blanca", false, &[Scope::Send]).await;
    let live = env.client("blanca").await;
    let former = "54bd2af9-28cb-48df-8c60-cd27de080cd4";
    let mut same = job::by_email("jane@example.com");
    same["idempotency_key"] = "order 7".into();
    same["former_id"] = former.into();
    let mut ids = Vec::new();
    for client in [&tester, &live] {
        let answer = client.post(PATH, &same).await;
        assert_eq!((answer.status, &answer.json["duplicate"]), (202, &json!(false)), "{}", answer.text);
        assert_eq!(answer.json["status"], "queued", "{}", answer.text);
        ids.push(answer.json["id"].clone());
    }
    env.all_are(2, "delivered").await;
    let mut to: Vec<String> = env.simulator.accepted().into_iter().map(|mail| mail.recipient).collect();
    to.sort();
    assert_eq!(to, ["jane@example.com", HOUSE]);
    let said = json!({ "response_id": "r-1", "request_id": former });
    let mut bad = job::by_email("jane@example.com");
    bad["channel"] = json!("fax");
    for (client, id) in [&tester, &live].into_iter().zip(&ids) {
        let again = client.post(PATH, &same).await;
        assert_eq!((&again.json["id"], &again.json["duplicate"]), (id, &json!(true)), "{}", again.text);
        let heard = client.post("/v1/responses", &said).await;
        assert_eq!(heard.json["request_ids"], json!([id]), "{}", heard.text);
        assert_eq!(client.post(PATH, &bad).await.status, 422);
    }
    let (refused, tests): (i64, i64) =
        sqlx::query_as("select count(*), count(*) filter (where test) from rejected_job")
            .fetch_one(&env.pool)
            .await
            .expect("asked");
    assert_eq!((refused, tests), (2, 1), "a customer's job does not become a test by a test's mistake");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_keys_jobs_are_in_no_statistics() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    // A process of its own: the tests of this one share their metrics.
    let mut process = Process::start(&env, "");
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    wait::until("the worker is ready", || process.is_ready()).await;
    let tester = env.client_with("blanca", false, &[Scope::Send]).await;
    let live = env.client("blanca").await;
    let mut bad = job::by_email("jane@example.com");
    bad["channel"] = json!("fax");
    for client in [&tester, &tester, &live] {
        assert_eq!(client.post(PATH, &bad).await.status, 422);
        for _ in 0..2 {
            assert_eq!(client.post(PATH, &job::by_email("jane@example.com")).await.status, 202);
        }
    }
    env.all_are(2, "delivered").await;
    for name in [
        "postrider_requests_accepted_total",
        "postrider_jobs_rejected_total",
        "postrider_jobs_duplicate_total",
        "postrider_attempts_total",
    ] {
        assert_eq!(process.until_metric(name, |value| value >= 1.0).await, 1.0, "{name}");
    }
    assert_eq!(process.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_test_address_the_built_in_simulator_takes_it_and_no_provider_hears_of_it() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let tester = env.client_with("blanca", false, &[Scope::Send]).await;
    let mut texted = job::by_email("joe@example.com");
    texted["customer"] = json!({ "phone": "+14155550101" });
    texted["medium"] = "sms".into();
    for body in [job::by_email("jane@example.com"), texted] {
        let answer = tester.post(PATH, &body).await;
        assert_eq!((answer.status, &answer.json["status"]), (202, &json!("queued")), "{}", answer.text);
    }
    env.all_are(2, "delivered").await;
    let (told,): (i64,) =
        sqlx::query_as("select count(*) from receipt where kind = 'delivered' and code = 'simulated'")
            .fetch_one(&env.pool)
            .await
            .expect("asked");
    assert_eq!(told, 2, "its receipts are on record");
    assert!(env.simulator.accepted().is_empty(), "nothing was called");
    env.nothing_left(worker).await;
}
