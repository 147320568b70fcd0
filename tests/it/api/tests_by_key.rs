//! Test keys: the real path through rules, ledger and receipts, and never to a customer.
//!
//! The same over AMQP is a binding's `test`; what a test request does to the rules is in `rules`.

use postrider::api::Scope;
use serde_json::json;

use super::hand_in::job;
use crate::support::Bed;

const PATH: &str = "/v1/requests";
const HOUSE: &str = "tests@blancapeak.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_test_keys_requests_reach_the_companys_test_address_and_reserve_nobody() {
    let bed = Bed::new().await;
    bed.company("blanca", |policy| policy.test_email = Some(HOUSE.to_owned())).await;
    let worker = bed.worker().await;
    let tester = bed.client_with("blanca", false, &[Scope::Send]).await;
    let live = bed.client("blanca").await;
    let answer = tester.post(PATH, &job("jane@example.com")).await;
    assert_eq!((answer.status, &answer.json["test"]), (202, &json!(true)), "{}", answer.text);
    bed.all_are(1, "delivered").await;
    let (test, reserved): (bool, i64) =
        sqlx::query_as("select bool_and(test), (select count(*) from contact) from request")
            .fetch_one(&bed.pool)
            .await
            .expect("asked");
    assert_eq!((test, reserved), (true, 0), "marked, and nobody counts as asked");
    let mut second = job("jane@example.com");
    second["ext_interaction_id"] = "2".into();
    let answer = live.post(PATH, &second).await;
    assert_eq!((&answer.json["status"], &answer.json["test"]), (&json!("queued"), &json!(false)));
    bed.all_are(2, "delivered").await;
    second["ext_interaction_id"] = "3".into();
    let answer = tester.post(PATH, &second).await;
    assert_eq!(answer.json["status"], "queued", "a test is not held");
    let rules = answer.json["decision"]["rules"].as_array().expect("rules").clone();
    let period = rules.iter().find(|rule| rule["rule"] == "suppression_period").expect("it is seen");
    assert!(period["note"].as_str().is_some_and(|note| note.contains("not held")), "{period}");
    bed.all_are(3, "delivered").await;
    let mut to: Vec<String> = bed.simulator.accepted().into_iter().map(|mail| mail.recipient).collect();
    to.sort();
    assert_eq!(to, ["jane@example.com", HOUSE, HOUSE]);
    bed.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_test_address_the_built_in_simulator_takes_it_and_no_provider_hears_of_it() {
    let bed = Bed::new().await;
    bed.company("blanca", |_| {}).await;
    let worker = bed.worker().await;
    let tester = bed.client_with("blanca", false, &[Scope::Send]).await;
    let mut texted = job("joe@example.com");
    texted["customer"] = json!({ "phone": "+14155550101" });
    texted["medium"] = "sms".into();
    for body in [job("jane@example.com"), texted] {
        let answer = tester.post(PATH, &body).await;
        assert_eq!((answer.status, &answer.json["status"]), (202, &json!("queued")), "{}", answer.text);
    }
    bed.all_are(2, "delivered").await;
    let (told,): (i64,) =
        sqlx::query_as("select count(*) from receipt where kind = 'delivered' and code = 'simulated'")
            .fetch_one(&bed.pool)
            .await
            .expect("asked");
    assert_eq!(told, 2, "its receipts are on record");
    assert!(bed.simulator.accepted().is_empty(), "nothing was called");
    bed.nothing_left(worker).await;
}
