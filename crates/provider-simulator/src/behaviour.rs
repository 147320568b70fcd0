//! Settings of the simulated providers as a whole: latency, fault rates, webhook timing.
//!
//! Rates apply to calls and webhooks of recipients that choose no fault themselves (`recipient_fault`).
//! `fault_injector` draws from these rates.

use std::time::Duration;

/// Latencies and fault rates. Rates are between 0 and 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// Time before a call is handled, drawn uniformly between the two.
    pub latency: (Duration, Duration),
    /// Time before the answer to a call with the fault `slow`.
    pub slow: Duration,
    /// Calls that are answered 500 and not accepted.
    pub error_rate: f64,
    /// Calls that are accepted and never answered.
    pub hang_rate: f64,
    /// Calls that are accepted, yet answered 500. The SMTP relay cuts its reply in the middle instead.
    pub accept_error_rate: f64,
    /// Calls that are accepted, then reset without an answer.
    pub accept_reset_rate: f64,
    /// Calls that are read whole, not accepted, and reset.
    pub reset_rate: f64,
    /// Calls that are refused temporarily: 429, over SMTP 451.
    pub busy_rate: f64,
    /// Calls that are accepted and answered after `slow`.
    pub slow_rate: f64,
    /// Webhooks that are posted twice.
    pub duplicate_webhook_rate: f64,
    /// Time before each webhook, drawn uniformly between the two.
    pub webhook_delay: (Duration, Duration),
    /// Webhooks that are never posted; lookups still show their event.
    pub webhook_loss_rate: f64,
    /// Time before lookups show an acceptance or a status event.
    pub look_up_lag: Duration,
    /// Most messages or events on one page of a lookup, whatever the query asks for.
    pub look_up_page_max: usize,
    /// Messages with webhooks in reverse order.
    pub webhook_reorder_rate: f64,
    /// Webhooks that are posted `webhook_late` after their time.
    pub webhook_late_rate: f64,
    pub webhook_late: Duration,
    /// Most bytes of a call's body that are kept in `Accepted::raw`.
    pub raw_bytes_max: usize,
    /// Seed of the random number generator.
    pub seed: u64,
}

impl Default for Behaviour {
    /// No latency, no faults.
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
