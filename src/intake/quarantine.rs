//! The problem of a job that makes Postrider panic: it is kept as a rejected job with the code `quarantined`.
//!
//! A panic, unlike an abort, is caught and attributed to its job at once. Aborts: `poison::suspect_jobs`.

use postrider_domain::document::Problem;

/// The problem of a job after a panic in its handling.
#[must_use]
pub fn panic_problem() -> Problem {
    let message = "handling it made Postrider panic, which is no mistake of its producer's; find the cause in \
        the worker's log, then hand the job in again by `postrider rejected replay`";
    Problem::new("", "quarantined", message)
}
