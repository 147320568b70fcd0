//! Missing facts are asked for: lost answers, lost receipts, and sending once more.
//!
//! The simulator keeps receipts to itself (`webhook_loss_rate`), so that only a look-up can tell.

use std::time::Duration;

use postrider::worker::Worker;
use postrider_domain::{
    company::Policy,
    ids::{BlockKind, Medium},
    lifecycle::State,
};
use postrider_ledger::requests::ActionOrigin;
use postrider_provider_simulator::{Behaviour, SimulatorConfig};
use serde_json::{Value, json};

use crate::support::{TestEnv, company, job, sql::with_states, wait};

const PHONE: &str = "+14155550101";
const EMAIL: &str = "jane@example.test";

fn by_phone() -> Value {
    job::to(json!({ "phone": PHONE }))
}

fn by_email() -> Value {
    job::to(json!({ "email": EMAIL }))
}

fn untold() -> Behaviour {
    Behaviour { webhook_loss_rate: 1.0, ..Behaviour::default() }
}

/// A world in which no receipt ever comes.
async fn world(change: impl FnOnce(&mut Policy), more: &str) -> (TestEnv, Worker) {
    let env =
        TestEnv::with_simulator(SimulatorConfig { behaviour: untold(), ..SimulatorConfig::default() }).await;
    env.company("blanca", change).await;
    let worker = env.worker_with(more).await;
    (env, worker)
}

/// How the only message stands: state, reason, attempts, whether it was sent once more.
async fn message(env: &TestEnv) -> (State, Option<String>, i16, bool) {
    let (state, reason, attempt, resent): (i16, Option<String>, i16, bool) =
        sqlx::query_as("select state, reason, attempt, resent from message")
            .fetch_one(&env.pool)
            .await
            .expect("the ledger answers");
    (State::from_code(state).expect("known"), reason, attempt, resent)
}

async fn count(env: &TestEnv, table: &str) -> i64 {
    let (count,): (i64,) = sqlx::query_as(with_states(&format!("select count(*) from {table}")))
        .fetch_one(&env.pool)
        .await
        .expect("the ledger answers");
    count
}

async fn metric(worker: &Worker, line: &str) -> f64 {
    let address = worker.private_addr.expect("it shows metrics");
    let text = reqwest::get(format!("http://{address}/metrics")).await.expect("answered").text().await;
    let text = text.expect("text");
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_with_a_lost_answer_is_found_at_its_provider_and_not_sent_again() {
    for (job, recipient) in [(by_phone(), PHONE), (by_email(), EMAIL)] {
        for magic in ["acceptreset", "accepterror", "hang", "garbage"] {
            let (env, worker) = world(|_| {}, "dispatch.http_timeout_secs = 0.4").await;
            env.simulator.set_recipient_fault(recipient, magic);
            env.publish(&job).await;
            env.all_are(1, "delivered").await;
            assert_eq!(env.simulator.calls().len(), 1, "{magic}: no message was sent again");
            let (looked_up,): (bool,) = sqlx::query_as("select bool_and(looked_up) from receipt")
                .fetch_one(&env.pool)
                .await
                .expect("asked");
            assert!(looked_up, "{magic}: the timeline says how it was known");
            assert_eq!(count(&env, "due").await, 0, "{magic}: nothing is looked for any more");
            assert!(metric(&worker, "postrider_unknowns_settled_total{by=\"look_up\"}").await >= 1.0);
            env.simulator.release_hung();
            env.nothing_left(worker).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_provider_has_ends_as_unknown_after_the_last_look() {
    for (job, recipient) in [(by_phone(), PHONE), (by_email(), EMAIL)] {
        let (env, worker) = world(|_| {}, "").await;
        env.simulator.set_recipient_fault(recipient, "reset");
        env.publish(&job).await;
        env.all_are(1, "failed").await;
        assert_eq!(
            message(&env).await,
            (State::PresumedFailed, Some("outcome_unknown".to_owned()), 1, false)
        );
        assert!(env.simulator.accepted().is_empty());
        assert_eq!(count(&env, "due").await, 0);
        assert!(metric(&worker, "postrider_unknowns_settled_total{by=\"window\"}").await >= 1.0);
        env.nothing_left(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_receipt_is_asked_for_and_the_timeline_says_so() {
    for (job, recipient, magic, status) in [
        (by_phone(), PHONE, "ok", "delivered"),
        (by_email(), EMAIL, "ok", "delivered"),
        (by_phone(), PHONE, "bounce", "failed"),
        (by_email(), EMAIL, "bounce", "failed"),
    ] {
        let more = "receipts.email_looks_secs = [0.5, 1.0]\nreceipts.sms_looks_secs = [0.5, 1.0]";
        let (env, worker) = world(|_| {}, more).await;
        env.simulator.set_recipient_fault(recipient, magic);
        env.publish(&job).await;
        let standings = env.all_are(1, status).await;
        let detail = env.ledger.request(standings[0].id).await.expect("asked").expect("there");
        assert!(detail.receipts.iter().any(|receipt| receipt.looked_up), "{:?}", detail.receipts);
        assert!(metric(&worker, "postrider_receipts_missed_total").await >= 1.0);
        wait::until("nothing is watched any more", || async { count(&env, "receipt_poll").await == 0 }).await;
        if (magic, recipient) == ("bounce", EMAIL) {
            let (kinds,): (i32,) =
                sqlx::query_as("select kinds from block").fetch_one(&env.pool).await.expect("blocked");
            assert_eq!(kinds, BlockKind::HardBounced.bit(), "a look-up blocks as a receipt does");
        }
        env.nothing_left(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_receipt_leaves_the_message_sent_and_is_not_asked_for_for_ever() {
    let more = "receipts.email_looks_secs = [0.3, 0.6]\nreceipts.sms_looks_secs = [0.3, 0.6]";
    let (env, worker) = world(|_| {}, more).await;
    env.simulator.set_recipient_fault(PHONE, "silent");
    env.publish(&by_phone()).await;
    env.all_are(1, "sent").await;
    wait::until("the last look was made", || async { count(&env, "receipt_poll").await == 0 }).await;
    assert_eq!(message(&env).await.0, State::Sent);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_is_neither_asked_nor_watched() {
    let env =
        TestEnv::with_simulator(SimulatorConfig { behaviour: untold(), ..SimulatorConfig::default() }).await;
    let relay = env.providers().smtp;
    env.company("blanca", |policy| {
        policy.accounts[1] = company::smtp("blanca", relay);
        policy.resend_if_absent = true;
    })
    .await;
    let worker = env.worker().await;
    env.simulator.set_recipient_fault("lost@example.test", "dotreset");
    env.publish(&by_email()).await;
    env.publish(&job::to(json!({ "email": "lost@example.test" }))).await;
    wait::until("one is sent, the other given up", || async {
        let mut words: Vec<_> = env.standings().await.iter().map(|one| one.status).collect();
        words.sort_unstable();
        words == ["failed", "sent"]
    })
    .await;
    assert_eq!(env.simulator.calls().len(), 2, "and neither was sent again");
    assert_eq!((count(&env, "receipt_poll").await, count(&env, "due").await), (0, 0));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_without_a_trace_is_sent_once_more_where_the_company_wants_it() {
    let (env, worker) = world(|policy| policy.resend_if_absent = true, "").await;
    env.simulator.set_recipient_fault(EMAIL, "reset");
    env.publish(&by_email()).await;
    wait::until("the first attempt was made", || async { env.simulator.calls().len() == 1 }).await;
    env.simulator.set_recipient_fault(EMAIL, "ok");
    env.all_are(1, "sent").await;
    assert_eq!(message(&env).await, (State::Sent, None, 2, true));
    assert_eq!((env.simulator.calls().len(), env.simulator.accepted().len()), (2, 1));
    let (past,): (i16,) = sqlx::query_as("select outcome from attempt_past")
        .fetch_one(&env.pool)
        .await
        .expect("the first attempt is kept");
    assert_eq!(past, 2, "as unknown");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_sent_once_more_only_once_whatever_becomes_of_it() {
    let (env, worker) = world(|policy| policy.resend_if_absent = true, "").await;
    env.simulator.set_recipient_fault(EMAIL, "reset");
    env.publish(&by_email()).await;
    env.all_are(1, "failed").await;
    assert_eq!(message(&env).await, (State::PresumedFailed, Some("outcome_unknown".to_owned()), 2, true));
    assert_eq!(env.simulator.calls().len(), 2);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_lags_behind_every_look_costs_one_double_and_never_two() {
    let (env, worker) = world(|policy| policy.resend_if_absent = true, "").await;
    env.simulator.set_behaviour(Behaviour { look_up_lag: Duration::from_secs(3_600), ..untold() });
    env.simulator.set_recipient_fault(EMAIL, "acceptreset");
    env.publish(&by_email()).await;
    env.all_are(1, "failed").await;
    assert_eq!(message(&env).await, (State::PresumedFailed, Some("outcome_unknown".to_owned()), 2, true));
    assert_eq!(env.simulator.accepted().len(), 2, "the documented bound");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_that_were_hindered_never_let_it_be_sent_once_more() {
    let (env, worker) = world(|policy| policy.resend_if_absent = true, "").await;
    env.simulator.set_recipient_fault(EMAIL, "reset");
    env.publish(&by_email()).await;
    wait::until("the attempt is unknown", || async {
        count(&env, "message where state = {Unknown}").await == 1
    })
    .await;
    env.simulator.set_outage(true);
    env.all_are(1, "failed").await;
    assert_eq!(message(&env).await, (State::PresumedFailed, Some("outcome_unknown".to_owned()), 1, false));
    env.simulator.set_outage(false);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_never_sent_again() {
    let (env, worker) = world(|policy| policy.resend_if_absent = true, "").await;
    env.simulator.set_recipient_fault(PHONE, "reset");
    env.publish(&by_phone()).await;
    env.all_are(1, "failed").await;
    assert_eq!((message(&env).await.3, env.simulator.calls().len()), (false, 1));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_that_stops_before_the_resend_gets_nothing_and_the_outcome_stays_unknown() {
    // The lane opens for one call only, so that the second attempt waits.
    let more = "breaker.failures = 1\nbreaker.open_secs = 6.0\nbreaker.open_max_secs = 6.0";
    let (env, worker) = world(|policy| policy.resend_if_absent = true, more).await;
    let company = env.ledger.company_id("blanca").await.expect("asked").expect("there");
    env.simulator.set_recipient_fault(EMAIL, "reset");
    env.publish(&by_email()).await;
    wait::until("it waits to be sent once more", || async {
        count(&env, "message where state = {Waiting} and resent").await == 1
    })
    .await;
    let id = env.standings().await[0].id;
    let canceled = postrider::requests::actions::cancel::cancel(&env.ledger, id, ActionOrigin::PROGRAM)
        .await
        .expect("asked");
    assert!(matches!(canceled, postrider::requests::actions::cancel::Canceled::TooLate(_)), "{canceled:?}");
    let addr = env.keys.identity.address_hash(company, Medium::Email, EMAIL);
    env.ledger.block_address(addr, company, Medium::Email, BlockKind::Manual, "test").await.expect("blocked");
    env.all_are(1, "failed").await;
    assert_eq!(message(&env).await.1.as_deref(), Some("outcome_unknown"), "the first attempt may be out");
    assert_eq!(env.simulator.calls().len(), 1);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_that_answered_is_not_asked() {
    let (env, worker) = world(|_| {}, "").await;
    let mut delayed = by_phone();
    delayed["delay_secs"] = json!(2);
    env.publish(&delayed).await;
    let id = env.all_are(1, "queued").await[0].id;
    assert!(env.ledger.answer(id, ActionOrigin::PROGRAM).await.expect("asked"));
    assert!(!env.ledger.answer(id, ActionOrigin::PROGRAM).await.expect("asked"), "once is enough");
    let standings = env.all_are(1, "suppressed").await;
    assert_eq!(standings[0].reason.as_deref(), Some("answered"));
    assert!(env.simulator.calls().is_empty());
    env.nothing_left(worker).await;
}
