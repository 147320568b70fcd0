//! A lane: one account's queue, rate, call slots and breaker in this worker.
//!
//! Its task takes claims in order, waits for a rate token and a free slot, renders, and passes them on
//! to begin. What waited too long is given back unbegun; so is everything when the lane ends.

use std::{
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::{failpoint, poison::crash_isolation::ExclusiveGuard, telemetry::names, worker::stages::stopped};
use postrider_domain::{
    company::{Account, Company},
    ids::AccountId,
};
use postrider_providers::{Outgoing, Provider, StatusSource};

use crate::{
    dispatch::{
        Claim, DispatchContext,
        breaker::{Breaker, BreakerState, CallHealth, Thresholds},
        claim::release_leases,
        compose,
    },
    poison::suspect_messages,
};

/// Whoever waits for less than this is not waited behind for long.
const NEARLY_DRAINED: Duration = Duration::from_secs(1);

/// Room in a lane's queue, in the hand of whoever will fill it.
pub type Permit = mpsc::OwnedPermit<Claim>;

/// A claim with its text and its call slot, ready to be begun.
pub struct ReadyCall {
    pub claim: Claim,
    pub lane: Arc<Lane>,
    /// `Err`: no text could be made; the attempt ends without a call.
    pub outgoing: Result<Outgoing, String>,
    pub slot: OwnedSemaphorePermit,
    /// A suspect has the quiet for itself until it is begun.
    pub alone: Option<ExclusiveGuard>,
}

pub struct Lane {
    pub account: AccountId,
    pub settings: Account,
    pub company: Arc<Company>,
    /// Absent while a credential is missing.
    pub provider: Option<Box<dyn Provider>>,
    queue: mpsc::Sender<Claim>,
    slots: Arc<Semaphore>,
    limiter: DefaultDirectRateLimiter,
    breaker: Mutex<Breaker>,
    /// Messages of this lane wait in the ledger: new ones queue behind them.
    backlog: watch::Sender<bool>,
    /// The last look found nobody there who had waited for long.
    nearly_drained: AtomicBool,
    requeued: AtomicBool,
    calls: AtomicUsize,
    closing: watch::Sender<bool>,
}

/// What a lane is made of.
pub struct LaneParts {
    pub account: AccountId,
    pub settings: Account,
    pub company: Arc<Company>,
    pub provider: Option<Box<dyn Provider>>,
    pub queue_max: usize,
    pub thresholds: Thresholds,
}

impl Lane {
    /// Makes the lane and starts its task; it ends when the lane is closed.
    pub fn start(
        parts: LaneParts,
        shared: Arc<DispatchContext>,
        ready: mpsc::Sender<ReadyCall>,
    ) -> (Arc<Lane>, tokio::task::JoinHandle<()>) {
        let (queue, claims) = mpsc::channel(parts.queue_max);
        let per_second = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let rate = per_second(parts.settings.rate_per_sec);
        // A burst of a tenth of a second: smooth for the provider, no stall at low rates.
        let quota = Quota::per_second(rate).allow_burst(per_second(parts.settings.rate_per_sec / 10));
        let lane = Arc::new(Lane {
            account: parts.account,
            slots: Arc::new(Semaphore::new(parts.settings.concurrency.max(1) as usize)),
            limiter: RateLimiter::direct(quota),
            breaker: Mutex::new(Breaker::new(parts.thresholds)),
            // Until the first look at the ledger says otherwise, somebody may be waiting.
            backlog: watch::Sender::new(true),
            nearly_drained: AtomicBool::new(true),
            requeued: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            closing: watch::Sender::new(false),
            settings: parts.settings,
            company: parts.company,
            provider: parts.provider,
            queue,
        });
        let task = tokio::spawn(Arc::clone(&lane).run(shared, claims, ready));
        (lane, task)
    }

    /// Whether new requests may come in at all: not while the lane has a backlog, nor with its breaker open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !*self.backlog.borrow() && self.breaker_state() == BreakerState::Closed
    }

    /// Room in the queue for one hand-over.
    #[must_use]
    pub fn permit(&self) -> Option<Permit> {
        self.is_open().then(|| self.queue.clone().try_reserve_owned().ok()).flatten()
    }

    /// So many at once that they come faster than slots do.
    #[must_use]
    pub fn is_burst(&self, count: usize) -> bool {
        count >= self.half()
    }

    /// Call slots that are free now, at most `most`.
    #[must_use]
    pub fn free_slots(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        let free = self.slots.available_permits().min(most);
        let free = u32::try_from(free).ok().filter(|free| *free > 0)?;
        Arc::clone(&self.slots).try_acquire_many_owned(free).ok()
    }

    /// Call slots for a crowd of `most`: half of the lane's, as soon as they are free, while the other half
    /// is in use. `None`: not until then.
    pub async fn wait_for_slots(&self, most: usize, until: Instant) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(self.half().min(most)).ok()?;
        let slots = Arc::clone(&self.slots).acquire_many_owned(wanted);
        let mut slots = tokio::time::timeout_at(until.into(), slots).await.ok()?.ok()?;
        if let Some(more) = self.free_slots(most - wanted as usize) {
            slots.merge(more);
        }
        Some(slots)
    }

    fn half(&self) -> usize {
        (self.settings.concurrency as usize / 2).max(1)
    }

    /// Takes one rate token, if there is one now.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.limiter.check().is_ok()
    }

    /// Room for claims of the backlog: what can be sent within a quarter of a lease, less what waits
    /// here already, as the breaker lets. After a third of its lease a claim would be given back.
    #[must_use]
    pub fn room(&self, lease: Duration) -> Vec<Permit> {
        let by_rate = (lease.as_secs_f64() / 4.0 * f64::from(self.settings.rate_per_sec)).max(1.0) as usize;
        let most = self.as_breaker_lets(by_rate.saturating_sub(self.queued()));
        // One place is left for a suspect, which would find none while the lane has a backlog.
        let places = self.queue.capacity().saturating_sub(usize::from(self.queue.max_capacity() > 1));
        std::iter::from_fn(|| self.queue.clone().try_reserve_owned().ok()).take(most.min(places)).collect()
    }

    /// Room for one suspect, as the breaker lets.
    #[must_use]
    pub fn room_for_one(&self) -> Option<Permit> {
        let lets = self.as_breaker_lets(1) > 0;
        lets.then(|| self.queue.clone().try_reserve_owned().ok()).flatten()
    }

    /// So many at once, or a single probe while nothing else is here, or none.
    fn as_breaker_lets(&self, most: usize) -> usize {
        match self.breaker_state() {
            BreakerState::Closed => most,
            BreakerState::HalfOpen if self.queued() == 0 && self.calls_now() == 0 => 1,
            BreakerState::HalfOpen | BreakerState::Open => 0,
        }
    }

    fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Tells whether messages of this lane wait in the ledger: new ones queue behind them.
    pub fn set_backlog(&self, backlog: bool) {
        self.backlog.send_if_modified(|was| std::mem::replace(was, backlog) != backlog);
    }

    /// Tells how long the oldest of them had waited when they were last looked at.
    pub fn set_backlog_age(&self, behind: Duration) {
        self.nearly_drained.store(behind < NEARLY_DRAINED, Ordering::Relaxed);
    }

    /// Whether the lane is open, now or soon: a short backlog is waited for, until `until`. What is written
    /// due beside it costs twice, and keeps the lane from ever catching up.
    pub async fn wait_until_open(&self, until: Instant) -> bool {
        if *self.backlog.borrow() && self.nearly_drained.load(Ordering::Relaxed) {
            let mut backlog = self.backlog.subscribe();
            let none = backlog.wait_for(|backlog| !backlog);
            drop(tokio::time::timeout_at(until.into(), none).await);
        }
        self.is_open()
    }

    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        if self.provider.is_none() {
            return BreakerState::Open;
        }
        self.breaker().state(postrider_clock::monotonic())
    }

    /// What may be done after an unknown outcome.
    #[must_use]
    pub fn class(&self) -> StatusSource {
        self.provider.as_ref().map_or(StatusSource::ReceiptsOnly, |provider| provider.status_source())
    }

    /// Takes a call's sign for the breaker.
    pub fn record(&self, sign: CallHealth) {
        let opened = self.breaker().record(sign, postrider_clock::monotonic());
        if opened {
            self.set_backlog(true);
            tracing::warn!(lane = %self.settings.id, "breaker opened; messages of this lane wait");
        }
        self.export_metrics();
    }

    /// Ends the lane's task; what it has not begun is given back.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    pub fn call_started(&self) {
        let now = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        metrics::gauge!(names::IN_FLIGHT, "lane" => self.settings.id.clone()).set(now as f64);
    }

    pub fn call_ended(&self) {
        let now = self.calls.fetch_sub(1, Ordering::Relaxed) - 1;
        metrics::gauge!(names::IN_FLIGHT, "lane" => self.settings.id.clone()).set(now as f64);
    }

    /// Shows the breaker's position.
    pub fn export_metrics(&self) {
        let position = match self.breaker_state() {
            BreakerState::Closed => 0.0,
            BreakerState::HalfOpen => 1.0,
            BreakerState::Open => 2.0,
        };
        metrics::gauge!(names::BREAKER, "lane" => self.settings.id.clone()).set(position);
    }

    fn calls_now(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn run(
        self: Arc<Self>,
        shared: Arc<DispatchContext>,
        mut claims: mpsc::Receiver<Claim>,
        ready: mpsc::Sender<ReadyCall>,
    ) {
        let mut closing = self.closing.subscribe();
        loop {
            let claim = tokio::select! {
                biased;
                () = stopped(&mut closing) => break,
                claim = claims.recv() => match claim { Some(claim) => claim, None => break },
            };
            // An open breaker hands everything queued back in one statement.
            if self.breaker_state() == BreakerState::Open {
                self.return_claims(&shared, drain(&mut claims, claim)).await;
                continue;
            }
            let slot = tokio::select! {
                biased;
                () = stopped(&mut closing) => { self.return_claims(&shared, vec![claim]).await; break }
                slot = self.acquire_permit() => slot,
            };
            if claim.is_stale(postrider_clock::monotonic(), shared.lease) {
                // Slots or tokens come slower than was thought; who waits behind is as old or nearly so.
                self.return_claims(&shared, drain(&mut claims, claim)).await;
                continue;
            }
            let Some(slot) = slot else { break };
            let alone = match claim.suspect {
                None => None,
                Some(_) => {
                    let Some(alone) = suspect_messages::try_alone(&shared, &claim).await else {
                        self.return_claims(&shared, vec![claim]).await;
                        continue;
                    };
                    Some(alone)
                }
            };
            let outgoing = self.compose(&shared, &claim, alone.as_ref()).await;
            let item = ReadyCall { claim, lane: Arc::clone(&self), outgoing, slot, alone };
            if ready.send(item).await.is_err() {
                break;
            }
        }
        claims.close();
        // Permits are still out: their statements are under way and send what they claimed. `recv` waits
        // for them all; what is here already does not.
        while let Some(claim) = claims.recv().await {
            self.return_claims(&shared, drain(&mut claims, claim)).await;
        }
    }

    /// Gives unbegun claims back, at their old places in the line. Where the database is away the lease
    /// lapses and says the same later.
    async fn return_claims(&self, shared: &DispatchContext, claims: Vec<Claim>) {
        if claims.is_empty() {
            return;
        }
        let places: Vec<_> = claims.iter().map(|claim| (claim.message, claim.epoch, claim.due_at)).collect();
        if let Err(error) = shared.ledger.release(&places).await {
            tracing::warn!(%error, claims = places.len(), "claims could not be given back; their lease will lapse");
            return;
        }
        self.set_backlog(true);
        self.requeued.store(true, Ordering::Relaxed);
        release_leases(&shared.ledger, &claims).await;
    }

    /// Whether something went back to an earlier place in the line since this was last asked.
    pub fn take_requeued(&self) -> bool {
        self.requeued.swap(false, Ordering::Relaxed)
    }

    /// A rate token and a free call slot.
    async fn acquire_permit(&self) -> Option<OwnedSemaphorePermit> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
        self.limiter.until_ready().await;
        slot
    }

    async fn compose(
        &self,
        shared: &DispatchContext,
        claim: &Claim,
        alone: Option<&ExclusiveGuard>,
    ) -> Result<Outgoing, String> {
        let _together = match alone {
            Some(_) => None,
            None => Some(shared.isolation_gate.shared().await),
        };
        self.compose_quietly(shared, claim)
    }

    /// Renders, with the quiet in the caller's hand. A panic over a customer's name fails that one message,
    /// never the worker (docs/dependency-hazards.md#f8).
    pub(super) fn compose_quietly(
        &self,
        shared: &DispatchContext,
        claim: &Claim,
    ) -> Result<Outgoing, String> {
        let composed = catch_unwind(AssertUnwindSafe(|| {
            failpoint::on_word("compose", claim.customer_name.as_deref());
            compose::outgoing(shared, self, claim)
        }));
        composed.unwrap_or_else(|_| {
            metrics::counter!(names::PANICS, "place" => "compose").increment(1);
            Err("panic".to_owned())
        })
    }
}

fn drain(claims: &mut mpsc::Receiver<Claim>, first: Claim) -> Vec<Claim> {
    let mut all = vec![first];
    while let Ok(claim) = claims.try_recv() {
        all.push(claim);
    }
    all
}

/// The monotonic instant from which a call may no longer start.
#[must_use]
pub fn call_deadline(begun: Instant, shared: &DispatchContext, timeout: Duration) -> Instant {
    begun + shared.lease.saturating_sub(timeout).saturating_sub(shared.call_margin)
}
