//! Settle: outcomes are written down in batches, and repeated until the database has taken them.
//!
//! An outcome held here is the only trace of a call's answer; if this worker dies first, the sweeper
//! makes it an unknown. Settling twice is harmless: the second finds nothing under way.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time,
};

use crate::{failpoint, must_settle::MustSettle, telemetry::names};
use postrider_domain::lifecycle::State;
use postrider_ledger::{LedgerError, settle::Settlement};

use crate::dispatch::{Claim, DispatchContext, LeaseShare, reconcile::settled};

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

/// Writes outcomes down until nobody can send any more.
pub async fn run(shared: Arc<DispatchContext>, mut done: mpsc::Receiver<FinishedAttempt>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut empty = Vec::new();
    while done.recv_many(&mut batch, BATCH_MAX).await > 0 {
        wait_for_company(&mut done, &mut batch).await;
        let items: Vec<FinishedAttempt> = std::mem::take(&mut batch);
        failpoint::hit("before_settle");
        write(&shared, &items, &empty).await;
        failpoint::hit("after_settle");
        // Counted off only after the commit: a lease must outlive what it guards.
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
        if done.is_empty() && !empty.is_empty() {
            if let Err(error) = shared.ledger.drop_leases(&empty).await {
                tracing::debug!(%error, "empty leases were left to the sweeper");
            }
            empty.clear();
        }
    }
}

/// Whoever comes within a moment is written down together: a statement costs as much as some fifty rows. An
/// outcome that waits is lost with its worker, so the moment is short.
async fn wait_for_company(done: &mut mpsc::Receiver<FinishedAttempt>, batch: &mut Vec<FinishedAttempt>) {
    let until = time::sleep(LINGER);
    tokio::pin!(until);
    while batch.len() < BATCH_MAX {
        let room = BATCH_MAX - batch.len();
        tokio::select! {
            biased;
            () = &mut until => break,
            count = done.recv_many(batch, room) => if count == 0 { break },
        }
    }
}

async fn write(shared: &DispatchContext, items: &[FinishedAttempt], empty: &[uuid::Uuid]) {
    let mut settlements: Vec<Settlement> = items.iter().map(|item| item.settlement.clone()).collect();
    let mut wait = Duration::from_millis(50);
    loop {
        match shared.ledger.settle(&settlements, empty).await {
            Ok(moved) => {
                let late = moved
                    .iter()
                    .filter(|one| one.previous_state == State::Unknown && one.state != one.previous_state);
                return settled("answer", late.count());
            }
            // Some provider's words cannot be stored. What became of the messages matters, not the words.
            Err(LedgerError::Data(code)) if settlements.iter().any(has_words) => {
                tracing::error!(code, "a provider's code or id cannot be stored; a batch goes without them");
                for settlement in &mut settlements {
                    (settlement.code, settlement.provider_id) = (None, None);
                }
                continue;
            }
            Err(error) => tracing::warn!(%error, outcomes = items.len(), "outcomes cannot be written yet"),
        }
        tokio::time::sleep(wait.mul_f64(0.5 + postrider_clock::jitter())).await;
        wait = (wait * 2).min(Duration::from_secs(2));
    }
}

fn has_words(settlement: &Settlement) -> bool {
    settlement.code.is_some() || settlement.provider_id.is_some()
}
