//! Messages by the thousand, claimed as a worker would claim them, without a dispatching worker.
//!
//! For races of the ledger's statements: the use of the claims is up to the test.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, future::join, stream};
use postrider::{
    intake::{AcceptOutcome, Acceptor},
    worker::Worker,
};
use postrider_clock::random_id;
use postrider_domain::{
    ids::{AccountId, CompanyId, Medium, MessageId},
    lifecycle::{Reason, Signal, State, TransitionMap},
};
use postrider_ledger::{
    Ledger,
    accept::LeaseTerms,
    claim::LaneDemand,
    settle::{OutcomeCode, Settlement},
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::{TestEnv, job};

/// As many as are begun together, under one lease.
pub const BATCH: usize = 16;
/// So many batches are raced side by side.
const CONCURRENCY: usize = 6;
const ACCEPTED_AT_ONCE: usize = 500;
const QUESTIONS_MAX: usize = 500;

/// A world with a worker that takes jobs and sends none.
pub struct Claims {
    pub env: TestEnv,
    pub company: CompanyId,
    pub acceptor: Acceptor,
    worker: Worker,
    lane: AccountId,
    /// Has connections of its own: begins wait for no stop's.
    beginner: Ledger,
}

/// One claimed message.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub message: MessageId,
    pub epoch: i32,
    pub lease: Uuid,
    pub phone: String,
}

/// How a message's begin and what raced it came out.
pub struct Raced<T> {
    pub claim: Claimed,
    pub begun: bool,
    pub other: T,
}

impl Claims {
    pub async fn new() -> Claims {
        let env = TestEnv::new().await;
        let company = env.company("blanca", |_| {}).await;
        let worker = env.worker_with("roles.dispatch = false").await;
        let acceptor = worker.acceptor.clone().expect("this worker takes jobs");
        let beginner = Ledger::new(PgPool::connect(&env.database_url).await.expect("postgres answers"));
        let (lane,): (i32,) = sqlx::query_as("select id from account where name = 'blanca-twilio'")
            .fetch_one(&env.pool)
            .await
            .expect("the company has its account");
        Claims { env, company, acceptor, worker, lane: AccountId(lane), beginner }
    }

    /// Accepts so many requests and claims them, a lease a batch.
    pub async fn take(&self, count: usize) -> Vec<Vec<Claimed>> {
        let phones: Vec<String> = (0..count).map(|number| format!("+1415{number:07}")).collect();
        for phones in phones.chunks(ACCEPTED_AT_ONCE) {
            let states = self.accept(phones, "first").await;
            assert!(states.iter().all(|state| *state == State::Waiting), "no customer was asked before");
        }
        self.change("update due set at = now() - interval '1 second'").await;
        let mut batches = Vec::new();
        loop {
            let batch = self.claim_batch().await;
            if batch.is_empty() {
                break;
            }
            batches.push(batch);
        }
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), count);
        batches
    }

    /// Accepts one delayed request for each; gives their states.
    pub async fn accept(&self, phones: &[String], name: &str) -> Vec<State> {
        let arrivals: Vec<_> = phones
            .iter()
            .map(|phone| {
                let job = json!({
                    "customer": { "phone": phone },
                    "employee": { "email": "paulagent@blancapeak.com" },
                    "channel": "phone",
                    "delay_secs": 3_600,
                    "idempotency_key": format!("{name} {phone}"),
                });
                job::inbound("blanca", job.to_string().as_bytes())
            })
            .collect();
        let answers = self.acceptor.accept(&arrivals).await.expect("accepted");
        let state = |answer| match answer {
            AcceptOutcome::Accepted { state, .. } => state,
            other => panic!("no new request: {other:?}"),
        };
        answers.into_iter().map(state).collect()
    }

    /// Claims a batch of what is due.
    pub async fn claim_batch(&self) -> Vec<Claimed> {
        let wish = LaneDemand { lane: self.lane, count: BATCH as i32, earliest_due: DateTime::UNIX_EPOCH };
        let terms = LeaseTerms { id: random_id(), worker: random_id(), secs: 600.0 };
        let due = self.env.ledger.claim(&[wish], terms).await.expect("claimed");
        due.into_iter()
            .map(|due| Claimed {
                message: due.message,
                epoch: due.epoch,
                lease: terms.id,
                phone: due.customer_phone.expect("they have phones"),
            })
            .collect()
    }

    /// Begins them in one statement; gives those that were begun.
    pub async fn begin(&self, claims: &[Claimed]) -> HashSet<MessageId> {
        let keys: Vec<_> = claims.iter().map(|claim| (claim.message, claim.epoch)).collect();
        let mut leases: Vec<Uuid> = claims.iter().map(|claim| claim.lease).collect();
        leases.dedup();
        let begun = self.beginner.begin(&keys, 600.0, &leases).await.expect("begin answers");
        begun.into_iter().map(|((message, _), _)| message).collect()
    }

    /// Takes begun attempts back, as those that were not called.
    pub async fn take_back(&self, claims: &[Claimed]) {
        let settlements: Vec<Settlement> = claims.iter().map(not_called).collect();
        self.env.ledger.settle(&settlements, &[]).await.expect("settled");
    }

    /// Begins every batch while `other` happens to it, some batches side by side, now this first and now
    /// that. Begin is held up by so many questions that neither is always the faster one.
    pub async fn race<T, F>(
        &self,
        batches: Vec<Vec<Claimed>>,
        other: impl Fn(Vec<Claimed>) -> F,
    ) -> Vec<Raced<T>>
    where
        F: Future<Output = Vec<T>>,
    {
        let held_up = Cell::new(1);
        let races = batches.into_iter().enumerate().map(|(turn, batch)| {
            let (against, held_up) = (other(batch.clone()), &held_up);
            async move {
                let begin = self.begin_after(turn * 7 % (held_up.get() + 1), &batch);
                let (begun, others) = match turn % 2 {
                    0 => join(begin, against).await,
                    _ => {
                        let (others, begun) = join(against, begin).await;
                        (begun, others)
                    }
                };
                held_up.set(match begun.len() * 2 > batch.len() {
                    true => (held_up.get() * 2).min(QUESTIONS_MAX),
                    false => (held_up.get() / 2).max(1),
                });
                assert_eq!(batch.len(), others.len());
                let raced = batch.into_iter().zip(others);
                let raced =
                    raced.map(|(claim, other)| Raced { begun: begun.contains(&claim.message), claim, other });
                raced.collect::<Vec<_>>()
            }
        });
        stream::iter(races).buffer_unordered(CONCURRENCY).concat().await
    }

    async fn begin_after(&self, questions: usize, claims: &[Claimed]) -> HashSet<MessageId> {
        for _ in 0..questions {
            self.beginner.ping().await.expect("postgres answers");
        }
        self.begin(claims).await
    }

    /// When each message was last begun.
    pub async fn begun_at(&self) -> HashMap<MessageId, DateTime<Utc>> {
        let rows: Vec<(Uuid, DateTime<Utc>)> =
            sqlx::query_as("select id, begun_at from message where begun_at is not null")
                .fetch_all(&self.env.pool)
                .await
                .expect("the ledger answers");
        rows.into_iter().map(|(id, at)| (MessageId(id), at)).collect()
    }

    /// The database's time, now.
    pub async fn now(&self) -> DateTime<Utc> {
        let (now,) =
            sqlx::query_as("select clock_timestamp()").fetch_one(&self.env.pool).await.expect("it answers");
        now
    }

    /// The hash by which the ledger knows a phone.
    pub fn addr(&self, phone: &str) -> Uuid {
        self.env.keys.identity.address_hash(self.company, Medium::Sms, phone)
    }

    /// Changes the world as no worker would.
    pub async fn change(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.env.pool).await.expect("the ledger answers");
    }

    pub async fn end(self) {
        self.env.nothing_stuck().await;
        drop(self.acceptor);
        assert!(self.worker.stop().await, "the worker ends within its deadline");
    }
}

fn not_called(claim: &Claimed) -> Settlement {
    Settlement {
        message: claim.message,
        epoch: claim.epoch,
        attempt: 1,
        map: TransitionMap::new(Signal::Retry),
        outcome: OutcomeCode::Refused,
        code: Some("not_called".to_owned()),
        reason: Some(Reason::NotCalled),
        provider_id: None,
        wait_secs: Some(3_600.0),
        counts_as_try: false,
        is_acceptance: false,
        block: None,
        receipt_wait_secs: None,
    }
}
