//! Everything at once: pauses, resumes, cancels, receipts, claims and sweeps of the same messages.
//!
//! After each of them, and at the end, no message is lost, stuck or sent twice (`support::audit`).

use std::{collections::HashMap, sync::Arc, time::Duration};

use postrider::dispatch::{Claim, DispatchContext, LeaseShare, settle::FinishedAttempt};
use postrider::must_settle::MustSettle;
use postrider_clock::{monotonic, random_id};
use postrider_domain::{
    content::Renderer,
    ids::{Medium, MessageId},
    lifecycle::{Reason, RetrySchedule, Signal, State, TransitionMap},
};
use postrider_ledger::{
    conclude::Conclusion,
    requests::ActionOrigin,
    settle::{OutcomeCode, Settlement},
};
use postrider_providers::TokenKey;
use serde_json::json;
use uuid::Uuid;

use crate::support::{TestEnv, job, sql::with_states, wait};

fn delayed(phone: &str) -> serde_json::Value {
    let mut body = job::by_sms(phone);
    body["delay_secs"] = json!(3_600);
    body
}

/// A delayed request of a world without dispatch, as if its claim had just been made: begun, epoch 1.
async fn begun(env: &TestEnv, phone: &str) -> Uuid {
    let before = env.standings().await.len();
    env.publish(&delayed(phone)).await;
    let id = env.all_are(before + 1, "queued").await[before].id;
    sqlx::query("delete from due where message = $1")
        .bind(id)
        .execute(&env.pool)
        .await
        .expect("the ledger answers");
    lease(env, id).await;
    let begun = env.ledger.begin(&[(MessageId(id), 1)], 60.0, &[]).await.expect("begun");
    assert_eq!(begun, [((MessageId(id), 1), 1)]);
    id
}

async fn lease(env: &TestEnv, message: Uuid) -> Uuid {
    let id = random_id();
    sqlx::query("insert into lease values ($1, $1, now() + interval '1 hour', array[$2], array[1])")
        .bind(id)
        .bind(message)
        .execute(&env.pool)
        .await
        .expect("the ledger answers");
    id
}

fn refused(message: Uuid, code: &str) -> Settlement {
    Settlement {
        message: MessageId(message),
        epoch: 1,
        attempt: 1,
        map: TransitionMap::new(Signal::Retry),
        outcome: OutcomeCode::Refused,
        code: Some(code.to_owned()),
        reason: Some(Reason::RefusedForNow),
        provider_id: None,
        wait_secs: Some(3_600.0),
        counts_as_try: true,
        is_acceptance: false,
        block: None,
        receipt_wait_secs: None,
    }
}

/// Enough randomness for a test that names its seed: splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

const MAGIC: [&str; 10] =
    ["ok", "flaky", "busy", "hang", "error", "accepterror", "acceptreset", "bounce", "early", "twice"];
const ACTORS: u64 = 4;
const ACTS: u64 = 75;

/// One person at the desk: publishes, pauses, resumes, cancels, whatever the dice say; gives how many
/// were published.
async fn act(env: &TestEnv, actor: u64) -> usize {
    let (mut dice, mut published) = (Dice(actor + 1), 0);
    let producer = env.producer().await;
    for n in 0..ACTS {
        let standings = env.standings().await;
        let some = (!standings.is_empty()).then(|| standings[dice.below(standings.len() as u64) as usize].id);
        match (dice.below(5), some) {
            (0 | 1, _) | (_, None) => {
                let phone = format!("+1415{:07}", actor * 1_000 + n);
                env.simulator.set_recipient_fault(&phone, MAGIC[dice.below(MAGIC.len() as u64) as usize]);
                let body = job::by_sms(&phone).to_string();
                assert!(producer.publish("requests.blanca", None, body.as_bytes()).await, "routed");
                published += 1;
            }
            (2, Some(id)) => {
                env.ledger.pause(MessageId(id), ActionOrigin::PROGRAM).await.expect("pause answers");
            }
            (3, Some(id)) => {
                env.ledger.resume(MessageId(id), ActionOrigin::PROGRAM).await.expect("resume answers");
            }
            (_, Some(id)) => cancel(env, id).await,
        }
        env.nothing_stuck().await;
    }
    published
}

async fn cancel(env: &TestEnv, id: Uuid) {
    let (epoch,): (i32,) = sqlx::query_as("select epoch from message where id = $1")
        .bind(id)
        .fetch_one(&env.pool)
        .await
        .expect("the ledger answers");
    let end = Conclusion {
        message: MessageId(id),
        epoch,
        expected: State::Waiting,
        next: State::Canceled,
        reason: Reason::CanceledByPerson,
    };
    env.ledger.conclude(&[end]).await.expect("cancel answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_300_random_actions_against_two_workers_everything_ends_and_no_customer_is_asked_twice() {
    let env = Arc::new(TestEnv::new().await);
    env.company("blanca", |_| {}).await;
    let more = "retry.tries_max = 3\nunknown.sms_looks_secs = [0.5, 1.5]\nbreaker.failures = 1000\ndispatch.http_timeout_secs = 0.5";
    let first = env.worker_with(more).await;
    let second = env.worker_with(&format!("{more}\nroles.web = false")).await;
    env.consuming().await;
    let actors: Vec<_> = (0..ACTORS)
        .map(|actor| {
            let env = Arc::clone(&env);
            tokio::spawn(async move { act(&env, actor).await })
        })
        .collect();
    let mut count = 0;
    for actor in actors {
        count += actor.await.expect("every act leaves the ledger sound");
    }
    wait::until("every job is taken", || async { env.standings().await.len() == count }).await;
    for one in env.standings().await {
        env.ledger.resume(MessageId(one.id), ActionOrigin::PROGRAM).await.expect("resume answers");
    }
    let standings = env.all_ended(count, Duration::from_secs(60)).await;
    env.simulator.webhooks_settled().await;
    env.nothing_due().await;
    env.nothing_stuck().await;
    let mut asked: HashMap<String, usize> = HashMap::new();
    for one in env.simulator.accepted() {
        *asked.entry(one.recipient).or_default() += 1;
    }
    assert!(asked.values().all(|times| *times == 1), "asked twice: {asked:?}");
    assert!(standings.iter().all(|one| one.status != "failed" || one.reason.is_some()));
    assert!(second.stop().await, "the second worker ends within its deadline");
    Arc::into_inner(env).expect("the actors have ended").nothing_left(first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_that_give_up_together_leave_their_person_free() {
    let env = TestEnv::new().await;
    let (waited, recovery, slot) = (random_id(), random_id(), random_id());
    // A recovery took the reservation over from a message that still waited; then both are undone at once.
    sqlx::query("insert into reservation values ($1, $2, now(), null, $3, now())")
        .bind(slot)
        .bind(recovery)
        .bind(waited)
        .execute(&env.pool)
        .await
        .unwrap();
    sqlx::query("select release_reservations($1, $2)")
        .bind([waited, recovery])
        .bind([slot])
        .execute(&env.pool)
        .await
        .unwrap();
    let (held,): (i64,) =
        sqlx::query_as("select count(*) from reservation").fetch_one(&env.pool).await.unwrap();
    assert_eq!(held, 0, "a request that was never sent holds no reservation");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_written_twice_counts_once() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker_with("roles.dispatch = false").await;
    let id = begun(&env, "+14155550101").await;
    for _ in 0..2 {
        env.ledger.settle(&[refused(id, "busy")], &[]).await.expect("settled");
    }
    let (tries, state): (i16, i16) =
        sqlx::query_as("select tries, state from message").fetch_one(&env.pool).await.unwrap();
    assert_eq!((tries, state), (1, State::Waiting.code()));
    env.nothing_stuck().await;
    assert!(worker.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_cannot_be_stored_costs_its_code_and_delays_no_message() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let intake = env.worker_with("roles.dispatch = false").await;
    let ids = [begun(&env, "+14155550101").await, begun(&env, "+14155550102").await];
    let lanes_of = env.worker_with("roles.intake = false\nroles.web = false").await;
    let (done, outcomes) = tokio::sync::mpsc::channel(4);
    let settling = tokio::spawn(postrider::dispatch::settle::run(shared(&env), outcomes));
    for (id, code) in ids.iter().zip(["a\0b", "busy"]) {
        let lease = LeaseShare::new(random_id(), 1);
        let item = FinishedAttempt {
            settlement: refused(*id, code),
            lease,
            sent_after: None,
            suspect: None,
            must_settle: MustSettle::new("attempt"),
        };
        assert!(done.send(item).await.is_ok());
    }
    drop(done);
    wait::until("both outcomes are written", || async {
        let (left,): (i64,) =
            sqlx::query_as(with_states("select count(*) from message where state = {Sending}"))
                .fetch_one(&env.pool)
                .await
                .unwrap();
        left == 0
    })
    .await;
    settling.await.expect("settling ends");
    env.nothing_stuck().await;
    assert!(lanes_of.stop().await && intake.stop().await);
}

pub fn shared(env: &TestEnv) -> Arc<DispatchContext> {
    Arc::new(DispatchContext {
        ledger: env.ledger.clone(),
        worker: random_id(),
        renderer: Renderer::new(),
        token_key: TokenKey::new(vec![env.keys.token]),
        keys: Arc::clone(&env.keys),
        // Never called, but a URL: a provider refuses anything else.
        public_base_url: "http://127.0.0.1:9".to_owned(),
        schedule: RetrySchedule::default(),
        unknown_poll_plan: env.config("").unknown.plan(),
        receipt_poll_plan: env.config("").receipts.plan(),
        lease: Duration::from_secs(60),
        call_margin: Duration::from_secs(1),
        isolation_gate: Default::default(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_stored_spoils_no_other_job() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish_to("requests.blanca", Some("a\0b"), b"no job").await;
    env.publish_to("requests.bl\0anca", None, b"no job").await;
    env.publish(&job::by_sms("+14155552671")).await;
    // In one batch or in two: their order is not the point.
    let mut codes = env.rejected(2).await;
    codes.sort_unstable();
    assert_eq!(codes, ["not_json", "unknown_company"]);
    env.all_are(1, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_into_a_lane_that_was_just_replaced_is_given_back_at_once() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish(&delayed("+14155552671")).await;
    let id = env.all_are(1, "queued").await[0].id;
    sqlx::query("delete from due").execute(&env.pool).await.unwrap();
    let share = LeaseShare::new(lease(&env, id).await, 1);
    let lanes = worker
        .acceptor
        .as_ref()
        .and_then(|acceptor| acceptor.fast_path.lanes.clone())
        .expect("it dispatches");
    let sms = |lanes: &postrider::dispatch::Lanes| {
        lanes.all().values().find(|lane| lane.settings.provider() == "twilio").cloned().expect("the lane")
    };
    let permit = wait::until_some("the lane has room", || async { sms(&lanes).permit() }).await;
    env.company("blanca", |policy| policy.name = "Blanca Peak Ltd".to_owned()).await;
    wait::until("the lane is replaced", || async { sms(&lanes).company.version == 2 }).await;
    permit.send(Claim {
        message: MessageId(id),
        request: id,
        medium: Medium::Sms,
        epoch: 1,
        attempt: 0,
        tries: 0,
        due_at: chrono::DateTime::UNIX_EPOCH,
        first_due_at: chrono::DateTime::UNIX_EPOCH,
        claimed_at: chrono::DateTime::UNIX_EPOCH,
        lease_start: monotonic(),
        lease: share,
        suspect: None,
        test: false,
        address: "+14155552671".to_owned(),
        customer_name: None,
        brand: "blanca".to_owned(),
        language: None,
        letter: None,
        must_settle: MustSettle::new("claim"),
    });
    // Its lease would have lasted an hour.
    env.all_are(1, "delivered").await;
    drop(lanes);
    env.nothing_left(worker).await;
}
