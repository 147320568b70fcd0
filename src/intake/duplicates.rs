//! Jobs with an idempotency key that is there already: the first answer again, a conflict, or a key that has expired.
//!
//! A derived key expires after 24 h, a given one is kept as long as its request. Shared by `accept` and `preview`.

use std::collections::HashMap;

use uuid::Uuid;

use postrider_ledger::{Ledger, LedgerError, gather::Duplicate};

use crate::intake::pending::Pending;

/// The relation of a job to the request that has its key.
#[derive(Debug, Clone, Copy)]
pub(super) enum KeyHolder<'a> {
    /// The same job: it gets the first answer again.
    SameJob(&'a Duplicate),
    /// A job with other content.
    OtherJob,
    /// The request's derived key has expired and can be retired.
    Expired,
    /// The request is no longer there.
    Gone,
}

/// Compares a job with the request that had its key at the gather.
pub(super) fn compare<'a>(pending: &Pending, holder: Option<&'a Duplicate>) -> KeyHolder<'a> {
    match holder {
        Some(holder) if holder.key_is_derived && holder.key_expired => KeyHolder::Expired,
        Some(holder) if holder.content_hash == pending.content_hash => KeyHolder::SameJob(holder),
        Some(_) => KeyHolder::OtherJob,
        None => KeyHolder::Gone,
    }
}

/// The requests with these ids; none for an empty list, without a statement.
pub(super) async fn key_holders(
    ledger: &Ledger,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Duplicate>, LedgerError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(ledger.duplicates(ids).await?.into_iter().map(|twin| (twin.id, twin)).collect())
}
