//! The writer of receipts: one statement for the receipts of a few milliseconds.
//!
//! Each caller is answered after the commit. The queue is bounded; with a full queue or without a database the
//! caller answers 503 and the provider repeats the call. Reads no webhook: `verify` made the receipts.

use std::{collections::HashSet, future::Future, time::Duration};

use tokio::sync::{mpsc, oneshot};

use crate::{
    batching::Batcher,
    dispatch::unknowns::count_settled,
    failpoint,
    retry::{Backoff, retry_until},
    telemetry::names,
};
use postrider_domain::lifecycle::State;
use postrider_ledger::{
    Ledger, LedgerError,
    receive::{NewReceipt, Received},
};

const QUEUE_MAX: usize = 2_048;
const BATCH_MAX: usize = 250;
const LINGER: Duration = Duration::from_millis(2);
/// Waits out a restart of the database, because not every provider repeats a refused call; well within the 15 s for
/// which providers wait.
const BACKOFF: Backoff = Backoff::constant(Duration::from_millis(100)).within(Duration::from_secs(5));

/// A receipt, and the way back to its caller; dropped, the caller answers 503.
type Entry = (NewReceipt, oneshot::Sender<Received>);

/// Handle of the writer; cheap to clone.
#[derive(Clone)]
pub struct ReceiptWriter {
    queue: mpsc::Sender<Entry>,
}

impl ReceiptWriter {
    /// The handle, and the writer's task, which ends once the last handle is dropped.
    pub fn new(ledger: Ledger) -> (ReceiptWriter, impl Future<Output = ()> + Send + use<>) {
        let (queue, entries) = mpsc::channel(QUEUE_MAX);
        (ReceiptWriter { queue }, run(ledger, Batcher::new(entries, BATCH_MAX, LINGER)))
    }

    /// Writes one receipt; `None`: it is not written, and the provider must repeat the call.
    pub async fn write(&self, receipt: NewReceipt) -> Option<Received> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send((receipt, answer)).ok()?;
        answered.await.ok()
    }
}

async fn run(ledger: Ledger, mut batches: Batcher<Entry>) {
    while let Some(mut batch) = batches.next().await {
        // A statement takes a key once: further receipts with the same key go into the next statement.
        while !batch.is_empty() {
            let mut keys = HashSet::new();
            let (unique, repeated): (Vec<Entry>, Vec<Entry>) =
                batch.into_iter().partition(|(receipt, _)| keys.insert(receipt.key));
            write(&ledger, unique).await;
            batch = repeated;
        }
    }
}

async fn write(ledger: &Ledger, entries: Vec<Entry>) {
    let receipts: Vec<NewReceipt> = entries.iter().map(|(receipt, _)| receipt.clone()).collect();
    failpoint::hit("before_receipt");
    let is_transient = |error: &LedgerError| matches!(error, LedgerError::Unavailable(_));
    let received = match retry_until(BACKOFF, || ledger.receive(&receipts), is_transient).await {
        Ok(received) => {
            failpoint::hit("after_receipt");
            received
        }
        Err(LedgerError::Data(_)) if entries.len() > 1 => {
            // One of the receipts cannot be stored: each is written alone, so that only that one is refused.
            for entry in entries {
                Box::pin(write(ledger, vec![entry])).await;
            }
            return;
        }
        Err(error) => {
            tracing::warn!(%error, receipts = receipts.len(), "writing receipts failed; providers are answered 503 and repeat them");
            return;
        }
    };
    for (receipt, answer) in entries {
        let Some(received) = received.iter().find(|received| received.key == receipt.key) else { continue };
        metrics::counter!(names::RECEIPTS, "kind" => receipt.kind).increment(u64::from(received.fresh));
        if received.other_content {
            metrics::counter!(names::RECEIPTS_REFUSED, "cause" => "replayed_with_other_content").increment(1);
            tracing::warn!("a receipt was repeated with other content; the first content stands");
        }
        match received.moved {
            Some((State::Unknown, _)) => count_settled("receipt", 1),
            Some((State::PresumedFailed, _)) => count_settled("late_receipt", 1),
            _ => {}
        }
        // A caller that has disconnected gets no answer; its provider repeats the call.
        let _ = answer.send(*received);
    }
}
