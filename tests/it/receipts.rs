//! Receipts: early, doubled, disordered, late; and customers that opt out.
//!
//! Every webhook here is posted by hand, with real signatures and the tokens of real attempts. Forged and
//! foreign webhooks are in `webhook_security`.

use std::time::Duration;

use postrider::worker::Worker;
use postrider_domain::{
    ids::{BlockKind, Medium},
    lifecycle::State,
};
use postrider_provider_simulator::Behaviour;
use serde_json::{Value, json};

use crate::support::{
    TestEnv, job, wait,
    webhook::{self, Attempt, hard_bounce, mailgun_event, twilio_status, twilio_text},
};

const TWILIO: &str = "blanca-twilio";
const MAILGUN: &str = "blanca-mailgun";
const PHONE: &str = "+14155550101";
const EMAIL: &str = "jane@example.test";

fn by_phone(key: &str) -> Value {
    job::keyed(job::to(json!({ "phone": PHONE })), key)
}

fn by_email(key: &str) -> Value {
    job::keyed(job::to(json!({ "email": EMAIL })), key)
}

/// A test environment with providers that send no receipts, for customers that may be asked again at once.
async fn silent(more: &str) -> (TestEnv, Worker) {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| policy.suppression_days = 0).await;
    for recipient in [PHONE, EMAIL] {
        env.simulator.set_recipient_fault(recipient, "silent");
    }
    let worker = env.worker_with(more).await;
    env.simulator.set_webhook_urls(None, None);
    (env, worker)
}

/// One message in full, as far as receipts change it.
#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Row {
    state: i16,
    reason: Option<String>,
    code: Option<String>,
    attempt: i16,
    outcome: Option<i16>,
    told: bool,
}

async fn first(env: &TestEnv) -> Row {
    sqlx::query_as(
        "select state, reason, code, attempt, outcome, delivered_at is not null as told from message order by id limit 1",
    )
    .fetch_one(&env.pool)
    .await
    .expect("the ledger answers")
}

fn delivered() -> Row {
    Row { state: State::Delivered.code(), reason: None, code: None, attempt: 1, outcome: Some(0), told: true }
}

async fn in_state(env: &TestEnv, state: State) {
    wait::until(&format!("the first message is {state:?}"), || async {
        let found: Option<(i16,)> = sqlx::query_as("select state from message order by id limit 1")
            .fetch_optional(&env.pool)
            .await
            .expect("the ledger answers");
        found == Some((state.code(),))
    })
    .await;
}

async fn receipts(env: &TestEnv) -> i64 {
    let (count,): (i64,) = sqlx::query_as("select count(*) from receipt")
        .fetch_one(&env.pool)
        .await
        .expect("the ledger answers");
    count
}

/// The kinds by which the first message's address is blocked.
async fn blocked(env: &TestEnv) -> i32 {
    let kinds: Option<(i32,)> = sqlx::query_as(
        "select b.kinds from block b join message m on m.address_hash = b.address_hash order by m.id limit 1",
    )
    .fetch_optional(&env.pool)
    .await
    .expect("the ledger answers");
    kinds.map_or(0, |(kinds,)| kinds)
}

/// The reason for which the customer's next request is kept back.
async fn next_is_suppressed(env: &TestEnv, body: &Value) -> Option<String> {
    let count = env.standings().await.len() + 1;
    env.publish(body).await;
    let standings = env.all_settled(count).await;
    assert_eq!(standings[count - 1].status, "suppressed", "{standings:?}");
    standings[count - 1].reason.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_before_our_own_settle_counts_and_the_answer_adds_its_id() {
    let (env, worker) = silent("dispatch.http_timeout_secs = 20.0").await;
    env.simulator.set_recipient_fault(EMAIL, "hang");
    env.publish(&by_email("1")).await;
    in_state(&env, State::Sending).await;
    wait::until("the provider has it", || async { !env.simulator.accepted().is_empty() }).await;
    let attempt = Attempt::of(&env, MAILGUN, EMAIL).await;
    assert_eq!(mailgun_event(MAILGUN, &attempt, "delivered", json!({})).send(&env).await, 200);
    assert_eq!(first(&env).await, delivered(), "at once, while the call is under way");
    env.simulator.release_hung();
    env.nothing_left(worker).await;
    assert_eq!(first(&env).await, delivered(), "our own answer came later and changes nothing");
    let (id,): (Option<String>,) =
        sqlx::query_as("select provider_id from message").fetch_one(&env.pool).await.unwrap();
    assert_eq!(id, Some(attempt.provider_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_told_before_our_own_settle_keeps_its_code() {
    let (env, worker) = silent("dispatch.http_timeout_secs = 20.0").await;
    env.simulator.set_recipient_fault(EMAIL, "hang");
    env.publish(&by_email("1")).await;
    wait::until("the provider has it", || async { !env.simulator.accepted().is_empty() }).await;
    let attempt = Attempt::of(&env, MAILGUN, EMAIL).await;
    assert_eq!(mailgun_event(MAILGUN, &attempt, "failed", hard_bounce()).send(&env).await, 200);
    let failed = first(&env).await;
    assert_eq!((failed.state, failed.code.as_deref()), (State::Failed.code(), Some("5.1.1")));
    env.simulator.release_hung();
    env.nothing_left(worker).await;
    assert_eq!(first(&env).await, failed, "our own answer came later and changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_twice_and_in_disorder_end_as_one() {
    let (env, worker) = silent("").await;
    env.publish(&by_phone("1")).await;
    in_state(&env, State::Sent).await;
    let attempt = Attempt::of(&env, TWILIO, PHONE).await;
    let told = twilio_status(&env, TWILIO, &attempt, "delivered", None);
    let (one, other) = tokio::join!(told.send(&env), told.send(&env));
    assert_eq!((one, other), (200, 200), "at the same moment");
    assert_eq!(told.send(&env).await, 200, "and again");
    assert_eq!((receipts(&env).await, first(&env).await), (1, delivered()));
    for status in ["sent", "sending", "queued", "a_status_of_the_future"] {
        assert_eq!(twilio_status(&env, TWILIO, &attempt, status, None).send(&env).await, 200);
    }
    assert_eq!((receipts(&env).await, first(&env).await), (4, delivered()), "the unknown word is not kept");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mailguns_receipts_in_disorder_end_as_one() {
    let (env, worker) = silent("").await;
    env.publish(&by_email("1")).await;
    in_state(&env, State::Sent).await;
    let attempt = Attempt::of(&env, MAILGUN, EMAIL).await;
    let soft = json!({ "severity": "temporary", "delivery-status": { "code": 450 } });
    for (event, own) in
        [("delivered", json!({})), ("failed", soft), ("accepted", json!({})), ("opened", json!({}))]
    {
        assert_eq!(mailgun_event(MAILGUN, &attempt, event, own).send(&env).await, 200, "{event}");
    }
    assert_eq!((first(&env).await, blocked(&env).await), (delivered(), 0));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proof_after_an_unknowns_window_raises_what_we_concluded() {
    let accepted = Row { state: State::Sent.code(), told: false, ..delivered() };
    let failed = Row {
        state: State::Failed.code(),
        reason: Some("failed_at_provider".to_owned()),
        code: Some("5.1.1".to_owned()),
        told: false,
        ..delivered()
    };
    for (event, own, then) in [
        ("delivered", json!({}), delivered()),
        ("accepted", json!({}), accepted),
        ("failed", hard_bounce(), failed),
    ] {
        let (env, worker) = silent("unknown.email_looks_secs = [0.2]").await;
        env.simulator.set_recipient_fault(EMAIL, "acceptreset");
        // Look-ups do not show it in time either.
        env.simulator
            .set_behaviour(Behaviour { look_up_lag: Duration::from_secs(3_600), ..Behaviour::default() });
        env.publish(&by_email("1")).await;
        let standings = env.all_are(1, "failed").await;
        assert_eq!(standings[0].reason.as_deref(), Some("outcome_unknown"));
        let attempt = Attempt::of(&env, MAILGUN, EMAIL).await;
        assert_eq!(mailgun_event(MAILGUN, &attempt, event, own).send(&env).await, 200);
        assert_eq!(first(&env).await, then, "{event}");
        assert_eq!(env.simulator.calls().len(), 1, "and no message was sent again");
        env.nothing_left(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_reported_as_failed_stays_failed() {
    let (env, worker) = silent("").await;
    env.publish(&by_phone("1")).await;
    in_state(&env, State::Sent).await;
    let attempt = Attempt::of(&env, TWILIO, PHONE).await;
    assert_eq!(twilio_status(&env, TWILIO, &attempt, "undelivered", Some("30003")).send(&env).await, 200);
    let failed = first(&env).await;
    assert_eq!((failed.state, failed.reason.as_deref()), (State::Failed.code(), Some("failed_at_provider")));
    assert_eq!(failed.code.as_deref(), Some("30003"));
    assert_eq!(twilio_status(&env, TWILIO, &attempt, "delivered", None).send(&env).await, 200);
    assert_eq!((first(&env).await, receipts(&env).await), (failed, 2), "kept on record, and nothing moves");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_after_delivered_blocks_the_address_and_leaves_the_status() {
    let (env, worker) = silent("").await;
    env.publish(&by_email("1")).await;
    in_state(&env, State::Sent).await;
    let attempt = Attempt::of(&env, MAILGUN, EMAIL).await;
    assert_eq!(mailgun_event(MAILGUN, &attempt, "delivered", json!({})).send(&env).await, 200);
    assert_eq!(mailgun_event(MAILGUN, &attempt, "failed", hard_bounce()).send(&env).await, 200);
    assert_eq!((first(&env).await, blocked(&env).await), (delivered(), BlockKind::HardBounced.bit()));
    assert_eq!(next_is_suppressed(&env, &by_email("2")).await.as_deref(), Some("hard_bounced"));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_of_an_earlier_attempt_counts() {
    let (env, worker) = silent("retry.delays_secs = [600.0]").await;
    env.simulator.set_recipient_fault(EMAIL, "flaky");
    env.publish(&by_email("1")).await;
    wait::until("the first attempt was refused", || async {
        env.standings().await.first().is_some_and(|one| one.attempt == 1 && one.reason.is_some())
    })
    .await;
    // As if the refusal had been a lie: a receipt proves that attempt after all.
    sqlx::query("update due set at = now()").execute(&env.pool).await.unwrap();
    in_state(&env, State::Sent).await;
    let second = Attempt::of(&env, MAILGUN, EMAIL).await;
    assert_eq!(second.attempt, 2);
    let (account,): (i32,) = sqlx::query_as("select id from account where name = $1")
        .bind(MAILGUN)
        .fetch_one(&env.pool)
        .await
        .unwrap();
    let key = postrider_providers::TokenKey::new(vec![env.keys.token]);
    let message = postrider_domain::ids::MessageId(second.message);
    let token = key.sign(postrider_domain::ids::AccountId(account), message, 1).to_hex();
    let earlier = Attempt { attempt: 1, token, ..second };
    assert_eq!(mailgun_event(MAILGUN, &earlier, "delivered", json!({})).send(&env).await, 200);
    assert_eq!(first(&env).await, Row { attempt: 2, ..delivered() });
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_blocks_at_once_also_what_is_waiting() {
    let (env, worker) = silent("").await;
    let mut waiting = by_phone("1");
    waiting["delay_secs"] = json!(1);
    env.publish(&waiting).await;
    in_state(&env, State::Waiting).await;
    assert_eq!(twilio_text(&env, TWILIO, PHONE, "Please stop").send(&env).await, 200);
    assert_eq!(blocked(&env).await, BlockKind::Stop.bit());
    let standings = env.all_are(1, "suppressed").await;
    assert_eq!(standings[0].reason.as_deref(), Some("stop"), "begin's fence saw it");
    assert_eq!(next_is_suppressed(&env, &by_phone("2")).await.as_deref(), Some("stop"));
    assert!(env.simulator.calls().is_empty());
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn start_lifts_only_what_stop_made() {
    let (env, worker) = silent("").await;
    env.publish(&by_phone("1")).await;
    in_state(&env, State::Sent).await;
    let company = env.ledger.company_id("blanca").await.unwrap().expect("the company is there");
    let addr = env.keys.identity.address_hash(company, Medium::Sms, PHONE);
    let text = |body| twilio_text(&env, TWILIO, PHONE, body);
    assert_eq!(text("STOP").send(&env).await, 200);
    env.ledger.block_address(addr, company, Medium::Sms, BlockKind::Manual, "cli").await.unwrap();
    assert_eq!(next_is_suppressed(&env, &by_phone("2")).await.as_deref(), Some("stop"));
    assert_eq!(text("I have a question").send(&env).await, 200);
    assert_eq!(blocked(&env).await, BlockKind::Stop.bit() | BlockKind::Manual.bit());
    let start = text("START");
    assert_eq!(start.send(&env).await, 200);
    assert_eq!(blocked(&env).await, BlockKind::Manual.bit());
    assert_eq!(next_is_suppressed(&env, &by_phone("3")).await.as_deref(), Some("blocked_by_hand"));
    env.ledger.lift_block(addr, BlockKind::Manual, "cli").await.unwrap();
    env.publish(&by_phone("4")).await;
    wait::until("the fourth is sent", || async { env.simulator.accepted().len() == 2 }).await;
    assert_eq!(text("stop").send(&env).await, 200);
    assert_eq!(start.send(&env).await, 200);
    assert_eq!(blocked(&env).await, BlockKind::Stop.bit(), "an old START repeated lifts no newer STOP");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_that_bounced_complained_or_unsubscribed_is_not_asked_again() {
    for (event, own, status, reason) in [
        ("unsubscribed", json!({}), "delivered", "unsubscribed"),
        ("complained", json!({}), "delivered", "complained"),
        ("failed", hard_bounce(), "failed", "hard_bounced"),
    ] {
        let (env, worker) = silent("").await;
        env.publish(&by_email("1")).await;
        in_state(&env, State::Sent).await;
        let attempt = Attempt::of(&env, MAILGUN, EMAIL).await;
        if status == "delivered" {
            assert_eq!(mailgun_event(MAILGUN, &attempt, "delivered", json!({})).send(&env).await, 200);
        }
        assert_eq!(mailgun_event(MAILGUN, &attempt, event, own).send(&env).await, 200);
        assert_eq!(env.standings().await[0].status, status);
        let again = job::keyed(job::to(json!({ "email": "Jane@Example.test" })), "2");
        assert_eq!(next_is_suppressed(&env, &again).await.as_deref(), Some(reason), "whatever the case");
        assert_eq!(env.simulator.calls().len(), 1);
        env.nothing_left(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unsubscribe_link_asks_on_get_blocks_on_post_and_does_not_reveal_whether_an_address_is_known() {
    let (env, worker) = silent("").await;
    env.publish(&by_email("1")).await;
    in_state(&env, State::Sent).await;
    let raw = String::from_utf8(webhook::accepted(&env, EMAIL).raw).expect("ASCII");
    let (_, rest) = raw.split_once("List-Unsubscribe: <").expect("the header is there");
    let link = rest.split_once('>').expect("in brackets").0.to_owned();
    assert!(raw.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    assert!(link.starts_with(&webhook::base(&env)), "{link}");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let get = async |url: &str| {
        let answer = client.get(url).send().await.expect("answered");
        (answer.status().as_u16(), answer.text().await.expect("read"))
    };
    let post = async |url: &str| {
        let form = client.post(url).header("content-type", "application/x-www-form-urlencoded");
        let answer = form.body("List-Unsubscribe=One-Click").send().await.expect("answered");
        (answer.status().as_u16(), answer.text().await.expect("read"))
    };
    let other = format!("{}{}", &link[..link.len() - 1], if link.ends_with('0') { '1' } else { '0' });
    let nonsense = format!("{}/unsubscribe/nobody/knows", webhook::base(&env));
    let asked = get(&link).await;
    assert_eq!(
        (asked.0, blocked(&env).await),
        (200, 0),
        "a scanner that follows links unsubscribes no customer"
    );
    assert_eq!(get(&other).await, asked);
    assert_eq!(get(&nonsense).await, asked);
    let unknown = post(&other).await;
    assert_eq!((unknown.0, post(&nonsense).await == unknown, blocked(&env).await), (200, true, 0));
    assert_eq!(post(&link).await, unknown, "a known link is answered alike");
    assert_eq!(blocked(&env).await, BlockKind::Unsubscribed.bit());
    assert_eq!(post(&link).await, unknown, "and again");
    assert_eq!(next_is_suppressed(&env, &by_email("2")).await.as_deref(), Some("unsubscribed"));
    assert_eq!(env.standings().await[0].status, "sent", "the message itself is left as it is");
    env.nothing_left(worker).await;
}

impl TestEnv {
    /// Waits until there are `count` requests and none is queued.
    async fn all_settled(&self, count: usize) -> Vec<crate::support::env::Standing> {
        wait::until_some_within(Duration::from_secs(20), &format!("{count} requests are settled"), || async {
            let standings = self.standings().await;
            let settled = standings.iter().all(|one| one.status != "queued");
            (standings.len() == count && settled).then_some(standings)
        })
        .await
    }
}
