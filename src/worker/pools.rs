//! The database pools, one for each purpose, so that no purpose can exhaust the connections of another.
//!
//! A pooled connection that does not answer is dropped; `postrider_ledger`'s bounded pool ensures that no connection
//! returns with an open transaction (docs/dependency-hazards.md#f1).

use secrecy::ExposeSecret;

use crate::config::{Config, Database};
pub use postrider_ledger::pool::Purpose;
use postrider_ledger::{
    Ledger,
    pool::{self, PgPool, PoolError, PoolSettings},
};

fn settings(config: &Database) -> PoolSettings<'_> {
    PoolSettings {
        url: config.url.expose_secret(),
        acquire_timeout_secs: config.acquire_timeout_secs,
        statement_timeout_secs: config.statement_timeout_secs,
    }
}

/// Opens a pool; connections are made on first use.
///
/// # Errors
/// `database.url` is empty or not a URL of Postgres.
pub fn pool(config: &Database, purpose: Purpose, connections: u32) -> Result<PgPool, PoolError> {
    pool::open(settings(config), purpose, connections)
}

/// Opens a ledger for a command, with at most two connections.
///
/// # Errors
/// As `pool`.
pub fn admin_ledger(config: &Config) -> anyhow::Result<Ledger> {
    Ok(Ledger::open(settings(&config.database), Purpose::Admin, 2)?)
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
    pub(super) fn open(config: &Config) -> Result<Ledgers, PoolError> {
        let database = &config.database;
        let open = |purpose, connections| Ledger::open(settings(database), purpose, connections);
        Ok(Ledgers {
            intake: open(Purpose::Hot, database.intake_connections)?,
            dispatch: open(Purpose::Hot, database.dispatch_connections)?,
            web: open(Purpose::Hot, database.web_connections)?,
            reads: open(Purpose::Reads, database.reads_connections)?,
        })
    }
}
