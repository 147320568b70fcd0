//! A line now and then while a long measurement runs, so that it is not taken for dead.
//!
//! Short runs print nothing.

use std::time::{Duration, Instant};

const SHOW_EVERY: Duration = Duration::from_secs(15);
/// Smaller runs are over before anybody asks.
const LONG: usize = 100_000;

pub struct Progress {
    of: usize,
    shown: Instant,
}

impl Progress {
    pub fn of(of: usize) -> Progress {
        Progress { of, shown: postrider_clock::monotonic() }
    }

    pub fn show(&mut self, done: usize) {
        if self.of >= LONG && postrider_clock::monotonic() - self.shown > SHOW_EVERY {
            self.shown = postrider_clock::monotonic();
            println!("      {done} of {}", self.of);
        }
    }
}
