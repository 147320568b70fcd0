//! Settle: outcomes are written in batches, and a write is repeated until the database accepts it.
//!
//! An outcome that waits here is the only trace of a call's answer; if the worker dies first, the sweeper makes its
//! attempt unknown. Settling twice is harmless: the second statement finds no attempt under way.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time,
};

use crate::{failpoint, must_settle::MustSettle, telemetry::names};
use postrider_domain::lifecycle::State;
use postrider_ledger::{LedgerError, settle::Settlement};

use crate::dispatch::{Claim, DispatchContext, LeaseShare, unknowns::count_settled};

const BATCH_MAX: usize = 256;
const LINGER: Duration = Duration::from_millis(20);

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
pub async fn run(context: Arc<DispatchContext>, mut finished: mpsc::Receiver<FinishedAttempt>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut empty = Vec::new();
    while finished.recv_many(&mut batch, BATCH_MAX).await > 0 {
        linger(&mut finished, &mut batch).await;
        let items: Vec<FinishedAttempt> = std::mem::take(&mut batch);
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
        if finished.is_empty() && !empty.is_empty() {
            if let Err(error) = context.ledger.drop_leases(&empty).await {
                tracing::debug!(%error, "deleting empty leases failed; the sweeper deletes them");
            }
            empty.clear();
        }
    }
}

/// Adds the outcomes that follow within `LINGER`: a statement costs as much as some fifty rows. An outcome that waits is
/// lost with its worker, so the time is short.
async fn linger(finished: &mut mpsc::Receiver<FinishedAttempt>, batch: &mut Vec<FinishedAttempt>) {
    let until = time::sleep(LINGER);
    tokio::pin!(until);
    while batch.len() < BATCH_MAX {
        let room = BATCH_MAX - batch.len();
        tokio::select! {
            biased;
            () = &mut until => break,
            count = finished.recv_many(batch, room) => if count == 0 { break },
        }
    }
}

async fn write(context: &DispatchContext, items: &[FinishedAttempt], empty: &[uuid::Uuid]) {
    let mut settlements: Vec<Settlement> = items.iter().map(|item| item.settlement.clone()).collect();
    let mut wait = Duration::from_millis(50);
    loop {
        match context.ledger.settle(&settlements, empty).await {
            Ok(moved) => {
                let late = moved
                    .iter()
                    .filter(|one| one.previous_state == State::Unknown && one.state != one.previous_state);
                return count_settled("answer", late.count());
            }
            // A provider's text cannot be stored. The states of the messages matter more than the texts.
            Err(LedgerError::Data(code)) if settlements.iter().any(has_texts) => {
                tracing::error!(
                    code,
                    "a provider's code or id cannot be stored; the batch is written without codes and ids"
                );
                for settlement in &mut settlements {
                    (settlement.code, settlement.provider_id) = (None, None);
                }
                continue;
            }
            Err(error) => tracing::warn!(%error, outcomes = items.len(), "writing outcomes failed, retrying"),
        }
        tokio::time::sleep(wait.mul_f64(0.5 + postrider_clock::jitter())).await;
        wait = (wait * 2).min(Duration::from_secs(2));
    }
}

fn has_texts(settlement: &Settlement) -> bool {
    settlement.code.is_some() || settlement.provider_id.is_some()
}
