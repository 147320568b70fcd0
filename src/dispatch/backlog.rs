//! The messages of one lane that are due in the ledger, as far as this worker knows.
//!
//! New requests queue behind a backlog: first come, first served. The claimer sets the state after each scan; the
//! fast path waits for a backlog that is nearly drained.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::watch;

/// A backlog younger than this counts as nearly drained: new requests wait for it instead of being written as due
/// rows.
const NEARLY_DRAINED: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Backlog {
    present: watch::Sender<bool>,
    nearly_drained: AtomicBool,
    requeued: AtomicBool,
}

impl Backlog {
    /// Present until the claimer's first scan says otherwise.
    #[must_use]
    pub fn new() -> Backlog {
        Backlog {
            present: watch::Sender::new(true),
            nearly_drained: AtomicBool::new(true),
            requeued: AtomicBool::new(false),
        }
    }

    #[must_use]
    pub fn is_present(&self) -> bool {
        *self.present.borrow()
    }

    pub fn set_present(&self, present: bool) {
        self.present.send_if_modified(|was| std::mem::replace(was, present) != present);
    }

    /// `age`: how long the oldest due message had waited at the last scan.
    pub fn set_age(&self, age: Duration) {
        self.nearly_drained.store(age < NEARLY_DRAINED, Ordering::Relaxed);
    }

    /// Waits for a nearly drained backlog to end, until `deadline`. A row that is written due beside it costs two
    /// statements more, and keeps the lane from ever catching up.
    pub async fn wait_until_drained(&self, deadline: Instant) {
        if self.is_present() && self.nearly_drained.load(Ordering::Relaxed) {
            let mut present = self.present.subscribe();
            let drained = present.wait_for(|present| !present);
            drop(tokio::time::timeout_at(deadline.into(), drained).await);
        }
    }

    /// Claims went back to the ledger at their old due times, which may lie before the claimer's floor.
    pub fn mark_requeued(&self) {
        self.set_present(true);
        self.requeued.store(true, Ordering::Relaxed);
    }

    /// Whether claims were returned since the last call.
    pub fn take_requeued(&self) -> bool {
        self.requeued.swap(false, Ordering::Relaxed)
    }
}

impl Default for Backlog {
    fn default() -> Backlog {
        Backlog::new()
    }
}
