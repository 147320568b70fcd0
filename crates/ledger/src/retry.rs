//! A person's retry of a failed request: a new message, and the record of the person.
//!
//! Compare-and-set on every message of the request; earlier messages never change.

use uuid::Uuid;

use super::{Ledger, LedgerError, retrying};
use postrider_domain::{
    ids::{AccountId, CompanyId, Medium, MessageId},
    lifecycle::State,
};

/// The retry to write.
#[derive(Debug, Clone)]
pub struct NewRetry<'a> {
    pub message: MessageId,
    pub request: Uuid,
    /// The failed message that decides the request's status.
    pub previous_message: MessageId,
    /// The request's messages as they were read.
    pub known: Vec<(MessageId, State)>,
    pub seq: i16,
    pub company: CompanyId,
    pub account: AccountId,
    pub medium: Medium,
    pub address_hash: Uuid,
    /// Keys to reserve, in order; the request may still hold some.
    pub reservation_keys: Vec<Uuid>,
    /// Suppression period in seconds; `None`: takes over from any holder.
    pub window_secs: Option<i32>,
    pub expires_after_secs: f64,
    pub entry_point: &'a str,
    /// `api_key.id`
    pub key: Option<Uuid>,
    pub requested_by: &'a str,
    pub note: Option<&'a str>,
    pub acknowledged: bool,
}

/// Result of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryResult {
    Done,
    /// The request moved on: read it again.
    Moved,
    /// This other request asks or asked the person within the suppression period.
    Held(Uuid),
}

impl Ledger {
    /// Writes a retry, unless the request moved on or the person was asked meanwhile.
    pub async fn retry(&self, retry: &NewRetry<'_>) -> Result<RetryResult, LedgerError> {
        let ids: Vec<Uuid> = retry.known.iter().map(|(message, _)| message.0).collect();
        let states: Vec<i16> = retry.known.iter().map(|(_, state)| state.code()).collect();
        let written = retrying(|| async {
            sqlx::query_file!(
                "src/sql/retry.sql",
                retry.message.0,
                retry.request,
                retry.previous_message.0,
                &ids,
                &states,
                &retry.reservation_keys,
                retry.window_secs as Option<i32>,
                retry.seq,
                retry.company.0,
                retry.account.0,
                retry.medium.code(),
                retry.address_hash,
                retry.expires_after_secs,
                retry.entry_point,
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
                (Some(_), _) => RetryResult::Done,
                (None, Some(holder)) if row.fits => RetryResult::Held(holder),
                (None, _) => RetryResult::Moved,
            }),
            // A concurrent retry took the number.
            Err(LedgerError::Taken(_)) => Ok(RetryResult::Moved),
            Err(error) => Err(error),
        }
    }
}
