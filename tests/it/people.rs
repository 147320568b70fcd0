//! What a person may do to a request: pause, resume, cancel; and what the answer is when it is too late.
//!
//! Through the same functions as the command line.

use postrider::{
    intake::{
        cancel::{self, Canceled},
        resume::{Resumed, resume},
    },
    lifecycle::State,
    message::MessageId,
};
use serde_json::{Value, json};

use crate::support::{Bed, wait};

fn job() -> Value {
    json!({
        "customer": { "name": "Jane", "phone": "+14155552671" },
        "employee": { "email": "paulagent@blancapeak.com" },
        "channel": "phone",
        "delay_secs": 2,
    })
}

async fn cancel(bed: &Bed, id: uuid::Uuid) -> bool {
    matches!(cancel::cancel(&bed.ledger, id).await.expect("asked"), Canceled::Done)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_request_is_not_sent_until_it_is_resumed() {
    let bed = Bed::new().await;
    bed.company("blanca", |_| {}).await;
    let worker = bed.worker().await;
    bed.publish(&job()).await;
    let id = bed.all_are(1, "queued").await[0].id;
    assert_eq!(bed.ledger.pause(MessageId(id)).await.expect("asked"), Some(State::Waiting));
    wait::let_pass(std::time::Duration::from_secs(3)).await;
    assert!(bed.simulator.calls().is_empty(), "past its due time, and still paused");
    let directory = worker.acceptor.as_ref().expect("takes jobs").directory.clone();
    let resumed = resume(&bed.ledger, &directory, &bed.keys, id).await.expect("asked");
    assert!(matches!(resumed, Resumed::Going(State::Waiting)), "{resumed:?}");
    bed.all_are(1, "delivered").await;
    drop(directory);
    bed.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resuming_runs_the_rules_again() {
    let bed = Bed::new().await;
    let company = bed.company("blanca", |_| {}).await;
    let worker = bed.worker().await;
    bed.publish(&job()).await;
    let id = bed.all_are(1, "queued").await[0].id;
    bed.ledger.pause(MessageId(id)).await.expect("asked");
    let addr = bed.keys.identity.address(company, postrider::message::Medium::Sms, "+14155552671");
    let kind = postrider::message::BlockKind::Manual;
    bed.ledger
        .block_address(addr, company, postrider::message::Medium::Sms, kind, "test")
        .await
        .expect("blocked");
    let directory = worker.acceptor.as_ref().expect("takes jobs").directory.clone();
    resume(&bed.ledger, &directory, &bed.keys, id).await.expect("asked");
    let standings = bed.all_are(1, "suppressed").await;
    assert_eq!(standings[0].reason.as_deref(), Some("blocked_by_hand"));
    drop(directory);
    bed.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_takes_back_what_is_not_begun_and_frees_its_person() {
    let bed = Bed::new().await;
    bed.company("blanca", |_| {}).await;
    let worker = bed.worker().await;
    bed.publish(&job()).await;
    let id = bed.all_are(1, "queued").await[0].id;
    assert!(cancel(&bed, id).await);
    assert!(!cancel(&bed, id).await, "an end stays an end");
    let mut again = job();
    again["delay_secs"] = json!(0);
    bed.publish(&again).await;
    wait::until("the next request is delivered", || async {
        bed.standings().await.iter().any(|one| one.status == "delivered")
    })
    .await;
    assert_eq!(bed.standings().await[0].status, "canceled");
    assert!(!cancel(&bed, bed.standings().await[1].id).await, "handed over");
    bed.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pausing_an_attempt_under_way_stops_the_next_one() {
    let bed = Bed::new().await;
    bed.company("blanca", |_| {}).await;
    bed.simulator.set_magic("+14155552671", "busy");
    let worker = bed.worker_with("retry.delays_secs = [0.5]").await;
    let mut now = job();
    now["delay_secs"] = json!(0);
    bed.publish(&now).await;
    wait::until("an attempt was made", || async { bed.standings().await.iter().any(|one| one.attempt >= 1) })
        .await;
    let id = bed.standings().await[0].id;
    assert!(bed.ledger.pause(MessageId(id)).await.expect("asked").is_some());
    wait::until("no call is under way", || async {
        bed.ledger.show(id).await.expect("asked").expect("there").state == State::Waiting
    })
    .await;
    let calls = bed.simulator.calls().len();
    wait::let_pass(std::time::Duration::from_secs(2)).await;
    assert_eq!(bed.simulator.calls().len(), calls, "no further attempt while it is paused");
    bed.nothing_left(worker).await;
}
