//! Rejected jobs: kept with their bytes and every problem, so that a producer can mend and replay.
//!
//! The same mistake again only counts. Bodies are personal data: only `show` gives them out.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Ledger, LedgerError, retrying};
use crate::message::{CompanyId, Problem, parse::BODY_BYTES_MAX};

/// A job that was refused.
#[derive(Debug, Clone)]
pub struct Rejection {
    pub id: Uuid,
    /// hash(company, key, content)
    pub same: Uuid,
    pub company: Option<CompanyId>,
    /// Routing key, or the HTTP path.
    pub routing: String,
    pub source: &'static str,
    pub message_key: Option<String>,
    pub body: Vec<u8>,
    pub problems: Vec<Problem>,
}

/// A rejected job as listed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RejectedRow {
    pub id: Uuid,
    pub company: Option<String>,
    pub routing: String,
    pub source: String,
    pub received_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub times: i32,
    pub body_bytes: i64,
    pub problems: Vec<Problem>,
    pub replayed_at: Option<DateTime<Utc>>,
    pub replayed_as: Option<Uuid>,
}

/// A rejected job with its bytes.
#[derive(Debug, Clone)]
pub struct RejectedJob {
    pub row: RejectedRow,
    pub message_key: Option<String>,
    /// Absent above 64 KiB.
    pub body: Option<Vec<u8>>,
    pub body_sha256: Vec<u8>,
}

impl Ledger {
    /// Keeps refused jobs; `same` must be distinct within the batch.
    pub async fn reject(&self, batch: &[Rejection]) -> Result<(), LedgerError> {
        fn column<T>(batch: &[Rejection], pick: impl Fn(&Rejection) -> T) -> Vec<T> {
            batch.iter().map(pick).collect()
        }
        let problems: Vec<serde_json::Value> = column(batch, |row| serde_json::json!(row.problems));
        let bodies = column(batch, |row| (row.body.len() <= BODY_BYTES_MAX).then(|| row.body.clone()));
        retrying(|| async {
            sqlx::query_file!(
                "src/ledger/sql/reject.sql",
                &column(batch, |row| row.id),
                &column(batch, |row| row.same),
                &column(batch, |row| row.company.map(|company| company.0)) as &[Option<i32>],
                &column(batch, |row| row.routing.clone()),
                &column(batch, |row| row.source.to_owned()),
                &column(batch, |row| row.message_key.clone()) as &[Option<String>],
                &bodies as &[Option<Vec<u8>>],
                &column(batch, |row| row.body.len() as i64),
                &column(batch, |row| Sha256::digest(&row.body).to_vec()),
                &problems,
            )
            .execute(&self.pool)
            .await
        })
        .await?;
        Ok(())
    }

    /// Rejected jobs, the latest first; `replayed` includes those already replayed.
    pub async fn rejected_list(
        &self,
        company: Option<CompanyId>,
        replayed: bool,
        max: i64,
    ) -> Result<Vec<RejectedRow>, LedgerError> {
        let company = company.map(|company| company.0);
        let rows =
            sqlx::query_file!("src/ledger/sql/rejected_list.sql", company as Option<i32>, replayed, max)
                .map(|row| RejectedRow {
                    id: row.id,
                    company: row.company,
                    routing: row.routing,
                    source: row.source,
                    received_at: row.received_at,
                    last_seen_at: row.last_seen_at,
                    times: row.times,
                    body_bytes: row.body_bytes,
                    problems: serde_json::from_value(row.problems).unwrap_or_default(),
                    replayed_at: row.replayed_at,
                    replayed_as: row.replayed_as,
                })
                .fetch_all(&self.pool)
                .await?;
        Ok(rows)
    }

    /// One rejected job with its bytes.
    pub async fn rejected_show(&self, id: Uuid) -> Result<Option<RejectedJob>, LedgerError> {
        let row =
            sqlx::query_file!("src/ledger/sql/rejected_show.sql", id).fetch_optional(&self.pool).await?;
        Ok(row.map(|row| RejectedJob {
            row: RejectedRow {
                id: row.id,
                company: row.company,
                routing: row.routing,
                source: row.source,
                received_at: row.received_at,
                last_seen_at: row.last_seen_at,
                times: row.times,
                body_bytes: row.body_bytes,
                problems: serde_json::from_value(row.problems).unwrap_or_default(),
                replayed_at: row.replayed_at,
                replayed_as: row.replayed_as,
            },
            message_key: row.message_key,
            body: row.body,
            body_sha256: row.body_sha256,
        }))
    }

    /// Marks a rejected job as replayed, as this request where it was accepted.
    pub async fn rejected_replayed(&self, id: Uuid, request: Option<Uuid>) -> Result<(), LedgerError> {
        sqlx::query!(
            "update rejected_job set replayed_at = now(), replayed_as = $2 where id = $1",
            id,
            request
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
