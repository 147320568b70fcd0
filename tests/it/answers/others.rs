//! Answers and what is special: service recoveries of an answered root, and tests.
//!
//! A recovery asks after an answer, so its root's never counts for it; and what a test says completes no
//! request of a real customer.

use postrider::intake::inbound::EntryPoint;
use postrider_domain::company::Binding;

use super::{AcceptOutcome, InboundJob, TestEnv, World, in_an_hour, job, json, responding, response};

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_root_is_recovered_and_its_answer_is_not_the_recoverys() {
    let world = World::new().await;
    let interaction = json!({ "ext_interaction_id": "call-7" });
    let root = world.accept(&in_an_hour("+14155550014", interaction.clone())).await;
    let said = response("r-1", interaction.clone());
    assert_eq!(world.completes(&said).await, [root]);
    // Answered before it was sent, so that nothing was ever sent: the customer's word counts all the same.
    let recovery = json!({
        "employee": { "email": "paulagent@blancapeak.com" },
        "initial_feedback_request_id": root,
        "ext_interaction_id": "call-7",
        "delay_secs": 3_600,
    });
    let recovery = world.accept(&recovery).await;
    let standings = world.env.standings().await;
    assert_eq!(standings[0].reason.as_deref(), Some("answered"));
    assert_eq!(standings[1].status, "queued", "it asks again, after the complaint was mended");
    assert_eq!(world.completes(&said).await, [root], "also when the first answer comes again");
    assert_eq!(world.env.standings().await[1].status, "queued");

    let again = response("r-2", json!({ "request_id": recovery }));
    assert_eq!(world.completes(&again).await, [recovery], "its own id answers it");
    assert_eq!(world.env.standings().await[1].reason.as_deref(), Some("answered"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_was_neither_sent_nor_answered_is_not_recovered() {
    let world = World::new().await;
    let root = world.accept(&in_an_hour("+14155550015", json!({}))).await;
    let recovery = json!({
        "employee": { "email": "paulagent@blancapeak.com" },
        "initial_feedback_request_id": root,
    });
    let job = job::inbound("blanca", recovery.to_string().as_bytes());
    let answer = world.acceptor.accept(&[job]).await.expect("the ledger answers").pop();
    let Some(AcceptOutcome::Rejected { problems, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(problems[0].code, "not_sent");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tests_response_completes_tests_only() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| {
        policy.test_phone = Some("+14155559999".to_owned());
        policy.bindings = vec![
            Binding { user: "live".to_owned(), test: false },
            Binding { user: "tests".to_owned(), test: true },
        ];
    })
    .await;
    let worker = env.worker_with("roles.dispatch = false").await;
    let acceptor = worker.acceptor.clone().expect("this worker takes jobs");
    let by = |user: &str, inbound: InboundJob| InboundJob {
        entry_point: EntryPoint::Amqp { user: Some(user.to_owned()) },
        ..inbound
    };
    let said = response("r-1", json!({ "ext_interaction_id": "call-7" }));
    for (first, user) in [(true, "tests"), (false, "live")] {
        let job =
            in_an_hour("+14155550016", json!({ "ext_interaction_id": "call-7", "idempotency_key": user }));
        let job = by(user, job::inbound("blanca", job.to_string().as_bytes()));
        acceptor.accept(&[job]).await.expect("accepted");
        if first {
            acceptor.accept_responses(&[by("tests", responding(&said))]).await.expect("heard");
        }
    }
    let standings = env.standings().await;
    assert_eq!(standings[0].reason.as_deref(), Some("answered"));
    assert_eq!(standings[1].status, "queued", "a response to a test counts for no other request");
    env.nothing_left(worker).await;
}
