//! A person's retry of a failed request, written down: a new message, and who asked for it.
//!
//! Compare-and-set on every message of the request. The old ones never change.

use uuid::Uuid;

use super::{Ledger, LedgerError, retrying};
use postrider_domain::{
    ids::{AccountId, CompanyId, Medium, MessageId},
    lifecycle::State,
};

/// The retry to write, as it was decided.
#[derive(Debug, Clone)]
pub struct NewRetry<'a> {
    pub message: MessageId,
    pub request: Uuid,
    /// The failed message by which the request stands.
    pub of: MessageId,
    /// The request's messages as they were read.
    pub known: Vec<(MessageId, State)>,
    pub seq: i16,
    pub company: CompanyId,
    pub account: AccountId,
    pub medium: Medium,
    pub addr: Uuid,
    /// In key order: what to reserve, where the request does not hold it still.
    pub slots: Vec<Uuid>,
    /// Suppression period in seconds; `None`: takes over from any holder.
    pub window_secs: Option<i32>,
    pub expires_after_secs: f64,
    pub door: &'a str,
    /// The API key.
    pub key: Option<Uuid>,
    pub requested_by: &'a str,
    pub note: Option<&'a str>,
    pub acknowledged: bool,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Done,
    /// The request moved on meanwhile: look again.
    Moved,
    /// This other request asks or asked the person within the period.
    Held(Uuid),
}

impl Ledger {
    pub async fn retry(&self, retry: &NewRetry<'_>) -> Result<Written, LedgerError> {
        let ids: Vec<Uuid> = retry.known.iter().map(|(message, _)| message.0).collect();
        let states: Vec<i16> = retry.known.iter().map(|(_, state)| state.code()).collect();
        let written = retrying(|| async {
            sqlx::query_file!(
                "src/sql/retry.sql",
                retry.message.0,
                retry.request,
                retry.of.0,
                &ids,
                &states,
                &retry.slots,
                retry.window_secs as Option<i32>,
                retry.seq,
                retry.company.0,
                retry.account.0,
                retry.medium.code(),
                retry.addr,
                retry.expires_after_secs,
                retry.door,
                retry.requested_by,
                retry.note as Option<&str>,
                retry.acknowledged,
                retry.key as Option<Uuid>,
            )
            .fetch_one(&self.pool)
            .await
        })
        .await;
        match written {
            Ok(row) => Ok(match (row.written, row.holder) {
                (Some(_), _) => Written::Done,
                (None, Some(holder)) if row.fits => Written::Held(holder),
                (None, _) => Written::Moved,
            }),
            // Somebody else's retry took the number.
            Err(LedgerError::Taken(_)) => Ok(Written::Moved),
            Err(error) => Err(error),
        }
    }
}
