//! Audits: who changed which setting, when, and from what to what.
//!
//! A change and its audit are one transaction: whoever writes settings calls `write` on the transaction
//! that makes the change. Invariant: no secret and no customer's address is in an audit. What differs is
//! told by `company::difference`; customers' own acts (STOP, unsubscribe) are no settings and have none.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Ledger, LedgerError};
use postrider_domain::ids::CompanyId;

/// Who changes settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Whoever holds an API key.
    Key { id: Uuid, name: String },
    /// A person at the command line.
    Cli { user: String },
    /// A program of ours that sets up a world (demo, tests, benches).
    System,
}

impl Actor {
    /// The user of this process, as the environment names them.
    #[must_use]
    pub fn at_the_command_line() -> Actor {
        let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
        let user = named.filter(|user| !user.is_empty()).unwrap_or_else(|| "unknown".to_owned());
        // Postgres keeps no NUL, and nobody reads a name of a kilobyte.
        Actor::Cli { user: user.replace('\0', "").chars().take(255).collect() }
    }

    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Actor::Key { .. } => "key",
            Actor::Cli { .. } => "cli",
            Actor::System => "system",
        }
    }

    fn id(&self) -> Option<Uuid> {
        match self {
            Actor::Key { id, .. } => Some(*id),
            Actor::Cli { .. } | Actor::System => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Actor::Key { name, .. } => name,
            Actor::Cli { user } => user,
            Actor::System => "postrider",
        }
    }
}

/// One audit to write.
pub(super) struct Entry<'a> {
    pub company: CompanyId,
    pub actor: &'a Actor,
    pub action: &'static str,
    pub object: Option<String>,
    pub changes: Map<String, Value>,
    pub reason: Option<&'a str>,
}

/// One audit as listed.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub actor_id: Option<Uuid>,
    pub actor_name: String,
    pub action: String,
    pub object: Option<String>,
    pub changes: Value,
    pub reason: Option<String>,
}

/// Which audits to list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub action: Option<String>,
    pub object: Option<String>,
    pub since: Option<DateTime<Utc>>,
    /// Go on before this id.
    pub before: Option<Uuid>,
    pub max: i64,
}

/// Writes an audit into the transaction of its change.
pub(super) async fn write(transaction: &mut PgConnection, entry: Entry<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into audit (id, company, actor, actor_id, actor_name, action, object, changes, reason)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        postrider_clock::new_id(),
        entry.company.0,
        entry.actor.as_str(),
        entry.actor.id(),
        entry.actor.name(),
        entry.action,
        entry.object,
        Value::Object(entry.changes),
        entry.reason
    )
    .execute(transaction)
    .await?;
    Ok(())
}

impl Ledger {
    /// A company's audits, the newest first.
    pub async fn audits(&self, company: CompanyId, wish: &AuditFilter) -> Result<Vec<Audit>, LedgerError> {
        let rows = sqlx::query_file_as!(
            Audit,
            "src/sql/audit_list.sql",
            company.0,
            wish.action.as_deref() as Option<&str>,
            wish.object.as_deref() as Option<&str>,
            wish.since as Option<DateTime<Utc>>,
            wish.before as Option<Uuid>,
            wish.max
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }
}
