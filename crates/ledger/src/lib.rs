//! The ledger: the only place with SQL. One function per domain verb, each one statement.
//!
//! The way of a request: `gather` → `accept` → (`claim`) → `begin` → `settle` → `receive`. Beside it:
//! * ends without a send: `conclude`; crashed workers' leases and expired messages: `sweep`
//! * lost outcomes and receipts: `status_polls`; jobs and messages that crash workers: `trials`, `quarantine`
//! * rejected jobs: `rejected`; error alerts: `alerts`; customers' responses: `responses`
//! * settings: `companies`, `members`, `connectors`, `manual_blocks`, `blocks`, `api_keys`, `audit`
//! * connectors: `notifications`, `customers`
//! * people: `requests`, `list`, `retry`; whole tables: `counts`, `history`
//!
//! The texts of longer statements are in `sql/`. Invariant: no function holds a transaction over anything but its own
//! statements, and every future here may be dropped at any await: `bounded_pool` keeps an abandoned `begin` out of the
//! pool (docs/dependency-hazards.md#f1).

pub mod accept;
pub mod alerts;
pub mod api_keys;
pub mod audit;
pub mod begin;
pub mod blocks;
mod bounded_pool;
pub mod claim;
pub mod companies;
pub mod conclude;
mod connectors;
pub mod counts;
pub mod customers;
mod error;
pub mod gather;
pub mod history;
pub mod list;
pub mod manual_blocks;
pub mod members;
pub mod notifications;
pub mod pool;
pub mod quarantine;
pub mod receive;
pub mod rejected;
pub mod requests;
pub mod responses;
pub mod retry;
mod schema;
pub mod settle;
mod statement;
pub mod status_polls;
pub mod sweep;
pub mod trials;

use std::time::Duration;

use sqlx::PgPool;

use bounded_pool::BoundedPool;
pub use error::LedgerError;
pub use schema::SchemaError;
pub use statement::RETRIES_METRIC;
use statement::{column, retrying, stored_state};

/// Longest time of a statement on an admin pool, above the longest statement timeout of `pool::open`.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(180);

/// A handle to the ledger over one pool. Intake, dispatch, web and reads have one each, so that none starves another.
#[derive(Clone, Debug)]
pub struct Ledger {
    pool: BoundedPool,
}

impl Ledger {
    /// A ledger over a pool that other code uses as well: for commands and tests.
    #[must_use]
    pub fn new(pool: PgPool) -> Ledger {
        Ledger { pool: BoundedPool::shared(pool, ADMIN_TIMEOUT) }
    }

    /// A ledger that alone uses the pool; a statement that takes longer than `timeout` fails with `Unavailable`.
    #[must_use]
    pub fn bounded(pool: PgPool, timeout: Duration) -> Ledger {
        Ledger { pool: BoundedPool::own(pool, timeout) }
    }

    /// Runs a trivial statement: for readiness, and for intake's return after an outage.
    ///
    /// # Errors
    /// `Unavailable` if the database does not answer.
    pub async fn ping(&self) -> Result<(), LedgerError> {
        sqlx::query_scalar!("select 1 as one").fetch_one(&self.pool).await?;
        Ok(())
    }

    /// Connections in use and open, for the metrics.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        self.pool.connections()
    }

    /// Closes all connections; later statements fail.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
