//! Percentiles of a run's delays, and whether the row kept up with the rate.
//!
//! No I/O. A row with a growing backlog has no latency to speak of: its percentiles only say how long the run
//! was. So that is decided first.

use serde::{Deserialize, Serialize};

/// More than a second's jobs behind at the end, and a half more than in the middle: it falls behind.
const BEHIND_MAX_SECS: f64 = 1.0;
const GROWTH_MAX: f64 = 1.5;

/// One run; times in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delays {
    pub jobs: usize,
    /// Jobs that the provider had not got when the last job was due: of a row that keeps up, those in flight.
    pub behind: usize,
    /// Jobs that it had not got long after.
    pub missing: usize,
    /// None of a row that did not keep up.
    pub to_provider: Option<Percentiles>,
    /// From the same instants to the broker's confirm; part of the above.
    pub to_confirm: Percentiles,
    /// How late the publisher itself was.
    pub publisher_late: Percentiles,
}

impl Delays {
    /// In a line.
    pub fn shown(&self) -> String {
        let late = self.publisher_late.max;
        match &self.to_provider {
            Some(Percentiles { p50, p99, p999, max }) => format!(
                "p50 {p50:.2} ms  p99 {p99:.2} ms  p99.9 {p999:.2} ms  max {max:.2} ms  publisher late by {late:.2} ms at most"
            ),
            None => format!(
                "did not keep up: {} of {} behind at the end, {} missing",
                self.behind, self.jobs, self.missing
            ),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Percentiles {
    /// Of seconds; `None` of nothing. Each is a value that was measured, the least that so many do not exceed.
    pub fn of(mut seconds: Vec<f64>) -> Option<Percentiles> {
        seconds.sort_unstable_by(f64::total_cmp);
        let at = |share| nearest(&seconds, share).map(|seconds| seconds * 1e3);
        Some(Percentiles { p50: at(0.5)?, p99: at(0.99)?, p999: at(0.999)?, max: at(1.0)? })
    }
}

/// Of values in ascending order the least that this share of them does not exceed; `None` of nothing.
pub fn nearest(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// How many were to be published before this time but not taken by then. `taken`: each job's delay, none
/// where it never came; one job every `every` seconds.
fn behind_at(time: f64, taken: &[Option<f64>], every: f64) -> usize {
    let due = taken.iter().enumerate().map(|(n, delay)| (n as f64 * every, delay));
    due.take_while(|(at, _)| *at <= time)
        .filter(|(at, delay)| delay.is_none_or(|delay| at + delay > time))
        .count()
}

/// The jobs that the provider had not got at the end of the schedule, and whether the row kept up.
pub fn kept_up(taken: &[Option<f64>], every: f64) -> (usize, bool) {
    let end = every * taken.len() as f64;
    let (behind, before) = (behind_at(end, taken, every), behind_at(end / 2.0, taken, every));
    let falls_behind = behind as f64 * every > BEHIND_MAX_SECS && behind as f64 > before as f64 * GROWTH_MAX;
    (behind, !falls_behind && taken.iter().all(Option::is_some))
}
