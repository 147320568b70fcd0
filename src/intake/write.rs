//! Write: the decided rows of one round become requests, in the chunks of the fast path.
//!
//! A row that the database refuses is found by writing the rows one by one. Repeating a write is harmless: a request is
//! inserted once, by its idempotency key.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{dispatch::fast_path::FastPath, telemetry::names};
use postrider_domain::{
    lifecycle::{Reason, State},
    rules::Verdict,
};
use postrider_ledger::{Ledger, LedgerError, accept::NewRequest};

/// The rows of one round after the write. A row that is in neither lost its key, or a reservation, to another
/// transaction since the gather, and is decided again.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Of inserted requests.
    pub states: HashMap<Uuid, State>,
    /// Rows that the database cannot store.
    pub unstorable: Vec<Uuid>,
}

/// Writes decided rows. `now`: the database's time of the gather.
///
/// # Errors
/// Of the database; rows of earlier chunks may be committed.
pub(super) async fn write(
    ledger: &Ledger,
    fast_path: &FastPath,
    rows: Vec<NewRequest>,
    now: DateTime<Utc>,
) -> Result<Written, LedgerError> {
    let mut written = Written::default();
    let (error, rest) = match write_chunks(ledger, fast_path, rows, now, &mut written).await {
        Ok(()) => return Ok(written),
        Err(failed) => failed,
    };
    match error {
        LedgerError::Taken(_) => return Ok(written),
        LedgerError::Data(_) => {}
        error => return Err(error),
    }
    for row in rest {
        let id = row.id;
        match write_chunks(ledger, fast_path, vec![row], now, &mut written).await {
            Ok(()) | Err((LedgerError::Taken(_), _)) => {}
            Err((LedgerError::Data(_), _)) => written.unstorable.push(id),
            Err((error, _)) => return Err(error),
        }
    }
    Ok(written)
}

/// Writes rows chunk by chunk; after an error returns the rows that were not written.
async fn write_chunks(
    ledger: &Ledger,
    fast_path: &FastPath,
    rows: Vec<NewRequest>,
    now: DateTime<Utc>,
    written: &mut Written,
) -> Result<(), (LedgerError, Vec<NewRequest>)> {
    let mut batch = fast_path.batch(rows, now);
    while let Some(chunk) = batch.reserve().await {
        match ledger.accept(&chunk.rows, chunk.lease_terms).await {
            Ok(states) => {
                for row in &chunk.rows {
                    if let Some(state) = states.get(&row.id) {
                        count(row, *state);
                    }
                }
                chunk.committed(&states).await;
                written.states.extend(states);
            }
            Err(error) => {
                let mut rest = batch.into_rest();
                rest.extend(chunk.failed(&error));
                return Err((error, rest));
            }
        }
    }
    Ok(())
}

/// The reason for which an accepted request is not sent.
pub(super) fn suppression(verdict: Verdict, state: State) -> Option<Reason> {
    match (verdict, state) {
        (Verdict::Suppress(reason), _) => Some(reason),
        (Verdict::Send, State::Suppressed) => Some(Reason::SuppressionPeriod),
        (Verdict::Send, _) => None,
    }
}

/// Counts an accepted request, unless it is a test.
fn count(row: &NewRequest, state: State) {
    if row.test {
        return;
    }
    match suppression(row.decision.verdict, state) {
        Some(reason) => {
            metrics::counter!(names::ACCEPTED, "verdict" => "suppress").increment(1);
            metrics::counter!(names::SUPPRESSED, "reason" => reason.as_str()).increment(1);
        }
        None => metrics::counter!(names::ACCEPTED, "verdict" => "send").increment(1),
    }
}
