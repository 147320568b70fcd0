//! One request's whole way: from AMQP to *delivered*.
//!
//! The smallest test that touches every stage; read it first.

use serde_json::json;

use crate::support::{TestEnv, company};

#[tokio::test(flavor = "multi_thread")]
async fn an_sms_goes_from_amqp_to_delivered() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish(&json!({
        "customer": { "name": "Jane", "phone": "+14155552671" },
        "employee": { "email": "paulagent@blancapeak.com" },
        "channel": "phone",
    }))
    .await;
    let standings = env.all_are(1, "delivered").await;
    assert_eq!(standings[0].attempt, 1);
    let accepted = env.simulator.accepted();
    assert_eq!(accepted.len(), 1);
    assert_eq!(accepted[0].recipient, "+14155552671");
    assert!(
        accepted[0].text_or_subject.contains(&standings[0].id.to_string()),
        "the survey link names the request"
    );
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_goes_through_a_relay_and_is_sent() {
    let env = TestEnv::new().await;
    let relay = env.providers().smtp;
    env.company("blanca", |policy| policy.accounts[1] = company::smtp("blanca", relay)).await;
    let worker = env.worker().await;
    env.publish(&json!({
        "customer": { "name": "Jane", "email": "jane@example.com" },
        "employee": { "email": "paulagent@blancapeak.com" },
        "channel": "phone",
    }))
    .await;
    // A relay sends no receipts: *sent* is all that will ever be known.
    env.all_are(1, "sent").await;
    assert_eq!(env.simulator.accepted()[0].recipient, "jane@example.com");
    env.nothing_left(worker).await;
}
