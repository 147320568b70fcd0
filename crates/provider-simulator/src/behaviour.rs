//! How the simulated providers behave as a whole: latency, error rates, and the dice that they throw.
//!
//! Rates apply to calls and receipts that no magic recipient decides. The dice are seeded, so that a
//! run can be repeated; they are not for secrets. `plan` says what single calls do.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// What the providers do when the recipient asks for nothing special. Rates are between 0 and 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// Time taken before a call is looked at, drawn between the two.
    pub latency: (Duration, Duration),
    /// How long a call to a `slow` recipient takes.
    pub slow: Duration,
    /// Calls answered 500 without being accepted.
    pub error_rate: f64,
    /// Calls accepted and never answered.
    pub hang_rate: f64,
    /// Calls accepted, yet answered 500. A relay cannot: its answer is cut in the middle instead.
    pub accept_error_rate: f64,
    /// Calls accepted, then reset without an answer.
    pub accept_reset_rate: f64,
    /// Calls read whole, not accepted, and reset.
    pub reset_rate: f64,
    /// Calls refused for now: 429, over SMTP 451.
    pub busy_rate: f64,
    /// Calls accepted and answered after `slow`.
    pub slow_rate: f64,
    /// Receipts posted twice.
    pub duplicate_webhook_rate: f64,
    /// Time before each receipt, drawn between the two.
    pub webhook_delay: (Duration, Duration),
    /// Receipts that are never posted, though look-ups show them.
    pub webhook_loss_rate: f64,
    /// How long look-ups do not show yet what was accepted or told.
    pub look_up_lag: Duration,
    /// Most that a page of a look-up shows, whatever was asked for.
    pub look_up_page_max: usize,
    /// Messages whose receipts are posted in the reverse order.
    pub webhook_reorder_rate: f64,
    /// Receipts that are posted `webhook_late` later than their time.
    pub webhook_late_rate: f64,
    pub webhook_late: Duration,
    /// Most bytes of a call that are kept with its acceptance.
    pub raw_bytes_max: usize,
    pub seed: u64,
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour {
            latency: (Duration::ZERO, Duration::ZERO),
            slow: Duration::from_secs(2),
            error_rate: 0.0,
            hang_rate: 0.0,
            accept_error_rate: 0.0,
            accept_reset_rate: 0.0,
            reset_rate: 0.0,
            busy_rate: 0.0,
            slow_rate: 0.0,
            duplicate_webhook_rate: 0.0,
            webhook_delay: (Duration::ZERO, Duration::ZERO),
            webhook_loss_rate: 0.0,
            look_up_lag: Duration::ZERO,
            look_up_page_max: usize::MAX,
            webhook_reorder_rate: 0.0,
            webhook_late_rate: 0.0,
            webhook_late: Duration::from_secs(5),
            raw_bytes_max: 64 * 1024,
            seed: 1,
        }
    }
}

/// A seeded splitmix64; its state moves by a constant, so that threads share it without a lock.
#[derive(Debug)]
pub(super) struct Dice {
    state: AtomicU64,
}

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice { state: AtomicU64::new(seed) }
    }

    pub(super) fn reseed(&self, seed: u64) {
        self.state.store(seed, Ordering::Relaxed);
    }

    /// Whether something of this rate happens now.
    pub(super) fn falls(&self, rate: f64) -> bool {
        rate > 0.0 && self.unit() < rate
    }

    pub(super) fn between(&self, (least, most): (Duration, Duration)) -> Duration {
        if most <= least { least } else { least + (most - least).mul_f64(self.unit()) }
    }

    fn unit(&self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn next(&self) -> u64 {
        let state = self.state.fetch_add(GOLDEN_GAMMA, Ordering::Relaxed).wrapping_add(GOLDEN_GAMMA);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dice_are_those_of_the_published_splitmix64() {
        let dice = Dice::new(1_234_567);
        assert_eq!(dice.next(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_rate_of_a_tenth_falls_about_every_tenth_time() {
        let dice = Dice::new(7);
        let fallen = (0..10_000).filter(|_| dice.falls(0.1)).count();
        assert!((900..1_100).contains(&fallen), "fell {fallen} times");
        assert!(!dice.falls(0.0));
    }
}
