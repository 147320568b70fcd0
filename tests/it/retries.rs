//! A manual retry: one new message, on record, that changes nothing old and asks no customer twice.
//!
//! Through the same functions as the command line and the API; over HTTP read `api`.

use futures_util::future::join_all;
use postrider::{
    company_cache::CompanyCache,
    requests::{
        actions::{
            action::{ActionContext, ActionRequest},
            retry::{Retried, retry},
        },
        views::timeline::timeline,
    },
    worker::Worker,
};
use postrider_clock::random_id;
use postrider_domain::{
    ids::{AccountId, BlockKind, CompanyId, Medium, MessageId},
    lifecycle::{Reason, State, Status},
};
use postrider_ledger::{accept::LeaseTerms, claim::LaneDemand, requests::ActionOrigin};
use serde_json::json;
use uuid::Uuid;

use crate::support::{TestEnv, job, sql::with_states, wait};

const PHONE: &str = "+14155552671";

fn wish() -> ActionRequest<'static> {
    ActionRequest {
        door: "test",
        key: None,
        requested_by: "Ann",
        note: Some("she called"),
        acknowledged: false,
        of: None,
    }
}

fn knowing() -> ActionRequest<'static> {
    ActionRequest { acknowledged: true, ..wish() }
}

async fn directory(env: &TestEnv) -> CompanyCache {
    CompanyCache::load(env.ledger.clone()).await.expect("the companies are read")
}

async fn ask(env: &TestEnv, id: Uuid, wish: ActionRequest<'_>) -> Retried {
    let company_cache = directory(env).await;
    let context = ActionContext { ledger: &env.ledger, company_cache: &company_cache, keys: &env.keys };
    retry(context, id, wish).await.expect("asked")
}

/// A test environment without a dispatching worker, with one request that ended so.
struct Ended {
    env: TestEnv,
    company: CompanyId,
    worker: Worker,
    id: Uuid,
}

impl Ended {
    /// Provably unsent, its reservation given back; as the schedule's end leaves it.
    async fn unsent() -> Ended {
        Ended::by(
            "update message set state = {PresumedFailed}, reason = 'retries_exhausted', attempt = 1, begun_at = now(),
            outcome = 1, ended_at = now(); select release_reservations(array[id], reservation_keys) from message; delete from due",
        )
        .await
    }

    /// An attempt may have gone out.
    async fn unclear() -> Ended {
        Ended::by(
            "update message set state = {PresumedFailed}, reason = 'outcome_unknown', may_have_been_sent = true, attempt = 1,
            begun_at = now(), outcome = 2, ended_at = now(); delete from due",
        )
        .await
    }

    async fn by(change: &'static str) -> Ended {
        let env = TestEnv::new().await;
        let company = env.company("blanca", |_| {}).await;
        let worker = env.worker_with("roles.dispatch = false").await;
        let ended = Ended { id: Uuid::nil(), env, company, worker };
        assert_eq!(ended.accept("first").await, "queued");
        let id = ended.env.standings().await[0].id;
        ended.change(change).await;
        Ended { id, ..ended }
    }

    async fn change(&self, change: &'static str) {
        sqlx::raw_sql(with_states(change)).execute(&self.env.pool).await.expect("the ledger answers");
    }

    /// One more request for the same person; gives its status.
    async fn accept(&self, key: &str) -> &'static str {
        let mut job = job::by_sms(PHONE);
        job["idempotency_key"] = json!(key);
        let acceptor = self.worker.acceptor.as_ref().expect("takes jobs");
        acceptor.accept(&[job::inbound("blanca", job.to_string().as_bytes())]).await.expect("accepted");
        self.env.standings().await.last().expect("it is there").status
    }

    async fn messages(&self) -> i64 {
        let (count,) = sqlx::query_as("select count(*) from message where request = $1")
            .bind(self.id)
            .fetch_one(&self.env.pool)
            .await
            .expect("counted");
        count
    }

    /// Claims what is due and begins it; gives whether it was begun, or what it ends as.
    async fn begin(&self) -> Result<(), Option<(State, Reason)>> {
        let (lane,): (i32,) =
            sqlx::query_as("select lane from due").fetch_one(&self.env.pool).await.expect("it is due");
        let wish = LaneDemand { lane: AccountId(lane), count: 9, earliest_due: chrono::DateTime::UNIX_EPOCH };
        let terms = LeaseTerms { id: random_id(), worker: random_id(), secs: 60.0 };
        let due = self.env.ledger.claim(&[wish], terms).await.expect("claimed").pop().expect("it is due");
        let claim = (due.message, due.epoch);
        if !self.env.ledger.begin(&[claim], 60.0, &[terms.id]).await.expect("asked").is_empty() {
            return Ok(());
        }
        let standings = self.env.ledger.fence_facts(&[claim]).await.expect("asked");
        match postrider_domain::lifecycle::fence::fence_verdict(&standings[0].1) {
            postrider_domain::lifecycle::fence::FenceVerdict::End(signal, reason) => {
                Err(Some((postrider_domain::lifecycle::transition(State::Waiting, signal), reason)))
            }
            _ => Err(None),
        }
    }

    async fn end(self) {
        assert!(self.worker.stop().await, "the worker ends within its deadline");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_is_sent_by_a_new_message_and_the_old_one_stays_as_it_is() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.simulator.set_recipient_fault(PHONE, "busy");
    let worker = env.worker_with("retry.delays_secs = [0.1]\nretry.tries_max = 2").await;
    env.publish(&job::by_sms(PHONE)).await;
    let id = env.all_are(1, "failed").await[0].id;
    env.simulator.set_recipient_fault(PHONE, "ok");
    let Retried::Going(message) = ask(&env, id, wish()).await else { panic!("it is retried") };
    let detail = wait::until_some("the retry is delivered", || async {
        let detail = env.ledger.request(id).await.expect("asked").expect("there");
        (detail.state == State::Delivered).then_some(detail)
    })
    .await;
    assert_eq!((detail.message, detail.seq), (message, 1), "the request stands by its furthest message");
    let old = &detail.others[0];
    assert_eq!((old.id, old.state.status()), (MessageId(id), Status::Failed));
    let events = timeline(&detail);
    let told = events.iter().find(|event| event.event == "retried").expect("it is on record");
    assert_eq!(told.what.as_deref(), Some("by Ann through test"));
    assert_eq!(told.why.as_deref(), Some("she called"));
    assert_eq!(env.simulator.accepted().len(), 1, "one text went out");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_at_once_make_one_message() {
    let ended = Ended::unsent().await;
    let answers = join_all((0..16).map(|_| ask(&ended.env, ended.id, wish()))).await;
    let going = answers.iter().filter(|answer| matches!(answer, Retried::Going(_))).count();
    let already = answers.iter().filter(|answer| matches!(answer, Retried::Already(_))).count();
    assert_eq!((going, already, ended.messages().await), (1, 15, 2), "{answers:?}");
    ended.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_names_the_failed_message_makes_one_retry_however_often_it_comes() {
    let ended = Ended::unsent().await;
    let named = ActionRequest { of: Some(MessageId(ended.id)), ..wish() };
    assert!(matches!(ask(&ended.env, ended.id, named).await, Retried::Going(_)));
    ended
        .change("update message set state = {PresumedFailed}, reason = 'retries_exhausted', ended_at = now() where seq = 1; delete from due")
        .await;
    assert!(matches!(ask(&ended.env, ended.id, named).await, Retried::Already(_)));
    assert!(matches!(ask(&ended.env, ended.id, wish()).await, Retried::Going(_)), "a new wish is a new one");
    ended.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_may_have_been_sent_is_retried_only_with_consent_to_a_duplicate() {
    let ended = Ended::unclear().await;
    assert!(matches!(ask(&ended.env, ended.id, wish()).await, Retried::MayDouble));
    assert_eq!(ended.messages().await, 1);
    assert!(matches!(ask(&ended.env, ended.id, knowing()).await, Retried::Going(_)));
    let detail = ended.env.ledger.request(ended.id).await.expect("asked").expect("there");
    assert!(detail.retry.expect("on record").acknowledged);
    ended.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_waits_is_not_sent_when_the_first_message_is_proved_after_all() {
    let ended = Ended::unclear().await;
    assert!(matches!(ask(&ended.env, ended.id, knowing()).await, Retried::Going(_)));
    ended.change("update message set state = {Sent} where seq = 0").await;
    assert_eq!(ended.begin().await, Err(Some((State::Suppressed, Reason::AlreadySent))));
    let detail = ended.env.ledger.request(ended.id).await.expect("asked").expect("there");
    assert_eq!(detail.state, State::Sent, "the request stands by the message that went out");
    ended.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_without_a_proof_is_begun() {
    let ended = Ended::unclear().await;
    assert!(matches!(ask(&ended.env, ended.id, knowing()).await, Retried::Going(_)));
    assert_eq!(ended.begin().await, Ok(()));
    ended.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_address_is_not_written_to_by_a_retry_either() {
    let ended = Ended::unsent().await;
    let addr = ended.env.keys.identity.address_hash(ended.company, Medium::Sms, PHONE);
    let block = || ended.env.ledger.block_address(addr, ended.company, Medium::Sms, BlockKind::Stop, "test");
    // Between the retry and its begin.
    assert!(matches!(ask(&ended.env, ended.id, wish()).await, Retried::Going(_)));
    block().await.expect("blocked");
    assert_eq!(ended.begin().await, Err(Some((State::Suppressed, Reason::Stop))));
    ended
        .change("update message set state = {Suppressed}, reason = 'stop', ended_at = now() where seq = 1")
        .await;
    let again = ask(&ended.env, ended.id, wish()).await;
    assert!(matches!(again, Retried::Withheld(Reason::Stop, _)), "{again:?}");
    ended.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_makes_its_reservation_again_and_gives_way_to_one_made_meanwhile() {
    let ended = Ended::unsent().await;
    assert!(matches!(ask(&ended.env, ended.id, wish()).await, Retried::Going(_)));
    assert_eq!(ended.accept("second").await, "suppressed", "the retry holds the person");
    ended.end().await;

    let ended = Ended::unsent().await;
    assert_eq!(ended.accept("second").await, "queued", "no customer was asked");
    let withheld = ask(&ended.env, ended.id, wish()).await;
    assert!(matches!(withheld, Retried::Withheld(Reason::SuppressionPeriod, Some(_))), "{withheld:?}");
    assert_eq!(ended.messages().await, 1);
    ended.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_counts_as_asked_even_if_the_retry_is_canceled() {
    let ended = Ended::unclear().await;
    assert!(matches!(ask(&ended.env, ended.id, knowing()).await, Retried::Going(_)));
    let canceled =
        postrider::requests::actions::cancel::cancel(&ended.env.ledger, ended.id, ActionOrigin::PROGRAM)
            .await
            .expect("asked");
    assert!(matches!(canceled, postrider::requests::actions::cancel::Canceled::Done), "{canceled:?}");
    let detail = ended.env.ledger.request(ended.id).await.expect("asked").expect("there");
    assert_eq!(detail.state.status(), Status::Failed, "canceled is less than failed");
    assert_eq!(ended.accept("second").await, "suppressed", "the first message may have gone out");
    ended.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_failed_request_is_retried() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish(&job::by_sms(PHONE)).await;
    let id = env.all_are(1, "delivered").await[0].id;
    assert!(matches!(ask(&env, id, knowing()).await, Retried::NotFailed(_)));
    assert!(matches!(ask(&env, random_id(), knowing()).await, Retried::Unknown));
    env.nothing_left(worker).await;
}
