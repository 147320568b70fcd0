//! The database pools, one for each purpose, so that no purpose can exhaust the connections of another.
//!
//! A pooled connection that does not answer is dropped; `postrider_ledger`'s bounded pool ensures that no connection
//! returns with an open transaction (docs/dependency-hazards.md#f1).

use std::time::Duration;

use anyhow::bail;
use secrecy::ExposeSecret;
use sqlx::{
    Connection,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};

use crate::config::{Config, Database};
use postrider_ledger::Ledger;

/// Longest test of a pooled connection before it counts as dead.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Margin for the answer of a statement that the server ends after `statement_timeout_secs`.
const ANSWER_MARGIN: Duration = Duration::from_secs(2);

/// Purpose of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Statements of the request path. Forbids the plans that Postgres chooses for almost empty tables and keeps
    /// after they have grown (docs/decisions/022-hot-pool-connections-and-plans.md).
    Hot,
    /// Lists and settings: any plan, the statement timeout of the hot pools.
    Reads,
    /// Commands: any plan, statements of 120 s and more.
    Admin,
}

/// Opens a pool; connections are made on first use.
///
/// # Errors
/// `database.url` is empty or not a URL of Postgres.
pub fn pool(config: &Database, purpose: Purpose, connections: u32) -> anyhow::Result<PgPool> {
    let url = config.url.expose_secret();
    if url.is_empty() {
        bail!("database.url is empty; set DATABASE_URL");
    }
    // The parser's error could quote the URL, password included.
    let options: PgConnectOptions = url.parse().map_err(|_| {
        anyhow::anyhow!("database.url is not of the form postgres://user:password@host:port/database")
    })?;
    let statement_timeout = match purpose {
        Purpose::Hot | Purpose::Reads => config.statement_timeout_secs,
        Purpose::Admin => config.statement_timeout_secs.max(120),
    };
    let mut settings = vec![
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
            settings.push((name, value.to_owned()));
        }
    }
    let options = options.application_name("postrider").options(settings);
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(config.acquire_timeout_secs))
        // The pool's own pings, before and after use, have no timeout: a dead connection would hang its caller.
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(answers(connection.ping())))
        .after_release(|connection, _| Box::pin(answers(connection.ping())))
        .connect_lazy_with(options))
}

/// Whether a connection answers within `PING_TIMEOUT`; on an error the pool drops the connection.
async fn answers<T>(ping: impl Future<Output = Result<T, sqlx::Error>>) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(PING_TIMEOUT, ping).await {
        Ok(answered) => answered.map(|_| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// Opens a ledger for a command, with at most two connections.
///
/// # Errors
/// As `pool`.
pub fn admin_ledger(config: &Config) -> anyhow::Result<Ledger> {
    Ok(Ledger::new(pool(&config.database, Purpose::Admin, 2)?))
}

/// The ledgers of a worker, each on a pool of its own.
pub(super) struct Ledgers {
    pub(super) intake: Ledger,
    pub(super) dispatch: Ledger,
    pub(super) web: Ledger,
    /// Lists and settings of the API.
    pub(super) reads: Ledger,
}

impl Ledgers {
    pub(super) fn open(config: &Config) -> anyhow::Result<Ledgers> {
        let Database { acquire_timeout_secs, statement_timeout_secs, .. } = config.database;
        let timeout = Duration::from_secs(acquire_timeout_secs + statement_timeout_secs) + ANSWER_MARGIN;
        let open = |purpose, connections| {
            let pool = pool(&config.database, purpose, connections)?;
            Ok::<_, anyhow::Error>(Ledger::bounded(pool, timeout))
        };
        Ok(Ledgers {
            intake: open(Purpose::Hot, config.database.intake_connections)?,
            dispatch: open(Purpose::Hot, config.database.dispatch_connections)?,
            web: open(Purpose::Hot, config.database.web_connections)?,
            reads: open(Purpose::Reads, config.database.reads_connections)?,
        })
    }
}
