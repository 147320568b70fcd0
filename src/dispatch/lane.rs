//! A lane: the queue, the call slots and the breaker of one account in this worker.
//!
//! A lane is the unit of fairness: one that is slow, refused or rate-limited delays no other. This file says what may
//! enter; `lane_task` moves claims from the queue to begin, `call_slots` bounds calls, `backlog` knows what is due in
//! the ledger, `breaker` decides when calls pause.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    crash_isolation::ExclusiveGuard,
    dispatch::{
        Claim,
        backlog::Backlog,
        breaker::{Breaker, BreakerState, CallHealth, Thresholds},
        call_slots::CallSlots,
    },
    telemetry::names,
};
use postrider_domain::{
    company::{Account, Company},
    ids::AccountId,
};
use postrider_providers::{Outgoing, Provider, StatusSource};

/// A reserved place in a lane's queue.
pub type Permit = mpsc::OwnedPermit<Claim>;

/// A claim with its text and its call slot, ready to be begun.
pub struct ReadyCall {
    pub claim: Claim,
    pub lane: Arc<Lane>,
    /// `Err`: the code of a text that could not be made; the attempt ends without a call.
    pub outgoing: Result<Outgoing, String>,
    pub slot: OwnedSemaphorePermit,
    /// Of a poison suspect: nothing else is parsed or rendered until it is begun.
    pub exclusive: Option<ExclusiveGuard>,
}

pub struct Lane {
    pub account: AccountId,
    pub settings: Account,
    pub company: Arc<Company>,
    /// `None` while a credential is missing.
    pub provider: Option<Box<dyn Provider>>,
    pub(super) slots: CallSlots,
    pub(super) backlog: Backlog,
    queue: mpsc::Sender<Claim>,
    breaker: Mutex<Breaker>,
    calls: AtomicUsize,
    closing: CancellationToken,
}

/// Arguments of [`Lane::new`].
pub struct LaneParts {
    pub account: AccountId,
    pub settings: Account,
    pub company: Arc<Company>,
    pub provider: Option<Box<dyn Provider>>,
    /// Claims in the queue at most.
    pub queue_max: usize,
    pub thresholds: Thresholds,
}

impl Lane {
    /// Makes the lane and the end of its queue that its task reads until [`Lane::close`].
    pub(super) fn new(parts: LaneParts) -> (Arc<Lane>, mpsc::Receiver<Claim>) {
        let (queue, claims) = mpsc::channel(parts.queue_max);
        let closing = CancellationToken::new();
        let lane = Arc::new(Lane {
            account: parts.account,
            slots: CallSlots::new(parts.settings.concurrency, parts.settings.rate_per_sec),
            backlog: Backlog::new(),
            breaker: Mutex::new(Breaker::new(parts.thresholds)),
            calls: AtomicUsize::new(0),
            settings: parts.settings,
            company: parts.company,
            provider: parts.provider,
            queue,
            closing,
        });
        (lane, claims)
    }

    /// Cancelled by [`Lane::close`].
    pub(super) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// Whether new requests may enter: not while the lane has a backlog, nor with its breaker open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.backlog.is_present() && self.breaker_state() == BreakerState::Closed
    }

    /// Waits for a nearly drained backlog until `deadline`; returns whether the lane is open then.
    pub async fn wait_until_open(&self, deadline: Instant) -> bool {
        self.backlog.wait_until_drained(deadline).await;
        self.is_open()
    }

    /// A place in the queue for one new request, if the lane is open.
    #[must_use]
    pub fn permit(&self) -> Option<Permit> {
        self.is_open().then(|| self.queue.clone().try_reserve_owned().ok()).flatten()
    }

    /// Places for claims of the backlog: as many as can be sent within a quarter of a lease, less those queued
    /// already, as the breaker allows. A claim older than a third of its lease would be returned.
    #[must_use]
    pub fn permits_for_backlog(&self, lease: Duration) -> Vec<Permit> {
        let by_rate = (lease.as_secs_f64() / 4.0 * f64::from(self.settings.rate_per_sec)).max(1.0) as usize;
        let most = self.allowed_by_breaker(by_rate.saturating_sub(self.queued()));
        // One place is left for a poison suspect, which finds none otherwise while the lane has a backlog.
        let places = self.queue.capacity().saturating_sub(usize::from(self.queue.max_capacity() > 1));
        std::iter::from_fn(|| self.queue.clone().try_reserve_owned().ok()).take(most.min(places)).collect()
    }

    /// A place for one poison suspect, as the breaker allows.
    #[must_use]
    pub fn permit_for_suspect(&self) -> Option<Permit> {
        let allowed = self.allowed_by_breaker(1) > 0;
        allowed.then(|| self.queue.clone().try_reserve_owned().ok()).flatten()
    }

    /// `most` with a closed breaker; a single probe, while nothing else is here, with a half-open one.
    fn allowed_by_breaker(&self, most: usize) -> usize {
        match self.breaker_state() {
            BreakerState::Closed => most,
            BreakerState::HalfOpen if self.queued() == 0 && self.calls.load(Ordering::Relaxed) == 0 => 1,
            BreakerState::HalfOpen | BreakerState::Open => 0,
        }
    }

    fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// `Open` also while a credential is missing.
    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        if self.provider.is_none() {
            return BreakerState::Open;
        }
        self.breaker().state(postrider_clock::monotonic())
    }

    /// Where the truth about an unknown outcome can come from.
    #[must_use]
    pub fn status_source(&self) -> StatusSource {
        self.provider.as_ref().map_or(StatusSource::ReceiptsOnly, |provider| provider.status_source())
    }

    /// Records the health of one call in the breaker.
    pub fn record(&self, health: CallHealth) {
        let opened = self.breaker().record(health, postrider_clock::monotonic());
        if opened {
            self.backlog.set_present(true);
            tracing::warn!(lane = %self.settings.id, "breaker opened; messages of this lane wait");
        }
        self.export_metrics();
    }

    /// Sets the gauge of the breaker's state.
    pub fn export_metrics(&self) {
        let state = match self.breaker_state() {
            BreakerState::Closed => 0.0,
            BreakerState::HalfOpen => 1.0,
            BreakerState::Open => 2.0,
        };
        metrics::gauge!(names::BREAKER, "lane" => self.settings.id.clone()).set(state);
    }

    /// Ends the lane's task, which returns its unbegun claims.
    pub fn close(&self) {
        self.closing.cancel();
    }

    pub fn call_started(&self) {
        self.export_calls(self.calls.fetch_add(1, Ordering::Relaxed) + 1);
    }

    pub fn call_ended(&self) {
        self.export_calls(self.calls.fetch_sub(1, Ordering::Relaxed) - 1);
    }

    fn export_calls(&self, calls: usize) {
        metrics::gauge!(names::IN_FLIGHT, "lane" => self.settings.id.clone()).set(calls as f64);
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
