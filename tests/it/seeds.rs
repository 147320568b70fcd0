//! The bodies that the product was asked for with: each is published over real AMQP and seen to its end.
//!
//! All of them ask the same customer, so each gets a company of its own; one more run gives all to one
//! company to show the suppression.

use serde_json::Value;

use crate::support::{TestEnv, wait};

fn seed(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/seeds/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Publishes one seed to a company of its own and gives what its mail looked like.
async fn ends_as(name: &str, status: &str) -> Vec<postrider_provider_simulator::Accepted> {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish_to("requests.blanca", None, &seed(name)).await;
    env.all_are(1, status).await;
    let accepted = env.simulator.accepted();
    env.nothing_left(worker).await;
    accepted
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simple_body_is_delivered() {
    let mails = ends_as("1_simple", "delivered").await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].recipient, "janecustomer@example.com");
    let mime = String::from_utf8_lossy(&mails[0].raw);
    for header in
        ["List-Unsubscribe:", "List-Unsubscribe-Post: List-Unsubscribe=One-Click", "Auto-Submitted:"]
    {
        assert!(mime.contains(header), "{header} is in the mail");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_with_custom_ids_is_delivered() {
    assert_eq!(ends_as("2_custom_ids", "delivered").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_with_a_ticket_url_is_delivered_and_does_not_show_it() {
    let mails = ends_as("3_ticket_url", "delivered").await;
    assert!(!String::from_utf8_lossy(&mails[0].raw).contains("samplecrm"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_with_tags_is_delivered() {
    assert_eq!(ends_as("4_tags", "delivered").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_with_a_brand_is_delivered_in_its_name() {
    let mails = ends_as("5_brand", "delivered").await;
    assert!(String::from_utf8_lossy(&mails[0].raw).contains("Blanca Gold"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_that_says_do_not_send_is_suppressed() {
    assert!(ends_as("6_do_not_send", "suppressed").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_in_canadian_french_is_delivered_in_french() {
    let mails = ends_as("7_language", "delivered").await;
    assert!(String::from_utf8_lossy(&mails[0].raw).contains("lang=3D\"fr"), "the HTML says its language");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_recovery_is_refused_as_printed_and_delivered_when_mended() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let mut first: Value = serde_json::from_slice(&seed("1_simple")).unwrap();
    first["former_id"] = "54bd2af9-28cb-48df-8c60-cd27de080cd4".into();
    env.publish(&first).await;
    env.all_are(1, "delivered").await;
    env.publish_to("requests.blanca", None, &seed("8_recovery")).await;
    assert_eq!(env.rejected(1).await, ["not_json"]);
    let (message,): (String,) = sqlx::query_as("select problems->0->>'message' from rejected_job")
        .fetch_one(&env.pool)
        .await
        .unwrap();
    assert!(message.contains("line 11"), "the position is named: {message}");
    env.publish_to("requests.blanca", None, &seed("8_recovery_mended")).await;
    env.all_are(2, "delivered").await;
    let mails = env.simulator.accepted();
    assert!(
        mails.iter().all(|mail| mail.recipient == "janecustomer@example.com"),
        "the customer is inherited"
    );
    // One recovery is enough until it ends, three in all.
    for n in 2..=4 {
        let mut again: Value = serde_json::from_slice(&seed("8_recovery_mended")).unwrap();
        again["idempotency_key"] = format!("recovery {n}").into();
        env.publish(&again).await;
        if n <= 3 {
            env.all_are(n + 1, "delivered").await;
        }
    }
    assert_eq!(env.rejected(2).await[1], "too_many_recoveries");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bodies_of_the_kustomer_workflow_are_delivered() {
    for name in ["kustomer_voice", "kustomer_other"] {
        let env = TestEnv::new().await;
        let body: Value = serde_json::from_slice(&seed(name)).unwrap();
        let employee = body["employee"]["email"].as_str().expect("an employee").to_owned();
        let mut policy = crate::support::company::standard("blanca", env.providers());
        let channel = body["channel"].as_str().expect("a channel").to_owned();
        if policy.channel(&channel).is_none() {
            policy.channels[0].name = channel;
        }
        let member =
            postrider_domain::company::Member { email: Some(employee), ..crate::support::company::paul() };
        env.apply(&policy, &[member]).await;
        let worker = env.worker().await;
        env.publish_to("requests.blanca", None, &seed(name)).await;
        env.all_are(1, "delivered").await;
        env.nothing_left(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_bodies_to_one_company_ask_the_customer_once() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish_to("requests.blanca", None, &seed("1_simple")).await;
    env.all_are(1, "delivered").await;
    for name in ["2_custom_ids", "3_ticket_url", "4_tags", "5_brand", "6_do_not_send", "7_language"] {
        env.publish_to("requests.blanca", None, &seed(name)).await;
    }
    let standings = env.all_ended(7, wait::TIMEOUT).await;
    let reasons: Vec<_> = standings.iter().map(|one| one.reason.as_deref().unwrap_or(one.status)).collect();
    let period = "suppression_period";
    assert_eq!(reasons, ["delivered", period, period, period, period, "do_not_send", period]);
    assert_eq!(env.simulator.accepted().len(), 1);
    env.nothing_left(worker).await;
}
