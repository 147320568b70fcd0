//! Kustomer's own workflow, the JSON of the seed, posts to us: host and keys are all that is changed.
//!
//! Its posts equal the seed's fixtures, for the voice and for the other branch, and a running worker accepts
//! them at `POST /v1/requests`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{interpreter::Run, jobs};
use crate::support::{
    TestEnv,
    kustomer::{self, Kustomer, notice},
};

const WORKFLOW: &str = include_str!("../../fixtures/seeds/kustomer_workflow.json");
const VOICE: &str = include_str!("../../fixtures/seeds/kustomer_voice.json");
const OTHER: &str = include_str!("../../fixtures/seeds/kustomer_other.json");

/// The workflow as its administrator fills it in.
fn workflow(key: &str) -> Value {
    let filled = WORKFLOW
        .replace("YOUR STELLA CONNECT API KEY", key)
        .replace("YOUR KUSTOMER API KEY", kustomer::API_KEY)
        .replace("YOUR_DOMAIN_HERE", "blancapeak");
    serde_json::from_str(&filled).expect("the workflow is JSON")
}

/// Runs it for a conversation through these channels; gives what it posted and was answered.
async fn posted(env: &TestEnv, kustomer: &Kustomer, channels: &[&str], event: &Value) -> Vec<(Value, u16)> {
    let client = env.client("blanca").await;
    let workflow = workflow(&client.key);
    let hosts = BTreeMap::from([
        ("https://api.stellaconnect.net", client.base.clone()),
        ("https://api.kustomerapp.com", format!("http://{}", kustomer.addr)),
    ]);
    kustomer.set_channels(channels);
    let mut run = Run::new(&workflow, hosts);
    run.trigger(event).await;
    run.posted
}

fn done(channels: &[&str]) -> Value {
    notice(|notice| notice["data"]["attributes"]["channels"] = json!(channels))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workflow_of_the_seed_makes_a_request_by_either_branch() {
    for (channels, fixture, channel) in
        [(["chat", "voice"], VOICE, "phone"), (["chat", "email"], OTHER, "chat")]
    {
        let env = TestEnv::new().await;
        env.company("blanca", |_| {}).await;
        let kustomer = Kustomer::start().await;
        let worker = env.worker().await;
        let posted = posted(&env, &kustomer, &channels, &done(&channels)).await;
        let expected: Value = serde_json::from_str(fixture).expect("JSON");
        assert_eq!(posted, [(expected, 202)], "{channels:?}");
        env.all_are(1, "delivered").await;
        let jobs = jobs(&env).await;
        assert_eq!(
            (&jobs[0]["channel"], &jobs[0]["email"]),
            (&json!(channel), &json!("janecustomer@example.com"))
        );
        assert_eq!(jobs[0]["tags"], json!(["exchange", "backorder"]));
        env.nothing_left(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workflow_posts_nothing_for_a_conversation_that_is_open_or_unassigned() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let kustomer = Kustomer::start().await;
    let open = notice(|notice| notice["changes"]["attributes"]["status"]["after"] = json!("open"));
    assert_eq!(posted(&env, &kustomer, &["chat"], &open).await, []);
    kustomer.set_customer(json!({"name": "Jane", "emails": []}));
    assert_eq!(posted(&env, &kustomer, &["chat"], &done(&["chat"])).await, []);
}
