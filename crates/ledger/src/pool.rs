//! Opens connection pools: session settings by purpose, and tests of idle connections.
//!
//! `bounded_pool` ends every statement in time; here are the settings of Postgres itself.

use std::time::Duration;

pub use sqlx::PgPool;
use sqlx::{
    Connection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use thiserror::Error;

use super::Ledger;

/// Longest test of a connection before it counts as dead.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);
/// The result of a statement that the server ended by its timeout arrives within this margin.
const RESULT_MARGIN: Duration = Duration::from_secs(2);
/// Shortest statement timeout of an admin pool, in seconds: commands read whole tables.
const ADMIN_STATEMENT_TIMEOUT_SECS: u64 = 120;

/// Purpose of a pool. A hot pool forbids the plans that Postgres chooses for almost empty tables and keeps after they
/// grew (docs/decisions/022-hot-pool-connections-and-plans.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Statements of the send path, by key only.
    Hot,
    /// Lists and settings: free plans, the statement timeout of hot pools.
    Reads,
    /// Commands: free plans, a longer statement timeout.
    Admin,
}

/// The configuration of a database's pools (section `[database]`).
#[derive(Debug, Clone, Copy)]
pub struct PoolSettings<'a> {
    /// postgres://user:password@host:port/database
    pub url: &'a str,
    pub acquire_timeout_secs: u64,
    pub statement_timeout_secs: u64,
}

/// The address of the database is unusable. The texts never quote it, because it contains the password.
#[derive(Debug, Error)]
pub enum PoolError {
    #[error("database.url is empty; set DATABASE_URL")]
    NoUrl,
    #[error("database.url is not of the form postgres://user:password@host:port/database")]
    MalformedUrl,
}

/// Opens a pool of `connections` at most; each connection is made when it is first needed.
///
/// # Errors
/// A `PoolError` if the URL is unusable; an unreachable database shows at the first statement.
pub fn open(settings: PoolSettings<'_>, purpose: Purpose, connections: u32) -> Result<PgPool, PoolError> {
    if settings.url.is_empty() {
        return Err(PoolError::NoUrl);
    }
    let options: PgConnectOptions = settings.url.parse().map_err(|_| PoolError::MalformedUrl)?;
    let statement_timeout = match purpose {
        Purpose::Hot | Purpose::Reads => settings.statement_timeout_secs,
        Purpose::Admin => settings.statement_timeout_secs.max(ADMIN_STATEMENT_TIMEOUT_SECS),
    };
    let mut session = vec![
        ("statement_timeout", format!("{statement_timeout}s")),
        ("lock_timeout", "5s".to_owned()),
        ("idle_in_transaction_session_timeout", "10s".to_owned()),
    ];
    if purpose == Purpose::Hot {
        for (name, value) in [
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
        ] {
            session.push((name, value.to_owned()));
        }
    }
    let options = options.application_name("postrider").options(session);
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(settings.acquire_timeout_secs))
        // The pool's own tests have no timeout: a dead connection would block them forever.
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(answers(connection.ping())))
        .after_release(|connection, _| Box::pin(answers(connection.ping())))
        .connect_lazy_with(options))
}

/// Whether a connection answers; the pool closes one that does not.
async fn answers<T>(test: impl Future<Output = Result<T, sqlx::Error>>) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(TEST_TIMEOUT, test).await {
        Ok(answered) => answered.map(|_| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

impl Ledger {
    /// Opens a pool and the ledger over it.
    ///
    /// # Errors
    /// As `open`.
    pub fn open(settings: PoolSettings<'_>, purpose: Purpose, connections: u32) -> Result<Ledger, PoolError> {
        let pool = open(settings, purpose, connections)?;
        let secs = settings.acquire_timeout_secs + settings.statement_timeout_secs;
        let timeout = Duration::from_secs(secs) + RESULT_MARGIN;
        Ok(match purpose {
            Purpose::Hot | Purpose::Reads => Ledger::bounded(pool, timeout),
            Purpose::Admin => Ledger::new(pool),
        })
    }
}
