//! The retry schedule: when a refused message is tried again, and when it is given up.
//!
//! Default: 30 s, 2 m, 10 m, 30 m, 1 h, 3 h, 6 h, each ±20 %, at most 8 counted tries or 24 h after the first due
//! time. A provider's hint only ever lengthens the wait, by 6 h at most. A refusal that is the lane's fault is not
//! counted; the message waits `lane_delay`.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The retry schedule; compressed in demo and tests.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrySchedule {
    /// Wait after the first, second, … counted try; the last one repeats.
    pub delays: Vec<Duration>,
    /// Share by which a delay may fall or rise, 0 to 1.
    pub jitter: f64,
    /// Counted tries, the first included.
    pub tries_max: u16,
    /// Longest time from the first due time to the last try.
    pub give_up_after: Duration,
    /// Longest wait that a provider's hint may ask for.
    pub hint_max: Duration,
    /// Wait after a refusal that was the lane's fault.
    pub lane_delay: Duration,
}

impl Default for RetrySchedule {
    fn default() -> RetrySchedule {
        RetrySchedule {
            delays: [30, 120, 600, 1_800, 3_600, 10_800, 21_600].map(Duration::from_secs).to_vec(),
            jitter: 0.2,
            tries_max: 8,
            give_up_after: Duration::from_secs(24 * 3_600),
            hint_max: Duration::from_secs(6 * 3_600),
            lane_delay: Duration::from_secs(30),
        }
    }
}

/// The consequence of a refusal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NextTry {
    /// Try again this long after the refusal is written down.
    After(Duration),
    /// No further try.
    GiveUp,
}

/// How far a message's retries have come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Counted tries so far, the one just refused included.
    pub tries: u16,
    /// The message's first due time.
    pub first_due_at: DateTime<Utc>,
    /// The database's time.
    pub now: DateTime<Utc>,
}

impl RetrySchedule {
    /// After a refusal for now. `jitter` is uniform in `[0, 1)`.
    #[must_use]
    pub fn after_refusal(&self, progress: Progress, hint: Option<Duration>, jitter: f64) -> NextTry {
        if progress.tries >= self.tries_max {
            return NextTry::GiveUp;
        }
        let step = usize::from(progress.tries.saturating_sub(1)).min(self.delays.len().saturating_sub(1));
        let base = self.delays.get(step).copied().unwrap_or(self.lane_delay);
        let own = self.spread(base, jitter);
        let wait = own.max(hint.unwrap_or_default().min(self.hint_max));
        let elapsed = (progress.now - progress.first_due_at).to_std().unwrap_or_default();
        if elapsed + wait > self.give_up_after { NextTry::GiveUp } else { NextTry::After(wait) }
    }

    /// After a refusal that says nothing about the message: never counts, never gives up.
    #[must_use]
    pub fn after_lane_trouble(&self, hint: Option<Duration>, jitter: f64) -> Duration {
        self.spread(self.lane_delay, jitter).max(hint.unwrap_or_default().min(self.hint_max))
    }

    fn spread(&self, base: Duration, jitter: f64) -> Duration {
        base.mul_f64(1.0 + self.jitter * (2.0 * jitter - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn progress(tries: u16, elapsed_secs: i64) -> Progress {
        let first_due_at = DateTime::UNIX_EPOCH;
        Progress { tries, first_due_at, now: first_due_at + chrono::Duration::seconds(elapsed_secs) }
    }

    #[test]
    fn the_default_waits_are_the_published_ones() {
        let schedule = RetrySchedule::default();
        let waits: Vec<u64> = (1..=8)
            .map(|tries| match schedule.after_refusal(progress(tries, 0), None, 0.5) {
                NextTry::After(wait) => wait.as_secs(),
                NextTry::GiveUp => 0,
            })
            .collect();
        assert_eq!(waits, [30, 120, 600, 1_800, 3_600, 10_800, 21_600, 0]);
    }

    #[test]
    fn nothing_is_tried_later_than_a_day_after_its_first_due_time() {
        let schedule = RetrySchedule::default();
        assert_eq!(schedule.after_refusal(progress(2, 86_399), None, 0.5), NextTry::GiveUp);
    }

    proptest! {
        #[test]
        fn a_hint_only_lengthens_and_never_beyond_its_bound(
            tries in 1u16..8, jitter in 0.0f64..1.0, hint_secs in 0u64..1_000_000_000
        ) {
            let schedule = RetrySchedule { give_up_after: Duration::MAX, ..RetrySchedule::default() };
            let hint = Some(Duration::from_secs(hint_secs));
            let NextTry::After(plain) = schedule.after_refusal(progress(tries, 0), None, jitter) else {
                return Err(TestCaseError::fail("gave up"));
            };
            let NextTry::After(hinted) = schedule.after_refusal(progress(tries, 0), hint, jitter) else {
                return Err(TestCaseError::fail("gave up"));
            };
            prop_assert!(hinted >= plain);
            prop_assert!(hinted <= plain.max(schedule.hint_max));
        }

        #[test]
        fn jitter_stays_within_its_share(tries in 1u16..8, jitter in 0.0f64..1.0) {
            let schedule = RetrySchedule::default();
            let base = schedule.delays[usize::from(tries - 1)].as_secs_f64();
            if let NextTry::After(wait) = schedule.after_refusal(progress(tries, 0), None, jitter) {
                prop_assert!((0.8 * base - 0.001..=1.2 * base + 0.001).contains(&wait.as_secs_f64()));
            }
        }
    }
}
