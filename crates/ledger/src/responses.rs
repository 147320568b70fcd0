//! Responses: what customers answered, which requests that completes, and what waits for requests to come.
//!
//! `respond` keeps, `complete` finds the requests, in two statements: the second sees what was accepted
//! while the first was written. Who is missed by both, because its acceptance was under way, is found by
//! `awaited_due`, again and again; a job that comes later asks `awaited` before it is decided.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, column, retrying, sweep::Conclusion};
use postrider_domain::{
    ids::{CompanyId, MessageId},
    lifecycle::{Reason, State, fence::suppressed_end, transition},
};

/// How long a response waits for its request: 30 days.
pub const AWAITED_SECS: f64 = 2_592_000.0;
/// Most requests that one interaction's response completes.
const REQUESTS_MAX: i64 = 100;
/// Somebody else moved the messages each time: whoever claims one meets the fence.
const TRIES_MAX: usize = 5;

/// A response, ready to be kept.
#[derive(Debug, Clone)]
pub struct NewResponse {
    pub id: Uuid,
    /// hash(company, response_id)
    pub key: Uuid,
    pub content_hash: Uuid,
    pub company: CompanyId,
    pub test: bool,
    /// The door's word.
    pub source: &'static str,
    pub response_id: String,
    /// Our id or a former id.
    pub request: Option<Uuid>,
    /// The key of the same as a former id.
    pub former: Option<Uuid>,
    pub ext_interaction_id: Option<String>,
    /// `None`, and a time to come: now.
    pub answered_at: Option<DateTime<Utc>>,
    /// Score, comment and custom properties (JSON).
    pub details: Option<String>,
    /// Under which key a job to come would find it.
    pub awaits: Uuid,
}

/// A response as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptResponse {
    pub id: Uuid,
    pub key: Uuid,
    pub content_hash: Uuid,
    pub answered_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
}

impl Ledger {
    /// Keeps responses; one whose key is taken is left out.
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
                &column(batch, |row| row.former) as &[Option<Uuid>],
                &column(batch, |row| row.ext_interaction_id.clone()) as &[Option<String>],
                &column(batch, |row| row.answered_at) as &[Option<DateTime<Utc>>],
                &column(batch, |row| row.details.clone()) as &[Option<String>],
                &column(batch, |row| row.awaits),
                AWAITED_SECS,
            )
            .execute(&self.pool)
            .await
        })
        .await?;
        Ok(())
    }

    /// Responses by their keys.
    pub async fn responses(&self, keys: &[Uuid]) -> Result<Vec<KeptResponse>, LedgerError> {
        let kept =
            sqlx::query_file_as!(KeptResponse, "src/sql/responses.sql", keys).fetch_all(&self.pool).await?;
        Ok(kept)
    }

    /// Completes the requests that these responses name and that are known by now, and ends what waits to be
    /// sent for them; gives each response's key with each of its requests. Doing it again is harmless.
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

    /// Which of these keys some response waits for.
    pub async fn awaited(&self, keys: &[Uuid]) -> Result<Vec<Uuid>, LedgerError> {
        let awaited = sqlx::query_file_scalar!("src/sql/awaited.sql", keys).fetch_all(&self.pool).await?;
        Ok(awaited)
    }

    /// Completes what was accepted under these keys, and was awaited.
    pub async fn complete_awaited(&self, keys: &[Uuid]) -> Result<(), LedgerError> {
        let waiting = sqlx::query_file_scalar!("src/sql/awaiting.sql", keys).fetch_all(&self.pool).await?;
        self.complete(&waiting).await?;
        Ok(())
    }

    /// Looks again for the requests of responses whose time has come, `max` at most; gives how many there
    /// were.
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

    /// Ends what waits to be sent for requests that were answered. Who is claimed meanwhile is stopped by
    /// the fence; who is being sent is not sent again.
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
                        was: State::Waiting,
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
