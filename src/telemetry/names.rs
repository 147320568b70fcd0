//! Every metric: its kind, name and meaning in `TABLE`, from which `/metrics` and docs/metrics.md describe it.
//!
//! Labels are bounded: reasons, outcomes, media, account ids, never a customer. A new metric needs a constant and a
//! row of the table; a test compares the table with the page.

/// Kind, name and meaning of each metric, in the order of the page.
pub const TABLE: &[(Kind, &str, &str)] = &[
    (Kind::Counter, ACCEPTED, "Requests accepted, by verdict (send, suppress)"),
    (Kind::Counter, SUPPRESSED, "Requests suppressed, by reason"),
    (Kind::Counter, REJECTED, "Jobs rejected, by the first problem's code"),
    (Kind::Counter, DUPLICATES, "Jobs recognised as duplicates of an accepted job"),
    (Kind::Counter, ATTEMPTS, "Attempts settled, by lane and outcome"),
    (Kind::Counter, RECEIPTS, "Receipts stored for the first time, by kind"),
    (Kind::Counter, RECEIPTS_REFUSED, "Webhooks refused, by provider and cause"),
    (Kind::Counter, NOTICES, "Connector notifications finished, by recipe id and outcome"),
    (Kind::Histogram, SECONDS_TO_SENT, "Seconds from the due time to the provider's acceptance"),
    (Kind::Gauge, OLDEST_DUE, "Age of the oldest due message by lane, in seconds"),
    (Kind::Gauge, IN_FLIGHT, "Provider calls in flight, by lane"),
    (Kind::Gauge, BREAKER, "Circuit breaker by lane: 0 closed, 1 half open, 2 open"),
    (Kind::Gauge, LANE_MISCONFIGURED, "1 while a credential of the lane is missing"),
    (Kind::Gauge, BROKER, "1 while this worker consumes jobs from the broker"),
    (Kind::Counter, BROKER_GENERATIONS, "AMQP consumer sessions started"),
    (Kind::Gauge, UNACKED, "Deliveries received and not yet acknowledged"),
    (Kind::Gauge, POOL, "Database connections by pool and state"),
    (
        Kind::Counter,
        SWEPT,
        "Messages recovered from expired leases, by whether a call may have been made (unsent, unknown)",
    ),
    (Kind::Counter, CONCLUDED, "Messages ended without an attempt by this worker, by reason"),
    (
        Kind::Counter,
        UNKNOWNS_SETTLED,
        "Unknown attempts settled, by source of the proof (answer, receipt, look_up, resend, window, late_receipt)",
    ),
    (
        Kind::Counter,
        LOOK_UPS,
        "Attempts looked up at their provider, by lane and result (found, absent, unclear)",
    ),
    (Kind::Counter, RECEIPTS_MISSED, "Final receipts that did not arrive and were found by a look-up"),
    (
        Kind::Counter,
        QUARANTINED,
        "Jobs and messages quarantined because their handling ended worker processes, by kind",
    ),
    (Kind::Counter, ALERTS, "Digests of rejected jobs queued for companies"),
    (
        Kind::Counter,
        postrider_ledger::RETRIES_METRIC,
        "SQL statements repeated after a serialization failure, a deadlock or a concurrent insert",
    ),
    (Kind::Counter, PANICS, "Panics caught, by place"),
    (Kind::Counter, LOG_DROPPED, "Log lines dropped because standard error was not read"),
];

pub const ACCEPTED: &str = "postrider_requests_accepted_total";
pub const SUPPRESSED: &str = "postrider_requests_suppressed_total";
pub const REJECTED: &str = "postrider_jobs_rejected_total";
pub const DUPLICATES: &str = "postrider_jobs_duplicate_total";
pub const ATTEMPTS: &str = "postrider_attempts_total";
pub const RECEIPTS: &str = "postrider_receipts_total";
pub const RECEIPTS_REFUSED: &str = "postrider_receipts_refused_total";
pub const NOTICES: &str = "postrider_notices_total";
pub const SECONDS_TO_SENT: &str = "postrider_due_to_sent_seconds";
pub const OLDEST_DUE: &str = "postrider_oldest_due_age_seconds";
pub const IN_FLIGHT: &str = "postrider_calls_in_flight";
pub const BREAKER: &str = "postrider_breaker_state";
pub const LANE_MISCONFIGURED: &str = "postrider_lane_misconfigured";
pub const BROKER: &str = "postrider_broker_consuming";
pub const BROKER_GENERATIONS: &str = "postrider_broker_generations_total";
pub const UNACKED: &str = "postrider_deliveries_unacknowledged";
pub const POOL: &str = "postrider_pool_connections";
pub const SWEPT: &str = "postrider_leases_swept_total";
pub const CONCLUDED: &str = "postrider_messages_concluded_total";
pub const UNKNOWNS_SETTLED: &str = "postrider_unknowns_settled_total";
pub const LOOK_UPS: &str = "postrider_look_ups_total";
pub const RECEIPTS_MISSED: &str = "postrider_receipts_missed_total";
pub const QUARANTINED: &str = "postrider_quarantined_total";
pub const ALERTS: &str = "postrider_alerts_total";
pub const PANICS: &str = "postrider_panics_caught_total";
pub const LOG_DROPPED: &str = "postrider_log_lines_dropped_total";

/// Kind of a metric, as Prometheus distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Registers the meaning of every metric with the global recorder; `/metrics` prints it as `# HELP`.
pub fn describe() {
    for (kind, name, meaning) in TABLE {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *meaning),
            Kind::Gauge => metrics::describe_gauge!(*name, *meaning),
            Kind::Histogram => metrics::describe_histogram!(*name, *meaning),
        }
    }
}
