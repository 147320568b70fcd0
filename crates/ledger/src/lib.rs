//! The ledger: the only place with SQL. One function per domain verb, each one statement.
//!
//! A request's way: `gather` → `accept` → (`claim`) → `begin` → `settle` → `receive`; beside it `fence`
//! and `conclude` for what is not sent, `sweep` for what a dead worker left, `looks` for what is sought at
//! its provider, `suspects` and `quarantine` for what kills workers, `rejected` for jobs that never became
//! requests, `companies`, `members` and `blocks` for what the rules read and people set, `audit` for who did,
//! `notices` and `customers` for what recipes hear, `responses` for what customers answered, `requests`, `list`
//! and `retry` for people who look and act, `counts` for sums over everything, `replay` for simulations.
//! Invariant: no function holds a transaction over anything but its own statements, and every future
//! here may be dropped at any await: `bounded` keeps a dropped `begin` out of the pool
//! (docs/dependency-hazards.md#f1).

pub mod accept;
pub mod alerts;
pub mod audit;
pub mod begin;
pub mod blocks;
pub mod blocks_by_hand;
mod bounded;
pub mod claim;
pub mod companies;
pub mod conclude;
pub mod counts;
pub mod customers;
pub mod error;
pub mod gather;
pub mod keys;
pub mod list;
pub mod looks;
pub mod members;
pub mod notices;
pub mod quarantine;
pub mod receive;
mod recipes;
pub mod rejected;
pub mod replay;
pub mod requests;
pub mod responses;
pub mod retry;
mod schema;
pub mod settle;
mod show;
pub mod suspects;
pub mod sweep;

use std::{future::Future, time::Duration};

use sqlx::PgPool;

use bounded::Bounded;
pub use error::LedgerError;
pub use schema::SchemaError;

/// Counter of statements that were repeated after a lost race.
pub const RETRIES_METRIC: &str = "postrider_ledger_retries_total";

/// How often a statement that lost a race with another is tried in all.
const TRIES_MAX: u32 = 6;

/// Longer than any statement of a person's command may take.
const WITHIN_MAX: Duration = Duration::from_secs(180);

/// A handle to the ledger over one pool; intake, dispatch and web have one each, so that none starves
/// another.
#[derive(Clone, Debug)]
pub struct Ledger {
    pool: Bounded,
}

impl Ledger {
    #[must_use]
    pub fn new(pool: PgPool) -> Ledger {
        Ledger { pool: Bounded::shared(pool, WITHIN_MAX) }
    }

    /// A ledger that has the pool for itself, and waits for no statement longer than this, whatever has become
    /// of its connection.
    #[must_use]
    pub fn bounded(pool: PgPool, within: Duration) -> Ledger {
        Ledger { pool: Bounded::own(pool, within) }
    }

    /// Whether the database answers; for readiness and for intake's return after an outage.
    pub async fn ping(&self) -> Result<(), LedgerError> {
        sqlx::query_scalar!("select 1 as one").fetch_one(&self.pool).await?;
        Ok(())
    }

    /// Connections in use and open, for the metrics.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        self.pool.connections()
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// One value of each row, in order: an array parameter.
fn column<'a, R, T>(rows: &'a [R], pick: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(pick).collect()
}

/// Repeats a statement that lost a serialization race or a deadlock (40001, 40P01), or found a receipt that
/// another worker keeps at the same time: all mean that nothing was done.
async fn retrying<T, F>(statement: impl Fn() -> F) -> Result<T, LedgerError>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let mut tries = 1;
    loop {
        match statement().await.map_err(LedgerError::from) {
            Err(error) if tries < TRIES_MAX && error.is_a_lost_race() => {
                metrics::counter!(RETRIES_METRIC).increment(1);
                let wait = 2.0_f64.powi(tries as i32) * postrider_clock::jitter();
                tokio::time::sleep(Duration::from_secs_f64(wait / 1_000.0)).await;
                tries += 1;
            }
            result => return result,
        }
    }
}
