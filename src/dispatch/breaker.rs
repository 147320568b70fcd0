//! A lane's circuit breaker: while a provider is away, or rejects the account, its messages wait unclaimed.
//!
//! Closed → open after `failures` failures in a row, or at once when the account is rejected; open → half-open after a
//! pause, twice as long after each failed probe; half-open → one probe decides. PURE: time is an argument.

use std::time::{Duration, Instant};

/// Section `[breaker]` of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    /// Failures in a row that open the breaker.
    pub failures: u32,
    /// The first pause.
    pub open: Duration,
    /// The longest pause.
    pub open_max: Duration,
}

/// The health of the provider and the account, as one call shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallHealth {
    /// The provider accepted or refused this message: it works.
    Success,
    /// Not reached, no answer, or a failure of the provider.
    Failure,
    /// The provider rejects the account itself.
    AccountRejected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    HalfOpen,
    Open,
}

#[derive(Debug)]
pub struct Breaker {
    thresholds: Thresholds,
    failures: u32,
    /// `None`: closed. Open before this instant, half-open after it.
    until: Option<Instant>,
    pause: Duration,
}

impl Breaker {
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Breaker {
        Breaker { thresholds, failures: 0, until: None, pause: thresholds.open }
    }

    #[must_use]
    pub fn state(&self, now: Instant) -> BreakerState {
        match self.until {
            None => BreakerState::Closed,
            Some(until) if now < until => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// Records the health of one call; returns whether the breaker opened by it.
    pub fn record(&mut self, health: CallHealth, now: Instant) -> bool {
        match health {
            CallHealth::Success => {
                self.failures = 0;
                self.until = None;
                self.pause = self.thresholds.open;
                false
            }
            CallHealth::Failure => {
                self.failures += 1;
                let probe_failed = self.state(now) == BreakerState::HalfOpen;
                self.open_if(probe_failed || self.failures >= self.thresholds.failures, now)
            }
            CallHealth::AccountRejected => self.open_if(true, now),
        }
    }

    fn open_if(&mut self, open: bool, now: Instant) -> bool {
        match self.state(now) {
            BreakerState::Open => false,
            BreakerState::Closed | BreakerState::HalfOpen if !open => false,
            BreakerState::Closed => {
                self.until = Some(now + self.pause);
                true
            }
            BreakerState::HalfOpen => {
                self.pause = (self.pause * 2).min(self.thresholds.open_max);
                self.until = Some(now + self.pause);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> Breaker {
        Breaker::new(Thresholds { failures: 3, open: SECOND, open_max: 3 * SECOND })
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let (mut breaker, now) = (breaker(), postrider_clock::monotonic());
        for sign in [
            CallHealth::Failure,
            CallHealth::Failure,
            CallHealth::Success,
            CallHealth::Failure,
            CallHealth::Failure,
        ] {
            assert!(!breaker.record(sign, now));
        }
        assert!(breaker.record(CallHealth::Failure, now));
        assert_eq!(breaker.state(now), BreakerState::Open);
        assert_eq!(breaker.state(now + SECOND), BreakerState::HalfOpen);
    }

    #[test]
    fn a_refused_account_opens_at_once() {
        let (mut breaker, now) = (breaker(), postrider_clock::monotonic());
        assert!(breaker.record(CallHealth::AccountRejected, now));
        assert_eq!(breaker.state(now), BreakerState::Open);
    }

    #[test]
    fn each_failed_probe_doubles_the_wait_up_to_its_bound_and_a_good_one_closes() {
        let (mut breaker, mut now) = (breaker(), postrider_clock::monotonic());
        breaker.record(CallHealth::AccountRejected, now);
        for wait in [1, 2, 3, 3] {
            assert_eq!(breaker.state(now + wait * SECOND - SECOND / 2), BreakerState::Open);
            now += wait * SECOND;
            assert_eq!(breaker.state(now), BreakerState::HalfOpen);
            assert!(breaker.record(CallHealth::Failure, now));
        }
        breaker.record(CallHealth::Success, now + 3 * SECOND);
        assert_eq!(breaker.state(now + 3 * SECOND), BreakerState::Closed);
    }
}
