//! Receipts are written together: one statement for whatever came in a few milliseconds.
//!
//! Each caller is answered after the commit. The queue is bounded; full or without a database, callers
//! hear 503 and providers repeat. The same notice twice in one batch waits for the next.

use std::{collections::HashSet, time::Duration};

use tokio::sync::{mpsc, oneshot};

use crate::{dispatch::reconcile::settled, failpoint, telemetry::names};
use postrider_domain::lifecycle::State;
use postrider_ledger::{
    Ledger, LedgerError,
    receive::{NewReceipt, Received},
};

const QUEUE_MAX: usize = 2_048;
const BATCH_MAX: usize = 250;
const LINGER: Duration = Duration::from_millis(2);
/// Well within the 15 s that a provider waits for its answer.
const PATIENCE: Duration = Duration::from_secs(5);

type Entry = (NewReceipt, oneshot::Sender<Result<Received, ()>>);

/// The way of receipts into the ledger; cheap to clone.
#[derive(Clone)]
pub struct Receipts {
    queue: mpsc::Sender<Entry>,
}

impl Receipts {
    /// Starts the writer; it ends when the last handle is dropped.
    #[must_use]
    pub fn start(ledger: Ledger) -> (Receipts, tokio::task::JoinHandle<()>) {
        let (queue, entries) = mpsc::channel(QUEUE_MAX);
        (Receipts { queue }, tokio::spawn(write(ledger, entries)))
    }

    /// Writes one receipt; `None`: not now, let the provider repeat.
    pub async fn take(&self, receipt: NewReceipt) -> Option<Received> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send((receipt, answer)).ok()?;
        answered.await.ok()?.ok()
    }
}

async fn write(ledger: Ledger, mut entries: mpsc::Receiver<Entry>) {
    let mut batch: Vec<Entry> = Vec::new();
    let mut later: Vec<Entry> = Vec::new();
    loop {
        if later.is_empty() {
            if entries.recv_many(&mut batch, BATCH_MAX).await == 0 {
                return;
            }
            if batch.len() < BATCH_MAX {
                tokio::time::sleep(LINGER).await;
                while batch.len() < BATCH_MAX
                    && let Ok(entry) = entries.try_recv()
                {
                    batch.push(entry);
                }
            }
        }
        batch.append(&mut later);
        let mut keys = HashSet::new();
        let (now, twins): (Vec<Entry>, Vec<Entry>) =
            batch.drain(..).partition(|(receipt, _)| keys.insert(receipt.key));
        later = twins;
        answer(&ledger, now).await;
    }
}

/// A database that restarts is waited for: not every provider repeats what it was refused.
async fn receive(ledger: &Ledger, receipts: &[NewReceipt]) -> Result<Vec<Received>, LedgerError> {
    let since = postrider_clock::monotonic();
    loop {
        match ledger.receive(receipts).await {
            Err(LedgerError::Unavailable(_)) if postrider_clock::monotonic() - since < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            result => return result,
        }
    }
}

async fn answer(ledger: &Ledger, entries: Vec<Entry>) {
    let receipts: Vec<NewReceipt> = entries.iter().map(|(receipt, _)| receipt.clone()).collect();
    failpoint::point("before_receipt");
    let received = match receive(ledger, &receipts).await {
        Ok(received) => {
            failpoint::point("after_receipt");
            received
        }
        Err(LedgerError::Data(_)) if entries.len() > 1 => {
            // One of them cannot be stored; find it alone.
            for entry in entries {
                Box::pin(answer(ledger, vec![entry])).await;
            }
            return;
        }
        Err(error) => {
            tracing::warn!(%error, receipts = receipts.len(), "receipts cannot be written; providers will repeat");
            for (_, answer) in entries {
                // A caller that has gone hears nothing; its provider repeats.
                let _ = answer.send(Err(()));
            }
            return;
        }
    };
    for (receipt, answer) in entries {
        let Some(received) = received.iter().find(|received| received.key == receipt.key) else { continue };
        metrics::counter!(names::RECEIPTS, "kind" => receipt.kind).increment(u64::from(received.fresh));
        if received.other_content {
            metrics::counter!(names::RECEIPTS_REFUSED, "cause" => "replayed_with_other_content").increment(1);
            tracing::warn!("a notice was repeated with other content; it changes nothing");
        }
        match received.moved {
            Some((State::Unknown, _)) => settled("receipt", 1),
            Some((State::PresumedFailed, _)) => settled("late_receipt", 1),
            _ => {}
        }
        let _ = answer.send(Ok(*received));
    }
}
