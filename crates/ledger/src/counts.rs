//! Counts over whole tables, for the demo's live table and checks.
//!
//! Nothing on the hot path may call these; a fleet's dashboard reads the metrics. `requests` reads one
//! request.

use uuid::Uuid;

use super::{Ledger, LedgerError, stored_state};
use postrider_domain::{document::Problem, ids::Medium, lifecycle::State};

/// Number of requests that agree in company, account, medium, state and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCount {
    pub company: String,
    /// `None` where the rules found no candidate.
    pub account: Option<String>,
    pub medium: Option<Medium>,
    pub state: State,
    pub reason: Option<String>,
    pub count: i64,
}

/// State of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestEnd {
    pub id: Uuid,
    /// `IdentityKey::idempotency` of its key.
    pub idempotency_hash: Uuid,
    pub company: String,
    pub account: Option<String>,
    pub state: State,
    pub reason: Option<String>,
    pub attempts: i16,
}

/// One rejected job, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedEnd {
    pub company: Option<String>,
    pub key: Option<String>,
    /// How often the job came.
    pub times: i32,
    pub problems: Vec<Problem>,
}

/// Rows that must be gone when all requests have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leftovers {
    pub leases: i64,
    pub dues: i64,
    pub queued: i64,
}

impl Ledger {
    /// All requests, counted.
    pub async fn request_counts(&self) -> Result<Vec<RequestCount>, LedgerError> {
        let rows = sqlx::query_file!("src/sql/counts_requests.sql").fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                Ok(RequestCount {
                    company: row.slug,
                    account: row.account,
                    medium: row.medium.and_then(Medium::from_code),
                    state: stored_state(row.state)?,
                    reason: row.reason,
                    count: row.count,
                })
            })
            .collect()
    }

    /// State of each request, oldest first.
    pub async fn request_ends(&self, max: i64) -> Result<Vec<RequestEnd>, LedgerError> {
        let rows = sqlx::query_file!("src/sql/counts_ends.sql", max).fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                Ok(RequestEnd {
                    id: row.id,
                    idempotency_hash: row.idempotency_hash,
                    company: row.slug,
                    account: row.account,
                    state: stored_state(row.state)?,
                    reason: row.reason,
                    attempts: row.attempt,
                })
            })
            .collect()
    }

    /// Every rejected job, oldest first.
    pub async fn rejected_ends(&self, max: i64) -> Result<Vec<RejectedEnd>, LedgerError> {
        let rows = sqlx::query_file!("src/sql/counts_rejected.sql", max)
            .map(|row| RejectedEnd {
                company: row.slug,
                key: row.message_key,
                times: row.times,
                problems: serde_json::from_value(row.problems).unwrap_or_default(),
            })
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// Number of rows that must be gone when all requests have ended.
    pub async fn leftovers(&self) -> Result<Leftovers, LedgerError> {
        let left = sqlx::query_file_as!(Leftovers, "src/sql/counts_left.sql").fetch_one(&self.pool).await?;
        Ok(left)
    }
}
