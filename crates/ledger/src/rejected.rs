//! Rejected jobs: stored with their bytes and every problem, so that a producer can correct and replay them.
//!
//! A repeat only counts. Bodies are personal data: only `rejected_job` returns them.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{
    Ledger, LedgerError,
    audit::{self, Actor},
    column, retrying,
};
use postrider_domain::{document::Problem, ids::CompanyId, job::parse::BODY_BYTES_MAX};

/// A rejected job to store.
#[derive(Debug, Clone)]
pub struct Rejection {
    pub id: Uuid,
    /// Keyed hash of (company, key, body).
    pub fingerprint: Uuid,
    pub company: Option<CompanyId>,
    /// AMQP routing key, or HTTP path.
    pub routing: String,
    pub source: &'static str,
    pub message_key: Option<String>,
    pub body: Vec<u8>,
    pub problems: Vec<Problem>,
    /// Came by a test binding or test key; its replay is a test too.
    pub test: bool,
}

/// Which of a company's rejected jobs to list.
#[derive(Debug, Clone, Default)]
pub struct RejectedFilter {
    /// Some problem has this code and this field path; if both are given, the same problem has both.
    pub code: Option<String>,
    pub field: Option<String>,
    /// Last seen at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Include replayed ones.
    pub replayed: bool,
    /// Cursor: only ids below it.
    pub before: Option<Uuid>,
    pub max: i64,
}

impl RejectedFilter {
    /// The JSON that a job's problems must contain.
    fn problem(&self) -> Option<serde_json::Value> {
        let mut problem = serde_json::Map::new();
        for (name, wanted) in [("code", &self.code), ("path", &self.field)] {
            problem.extend(wanted.as_ref().map(|wanted| (name.to_owned(), wanted.as_str().into())));
        }
        (!problem.is_empty()).then(|| serde_json::json!([problem]))
    }
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
    pub test: bool,
}

/// A rejected job with its bytes.
#[derive(Debug, Clone)]
pub struct RejectedJob {
    pub row: RejectedRow,
    pub message_key: Option<String>,
    /// `None` above 64 KiB.
    pub body: Option<Vec<u8>>,
    pub body_sha256: Vec<u8>,
}

impl Ledger {
    /// Stores rejected jobs; fingerprints must be distinct within the batch.
    pub async fn reject(&self, batch: &[Rejection]) -> Result<(), LedgerError> {
        let problems: Vec<serde_json::Value> = column(batch, |row| serde_json::json!(row.problems));
        let bodies = column(batch, |row| (row.body.len() <= BODY_BYTES_MAX).then(|| row.body.clone()));
        retrying(|| async {
            sqlx::query_file!(
                "src/sql/reject.sql",
                &column(batch, |row| row.id),
                &column(batch, |row| row.fingerprint),
                &column(batch, |row| row.company.map(|company| company.0)) as &[Option<i32>],
                &column(batch, |row| row.routing.clone()),
                &column(batch, |row| row.source.to_owned()),
                &column(batch, |row| row.message_key.clone()) as &[Option<String>],
                &bodies as &[Option<Vec<u8>>],
                &column(batch, |row| row.body.len() as i64),
                &column(batch, |row| Sha256::digest(&row.body).to_vec()),
                &problems,
                &column(batch, |row| row.test),
            )
            .execute(&self.pool)
            .await
        })
        .await?;
        Ok(())
    }

    /// Rejected jobs, last seen first; `replayed` includes replayed ones.
    pub async fn rejected_jobs(
        &self,
        company: Option<CompanyId>,
        replayed: bool,
        max: i64,
    ) -> Result<Vec<RejectedRow>, LedgerError> {
        let company = company.map(|company| company.0);
        let rows = sqlx::query_file!("src/sql/rejected_list.sql", company as Option<i32>, replayed, max)
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
                test: row.test,
            })
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// A page of a company's rejected jobs, by first arrival, newest first.
    pub async fn rejected_jobs_page(
        &self,
        company: CompanyId,
        filter: &RejectedFilter,
    ) -> Result<Vec<RejectedRow>, LedgerError> {
        let rows = sqlx::query_file!(
            "src/sql/rejected_page.sql",
            company.0,
            filter.problem() as Option<serde_json::Value>,
            filter.since as Option<DateTime<Utc>>,
            filter.replayed,
            filter.before as Option<Uuid>,
            filter.max
        )
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
            test: row.test,
        })
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// One rejected job with its bytes; of any company, or of the given one.
    pub async fn rejected_job(
        &self,
        id: Uuid,
        company: Option<CompanyId>,
    ) -> Result<Option<RejectedJob>, LedgerError> {
        let company = company.map(|company| company.0);
        let row = sqlx::query_file!("src/sql/rejected_detail.sql", id, company as Option<i32>)
            .fetch_optional(&self.pool)
            .await?;
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
                test: row.test,
            },
            message_key: row.message_key,
            body: row.body,
            body_sha256: row.body_sha256,
        }))
    }

    /// Takes the turn to replay a job; `None`: it was replayed, or another process has the turn. The turn
    /// ends with its connection, so that a crashed replay blocks no later one.
    pub async fn replay_turn(&self, id: Uuid) -> Result<Option<ReplayTurn>, LedgerError> {
        let mut connection = self.pool.detached().await?;
        let taken = sqlx::query_scalar!(
            r#"select pg_try_advisory_lock(hashtextextended($1::text, 0)) as "taken!""#,
            format!("replay {id}")
        )
        .fetch_one(&mut connection)
        .await?;
        if !taken {
            return Ok(None);
        }
        let open = sqlx::query_scalar!(
            r#"select replayed_at is null as "open!" from rejected_job where id = $1"#,
            id
        )
        .fetch_optional(&mut connection)
        .await?;
        Ok(open.unwrap_or(false).then_some(ReplayTurn { connection, id }))
    }
}

/// The right to replay one job: an advisory lock on a detached connection.
pub struct ReplayTurn {
    connection: PgConnection,
    id: Uuid,
}

impl ReplayTurn {
    /// Records the replay, with the request that it became and its audit.
    pub async fn done(
        mut self,
        request: Option<Uuid>,
        corrected: bool,
        company: CompanyId,
        actor: &Actor,
    ) -> Result<(), LedgerError> {
        let mut transaction = self.connection.begin().await?;
        sqlx::query_file!("src/sql/replay_end.sql", self.id, request as Option<Uuid>)
            .execute(&mut *transaction)
            .await?;
        let after = serde_json::json!({ "after": { "request": request, "corrected": corrected } });
        let entry = audit::Entry {
            company,
            actor,
            action: "rejected.replay",
            object: Some(format!("rejected {}", self.id)),
            changes: serde_json::Map::from_iter([("replayed".to_owned(), after)]),
            reason: None,
        };
        audit::write(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(())
    }
}
