//! Operator actions on a request: pause, resume, cancel; and the answer when it is too late.
//!
//! Through the same functions as the command line.

use postrider::requests::{
    actions::{
        action::ActionContext,
        cancel::{self, Canceled},
        resume::{Resumed, resume},
    },
    views::timeline::timeline,
};
use postrider_domain::{
    company::{Member, Role},
    ids::MessageId,
    lifecycle::State,
};
use postrider_ledger::requests::ActionOrigin;
use serde_json::{Value, json};

use crate::support::{TestEnv, company, job, sql::with_states, wait};

fn in_two_seconds() -> Value {
    job::with(job::by_sms("+14155552671"), json!({ "delay_secs": 2 }))
}

async fn cancel(env: &TestEnv, id: uuid::Uuid) -> bool {
    matches!(cancel::cancel(&env.ledger, id, ActionOrigin::PROGRAM).await.expect("asked"), Canceled::Done)
}

/// The lines of the timeline, with the actor of each manual action.
async fn told(env: &TestEnv, id: uuid::Uuid) -> Vec<String> {
    let detail = env.ledger.request(id).await.expect("asked").expect("there");
    let told = timeline(&detail).into_iter().map(|event| match (event.event, event.what) {
        ("paused" | "resumed" | "canceled" | "answered", Some(who)) => format!("{} {who}", event.event),
        (word, _) => word.to_owned(),
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_request_is_not_sent_until_it_is_resumed() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish(&in_two_seconds()).await;
    let id = env.all_are(1, "queued").await[0].id;
    assert_eq!(
        env.ledger.pause(MessageId(id), ActionOrigin::PROGRAM).await.expect("asked"),
        Some(State::Waiting)
    );
    env.publish(&job::with(job::by_sms("+14155552672"), json!({ "delay_secs": 2 }))).await;
    wait::until("a request that is due later is delivered", || async {
        env.standings().await.iter().any(|one| one.status == "delivered")
    })
    .await;
    assert_eq!(env.simulator.calls().len(), 1, "past its due time, and still paused");
    let directory = worker.acceptor.as_ref().expect("takes jobs").company_cache.clone();
    let context = ActionContext { ledger: &env.ledger, company_cache: &directory, keys: &env.keys };
    let resumed = resume(context, id, ActionOrigin::PROGRAM).await.expect("asked");
    assert!(matches!(resumed, Resumed::Going(State::Waiting)), "{resumed:?}");
    env.all_are(2, "delivered").await;
    drop(directory);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resuming_runs_the_rules_again() {
    let env = TestEnv::new().await;
    let company = env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish(&in_two_seconds()).await;
    let id = env.all_are(1, "queued").await[0].id;
    env.ledger.pause(MessageId(id), ActionOrigin::PROGRAM).await.expect("asked");
    let addr = env.keys.identity.address_hash(company, postrider_domain::ids::Medium::Sms, "+14155552671");
    let kind = postrider_domain::ids::BlockKind::Manual;
    env.ledger
        .block_address(addr, company, postrider_domain::ids::Medium::Sms, kind, "test")
        .await
        .expect("blocked");
    let directory = worker.acceptor.as_ref().expect("takes jobs").company_cache.clone();
    let context = ActionContext { ledger: &env.ledger, company_cache: &directory, keys: &env.keys };
    resume(context, id, ActionOrigin::PROGRAM).await.expect("asked");
    let standings = env.all_are(1, "suppressed").await;
    assert_eq!(standings[0].reason.as_deref(), Some("blocked_by_hand"));
    let expected = ["accepted", "paused through system", "resumed through system", "ended"];
    assert_eq!(told(&env, id).await, expected);
    drop(directory);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_takes_back_what_is_not_begun_and_frees_its_person() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish(&in_two_seconds()).await;
    let id = env.all_are(1, "queued").await[0].id;
    assert!(cancel(&env, id).await);
    assert!(!cancel(&env, id).await, "an end stays an end");
    let mut again = in_two_seconds();
    again["delay_secs"] = json!(0);
    env.publish(&again).await;
    wait::until("the next request is delivered", || async {
        env.standings().await.iter().any(|one| one.status == "delivered")
    })
    .await;
    assert_eq!(env.standings().await[0].status, "canceled");
    assert!(!cancel(&env, env.standings().await[1].id).await, "handed over");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pausing_an_attempt_under_way_stops_the_next_one() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.simulator.set_recipient_fault("+14155552671", "busy");
    let worker = env.worker_with("retry.delays_secs = [0.5]").await;
    let mut now = in_two_seconds();
    now["delay_secs"] = json!(0);
    env.publish(&now).await;
    wait::until("an attempt was made", || async { env.standings().await.iter().any(|one| one.attempt >= 1) })
        .await;
    let id = env.standings().await[0].id;
    assert!(env.ledger.pause(MessageId(id), ActionOrigin::PROGRAM).await.expect("asked").is_some());
    wait::until("no call is under way", || async {
        env.ledger.request(id).await.expect("asked").expect("there").state == State::Waiting
    })
    .await;
    let calls_to = |phone: &str| env.simulator.calls().iter().filter(|call| call.recipient == phone).count();
    let calls = calls_to("+14155552671");
    env.simulator.set_recipient_fault("+14155552672", "busy");
    env.publish(&job::by_sms("+14155552672")).await;
    wait::until("a later request is tried again and again", || async { calls_to("+14155552672") >= 3 }).await;
    assert_eq!(calls_to("+14155552671"), calls, "no further attempt while it is paused");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_person_notes_is_on_record_once() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker_with("roles.dispatch = false").await;
    env.publish(&in_two_seconds()).await;
    let id = env.all_are(1, "queued").await[0].id;
    let by = |person| ActionOrigin { entry_point: "cli", key: None, person: Some(person), note: None };
    assert!(env.ledger.answer(id, by("ann")).await.expect("noted"));
    assert!(!env.ledger.answer(id, by("eve")).await.expect("asked"), "it was news once");
    let standings = env.all_are(1, "suppressed").await;
    assert_eq!(standings[0].reason.as_deref(), Some("answered"));
    assert_eq!(told(&env, id).await, ["accepted", "answered by ann through cli", "ended"]);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_own_request_is_resumed_and_retried_as_their_own() {
    let env = TestEnv::new().await;
    let policy = company::standard("blanca", env.providers());
    assert!(!policy.admin_may_request_on_behalf);
    env.apply(&policy, &[Member { role: Role::Admin, ..company::paul() }]).await;
    let worker = env.worker_with("roles.dispatch = false").await;
    let client = env.client("blanca").await;
    let mut by_hand = in_two_seconds();
    by_hand["requested_by"] = json!("PaulAgent@blancapeak.com");
    by_hand["requested_by_role"] = json!("company_admin");
    let made = client.post("/v1/requests", &by_hand).await;
    assert_eq!(made.status, 202, "{}", made.text);
    let path = format!("/v1/requests/{}", env.standings().await[0].id);
    assert_eq!(client.post(&format!("{path}/pause"), &json!({})).await.status, 200);
    let resumed = client.post(&format!("{path}/resume"), &json!({})).await;
    assert_eq!((resumed.status, &resumed.json["result"]), (200, &json!("resumed")), "{}", resumed.text);
    let failed = "update message set state = {PresumedFailed}, reason = 'retries_exhausted', attempt = 1, begun_at = now(),
        outcome = 1, ended_at = now(); select release_reservations(array[id], reservation_keys) from message; delete from due";
    sqlx::raw_sql(with_states(failed)).execute(&env.pool).await.expect("the ledger answers");
    let retried = client.post(&format!("{path}/retry"), &json!({ "requested_by": "Paul" })).await;
    assert_eq!((retried.status, &retried.json["result"]), (202, &json!("retried")), "{}", retried.text);
    env.nothing_left(worker).await;
}
