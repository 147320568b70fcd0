//! Settle: outcomes are written in batches, and a write is repeated until the database accepts it.
//!
//! An outcome that waits here is the only trace of a call's answer; if the worker dies first, the sweeper makes its
//! attempt unknown. Settling twice is harmless: the second statement finds no attempt under way.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::{
    batching::Batcher,
    failpoint,
    must_settle::MustSettle,
    retry::{Backoff, retry_until},
    telemetry::names,
};
use postrider_domain::lifecycle::State;
use postrider_ledger::{
    LedgerError,
    settle::{Settled, Settlement},
};

use crate::dispatch::{Claim, DispatchContext, LeaseShare, unknowns::count_settled};

const BATCH_MAX: usize = 256;
/// A statement costs as much as some fifty rows, so outcomes that follow within this time join it. An outcome that waits
/// is lost with its worker, so the time is short.
const LINGER: Duration = Duration::from_millis(20);

const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(50), max: Duration::from_secs(2), timeout: None };

/// One attempt with an outcome that is not written yet.
pub struct FinishedAttempt {
    pub settlement: Settlement,
    pub lease: Arc<LeaseShare>,
    /// From due to the provider's acceptance; `None` where it is not measured.
    pub sent_after: Option<chrono::Duration>,
    /// Of a poison suspect: the worker's permit, dropped when this is written.
    pub suspect: Option<OwnedSemaphorePermit>,
    pub must_settle: MustSettle,
}

impl FinishedAttempt {
    #[must_use]
    pub fn new(claim: Claim, settlement: Settlement) -> FinishedAttempt {
        let Claim { lease, suspect, must_settle, .. } = claim;
        FinishedAttempt { settlement, lease, sent_after: None, suspect, must_settle }
    }
}

/// Writes outcomes until every sender is gone.
pub async fn run(context: Arc<DispatchContext>, finished: mpsc::Receiver<FinishedAttempt>) {
    let mut batches = Batcher::new(finished, BATCH_MAX, LINGER);
    let mut empty = Vec::new();
    while let Some(items) = batches.next().await {
        failpoint::hit("before_settle");
        write(&context, &items, &empty).await;
        failpoint::hit("after_settle");
        // Only after the commit: a lease must outlive the attempts that it guards.
        empty = items.iter().filter_map(|item| item.lease.release_lease()).collect();
        for item in &items {
            if let Some(after) = item.sent_after {
                let seconds = after.to_std().unwrap_or_default().as_secs_f64();
                metrics::histogram!(names::SECONDS_TO_SENT).record(seconds);
            }
        }
        for item in items {
            item.must_settle.settle();
        }
        if batches.is_idle() && !empty.is_empty() {
            if let Err(error) = context.ledger.drop_leases(&empty).await {
                tracing::debug!(%error, "deleting empty leases failed; the sweeper deletes them");
            }
            empty.clear();
        }
    }
}

/// Writes outcomes, however long the database is away. `empty`: leases that the statement deletes as well.
async fn write(context: &DispatchContext, items: &[FinishedAttempt], empty: &[uuid::Uuid]) {
    let mut settlements: Vec<Settlement> = items.iter().map(|item| item.settlement.clone()).collect();
    loop {
        let has_texts = settlements.iter().any(has_texts);
        let settle = || context.ledger.settle(&settlements, empty);
        let written = retry_until(BACKOFF, settle, |error: &LedgerError| {
            let is_text = has_texts && matches!(error, LedgerError::Data(_));
            if !is_text {
                tracing::warn!(%error, outcomes = items.len(), "writing outcomes failed, retrying");
            }
            !is_text
        });
        match written.await {
            Ok(moved) => {
                let is_late =
                    |one: &&Settled| one.previous_state == State::Unknown && one.state != one.previous_state;
                return count_settled("answer", moved.iter().filter(is_late).count());
            }
            // A provider's text cannot be stored. The states of the messages matter more than the texts.
            Err(error) => {
                tracing::error!(%error, "a provider's code or id cannot be stored; the batch is written without codes and ids");
                for settlement in &mut settlements {
                    (settlement.code, settlement.provider_id) = (None, None);
                }
            }
        }
    }
}

fn has_texts(settlement: &Settlement) -> bool {
    settlement.code.is_some() || settlement.provider_id.is_some()
}
