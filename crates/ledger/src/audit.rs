//! Audit: the actor, time and difference of every change of settings.
//!
//! A change and its audit are one transaction: the function that changes settings calls `write` on its
//! transaction. `company::difference` computes the difference. Customers' own actions (STOP, unsubscribe) are
//! no settings. Invariant: no secret and no customer's address is in an audit.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Ledger, LedgerError};
use postrider_domain::ids::CompanyId;

/// The actor of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The holder of an API key.
    Key { id: Uuid, name: String },
    /// A person at the command line.
    Cli { user: String },
    /// A program of the project that sets up an environment (demo, tests, benches).
    System,
}

impl Actor {
    /// The user of this process, from SUDO_USER, USER or LOGNAME; `unknown` without any.
    #[must_use]
    pub fn at_the_command_line() -> Actor {
        let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
        let user = named.filter(|user| !user.is_empty()).unwrap_or_else(|| "unknown".to_owned());
        // Postgres stores no NUL; 255 characters are enough for a name.
        Actor::Cli { user: user.replace('\0', "").chars().take(255).collect() }
    }

    /// As stored.
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

/// One audit entry to write.
pub(super) struct Entry<'a> {
    pub company: CompanyId,
    pub actor: &'a Actor,
    pub action: &'static str,
    pub object: Option<String>,
    pub changes: Map<String, Value>,
    pub reason: Option<&'a str>,
}

/// One audit entry as listed.
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

/// Which audit entries to list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub action: Option<String>,
    pub object: Option<String>,
    pub since: Option<DateTime<Utc>>,
    /// Cursor: only ids below it.
    pub before: Option<Uuid>,
    pub max: i64,
}

/// Writes an audit entry into the transaction of its change.
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
    /// A company's audit entries, newest first.
    pub async fn audits(&self, company: CompanyId, filter: &AuditFilter) -> Result<Vec<Audit>, LedgerError> {
        let rows = sqlx::query_file_as!(
            Audit,
            "src/sql/audit_list.sql",
            company.0,
            filter.action.as_deref() as Option<&str>,
            filter.object.as_deref() as Option<&str>,
            filter.since as Option<DateTime<Utc>>,
            filter.before as Option<Uuid>,
            filter.max
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }
}
