//! The count of unknown attempts by the source of the truth that settled them.
//!
//! A leaf, used by `settle` (a late answer), `reconcile` (a look-up, the end of the window, a resend) and `webhooks` (a
//! receipt).

use crate::telemetry::names;

/// Counts unknown attempts that were settled. `by`: the metric's label.
pub fn count_settled(by: &'static str, count: usize) {
    metrics::counter!(names::UNKNOWNS_SETTLED, "by" => by).increment(count as u64);
}
