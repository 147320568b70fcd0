//! A seeded random number generator, so that a run of the simulator can be repeated.
//!
//! splitmix64: its state moves by a constant, so threads share it without a lock. It must not make secrets.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

#[derive(Debug)]
pub(crate) struct SeededRandom {
    state: AtomicU64,
}

impl SeededRandom {
    pub(crate) fn new(seed: u64) -> SeededRandom {
        SeededRandom { state: AtomicU64::new(seed) }
    }

    pub(crate) fn reseed(&self, seed: u64) {
        self.state.store(seed, Ordering::Relaxed);
    }

    /// True with the probability `rate` (0 to 1).
    pub(crate) fn chance(&self, rate: f64) -> bool {
        rate > 0.0 && self.unit() < rate
    }

    /// A duration drawn uniformly between the two.
    pub(crate) fn duration_between(&self, (least, most): (Duration, Duration)) -> Duration {
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
    fn the_numbers_are_those_of_the_published_splitmix64() {
        let random = SeededRandom::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_rate_of_a_tenth_is_true_about_every_tenth_time() {
        let random = SeededRandom::new(7);
        let hits = (0..10_000).filter(|_| random.chance(0.1)).count();
        assert!((900..1_100).contains(&hits), "{hits} of 10,000");
        assert!(!random.chance(0.0));
    }
}
