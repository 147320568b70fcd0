//! The call slots and the rate of one lane: how many calls may run at once, and how many may start per second.
//!
//! A call needs one slot and one rate token. The lane's task waits for both; the fast path takes only what is free,
//! or, for a burst, waits for half of the slots.

use std::{num::NonZeroU32, sync::Arc, time::Instant};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug)]
pub struct CallSlots {
    concurrency: usize,
    slots: Arc<Semaphore>,
    tokens: DefaultDirectRateLimiter,
}

impl CallSlots {
    /// `concurrency`: slots; `rate_per_sec`: calls that start per second. Both at least 1.
    #[must_use]
    pub fn new(concurrency: u32, rate_per_sec: u32) -> CallSlots {
        let at_least_one = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        // A burst of a tenth of a second: smooth for the provider, no stall at low rates.
        let quota =
            Quota::per_second(at_least_one(rate_per_sec)).allow_burst(at_least_one(rate_per_sec / 10));
        CallSlots {
            concurrency: concurrency as usize,
            slots: Arc::new(Semaphore::new(concurrency.max(1) as usize)),
            tokens: RateLimiter::direct(quota),
        }
    }

    /// Waits for a free slot, then for a rate token.
    pub async fn acquire_permit(&self) -> OwnedSemaphorePermit {
        let slot = Arc::clone(&self.slots).acquire_owned().await.expect("call slots are never closed");
        self.tokens.until_ready().await;
        slot
    }

    /// Takes one rate token, if one is available now.
    #[must_use]
    pub fn take_token(&self) -> bool {
        self.tokens.check().is_ok()
    }

    /// The slots that are free now, at most `most`; `None`: all are in use.
    #[must_use]
    pub fn try_acquire(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        let free = self.slots.available_permits().min(most);
        let free = u32::try_from(free).ok().filter(|free| *free > 0)?;
        Arc::clone(&self.slots).try_acquire_many_owned(free).ok()
    }

    /// Whether `count` requests at once come faster than slots become free.
    #[must_use]
    pub fn is_burst(&self, count: usize) -> bool {
        count >= self.half()
    }

    /// Slots for a burst of `most` requests: waits until half of the lane's slots are free, while the other half is
    /// in use. `None`: fewer are free until `deadline`.
    pub async fn acquire_for_burst(&self, most: usize, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(self.half().min(most)).ok()?;
        let slots = Arc::clone(&self.slots).acquire_many_owned(wanted);
        let mut slots = tokio::time::timeout_at(deadline.into(), slots).await.ok()?.ok()?;
        if let Some(more) = self.try_acquire(most - wanted as usize) {
            slots.merge(more);
        }
        Some(slots)
    }

    fn half(&self) -> usize {
        (self.concurrency / 2).max(1)
    }
}
