//! Responses of customers: which requests they complete, and responses that await their request.
//!
//! `respond` stores, `complete` finds the requests, in two statements: the second sees requests that were
//! accepted during the first. A request missed by both, because its acceptance had not committed, is found by
//! `awaited_due`; a job that comes later asks `awaited` before it is decided.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, column, conclude::Conclusion, retrying};
use postrider_domain::{
    ids::{CompanyId, MessageId},
    lifecycle::{Reason, State, fence::suppressed_end, transition},
};

/// Time that a response awaits its request, in seconds: 30 days.
pub const AWAITED_SECS: f64 = 2_592_000.0;
/// Requests that the response to one interaction completes at most.
const REQUESTS_MAX: i64 = 100;
/// Repeats while other workers move the messages; a claimed message meets the fence instead.
const TRIES_MAX: usize = 5;

/// A response to store.
#[derive(Debug, Clone)]
pub struct NewResponse {
    pub id: Uuid,
    /// Keyed hash of (company, response_id).
    pub key: Uuid,
    pub content_hash: Uuid,
    pub company: CompanyId,
    pub test: bool,
    /// Word of the entry point.
    pub source: &'static str,
    pub response_id: String,
    /// Our id or a former id.
    pub request: Option<Uuid>,
    /// Keyed hash of `request` as a former id.
    pub former_id_hash: Option<Uuid>,
    pub ext_interaction_id: Option<String>,
    /// `None` and a future time are stored as now.
    pub answered_at: Option<DateTime<Utc>>,
    /// Score, comment and custom properties (JSON).
    pub details: Option<String>,
    /// The key by which a later job finds this response.
    pub awaited_key: Uuid,
}

/// A stored response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptResponse {
    pub id: Uuid,
    pub key: Uuid,
    pub content_hash: Uuid,
    pub answered_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
}

impl Ledger {
    /// Stores responses; a response with an existing key is skipped.
    pub async fn respond(&self, batch: &[NewResponse]) -> Result<(), LedgerError> {
        retrying(|| async {
            sqlx::query_file!(
                "src/sql/respond.sql",
                &column(batch, |row| row.id),
                &column(batch, |row| row.key),
                &column(batch, |row| row.content_hash),
                &column(batch, |row| row.company.0),
                &column(batch, |row| row.test),
                &column(batch, |row| row.source.to_owned()),
                &column(batch, |row| row.response_id.clone()),
                &column(batch, |row| row.request) as &[Option<Uuid>],
                &column(batch, |row| row.former_id_hash) as &[Option<Uuid>],
                &column(batch, |row| row.ext_interaction_id.clone()) as &[Option<String>],
                &column(batch, |row| row.answered_at) as &[Option<DateTime<Utc>>],
                &column(batch, |row| row.details.clone()) as &[Option<String>],
                &column(batch, |row| row.awaited_key),
                AWAITED_SECS,
            )
            .execute(&self.pool)
            .await
        })
        .await?;
        Ok(())
    }

    /// Stored responses by their keys.
    pub async fn responses(&self, keys: &[Uuid]) -> Result<Vec<KeptResponse>, LedgerError> {
        let kept =
            sqlx::query_file_as!(KeptResponse, "src/sql/responses.sql", keys).fetch_all(&self.pool).await?;
        Ok(kept)
    }

    /// Completes the known requests that these responses name, and ends their waiting messages. Returns the
    /// key of each response with each of its requests. Idempotent.
    pub async fn complete(&self, keys: &[Uuid]) -> Result<Vec<(Uuid, Uuid)>, LedgerError> {
        let completed = retrying(|| async {
            sqlx::query_file!("src/sql/complete.sql", keys, REQUESTS_MAX)
                .map(|row| (row.key, row.request))
                .fetch_all(&self.pool)
                .await
        })
        .await?;
        let mut requests: Vec<Uuid> = completed.iter().map(|(_, request)| *request).collect();
        requests.sort_unstable();
        requests.dedup();
        self.end_answered(&requests).await?;
        Ok(completed)
    }

    /// Which of these keys some response awaits.
    pub async fn awaited(&self, keys: &[Uuid]) -> Result<Vec<Uuid>, LedgerError> {
        let awaited =
            sqlx::query_file_scalar!("src/sql/awaited_keys.sql", keys).fetch_all(&self.pool).await?;
        Ok(awaited)
    }

    /// Completes requests accepted under these keys.
    pub async fn complete_awaited(&self, keys: &[Uuid]) -> Result<(), LedgerError> {
        let waiting =
            sqlx::query_file_scalar!("src/sql/awaiting_responses.sql", keys).fetch_all(&self.pool).await?;
        self.complete(&waiting).await?;
        Ok(())
    }

    /// Searches the requests of awaiting responses that are due, `max` at most; returns the number of
    /// responses.
    pub async fn awaited_due(&self, max: i64) -> Result<usize, LedgerError> {
        let due = retrying(|| async {
            sqlx::query_file_scalar!("src/sql/awaited_due.sql", max).fetch_all(&self.pool).await
        })
        .await?;
        if !due.is_empty() {
            self.complete(&due).await?;
        }
        Ok(due.len())
    }

    /// Ends waiting messages of answered requests. The fence stops a message claimed meanwhile; one that is
    /// being sent is not tried again.
    pub(super) async fn end_answered(&self, requests: &[Uuid]) -> Result<(), LedgerError> {
        for _ in 0..TRIES_MAX {
            if requests.is_empty() {
                return Ok(());
            }
            let waiting = sqlx::query_file!("src/sql/answered_waiting.sql", requests)
                .map(|row| {
                    let (signal, reason) = suppressed_end(row.may_have_been_sent, Reason::Answered);
                    Conclusion {
                        message: MessageId(row.id),
                        epoch: row.epoch,
                        expected: State::Waiting,
                        next: transition(State::Waiting, signal),
                        reason,
                    }
                })
                .fetch_all(&self.pool)
                .await?;
            if waiting.is_empty() {
                return Ok(());
            }
            self.conclude(&waiting).await?;
        }
        Ok(())
    }
}
