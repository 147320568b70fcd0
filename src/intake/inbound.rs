//! An inbound job, whatever its entry point, and the outcome that it gets.
//!
//! `accept` turns the one into the other. Entry points (`amqp`, `api`, `connectors`, the command line) make inbound jobs
//! and interpret nothing.

use uuid::Uuid;

use postrider_domain::{document::Problem, job::JobOrigin, lifecycle::State, rules::Decision};

/// Prefix of the routing keys of jobs; the company's slug follows.
pub const REQUESTS: &str = "requests.";
/// Prefix of the routing keys of responses; the company's slug follows.
pub const RESPONSES: &str = "responses.";

/// A job as it arrived, unparsed.
#[derive(Debug, Clone)]
pub struct InboundJob {
    /// JSON, 64 KiB at most.
    pub body: Vec<u8>,
    /// The company's slug; `None`: the routing does not name one.
    pub company: Option<String>,
    /// Routing key or path, for the record of a rejection.
    pub routing: String,
    pub entry_point: EntryPoint,
    /// AMQP `message_id` or the `Idempotency-Key` header; a key in the job precedes it.
    pub key: Option<String>,
    pub origin: JobOrigin,
    /// Key of the trial record of a poison suspect; its acceptance removes the record.
    pub suspect: Option<Uuid>,
}

/// The way by which a job arrived, with what is known of its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryPoint {
    /// The user that the broker validated, where the delivery has one.
    Amqp { user: Option<String> },
    /// A call with a key of the company; a test key makes tests, a manager's key may override.
    Http { test: bool, manager: bool },
    /// A person that replays a rejected job of any company; a test stays a test.
    Operator { test: bool },
    /// A connector of the company, from a notification with a verified signature.
    Connector { test: bool },
}

impl EntryPoint {
    /// The stored word of a rejection's source.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            EntryPoint::Amqp { .. } => "amqp",
            EntryPoint::Http { .. } => "http",
            EntryPoint::Operator { .. } => "operator",
            EntryPoint::Connector { .. } => "recipe",
        }
    }

    /// The stored number of a request's source.
    #[must_use]
    pub fn stored_code(&self) -> i16 {
        match self {
            EntryPoint::Amqp { .. } => 0,
            EntryPoint::Http { .. } => 1,
            EntryPoint::Operator { .. } => 2,
            EntryPoint::Connector { .. } => 3,
        }
    }

    /// Whether its jobs may override the suppression period, with a reason.
    #[must_use]
    pub fn may_override(&self) -> bool {
        match self {
            EntryPoint::Amqp { .. } | EntryPoint::Connector { .. } => false,
            EntryPoint::Http { manager, .. } => *manager,
            EntryPoint::Operator { .. } => true,
        }
    }

    /// Whether its answer carries the decision.
    #[must_use]
    pub fn wants_decision(&self) -> bool {
        matches!(self, EntryPoint::Http { .. })
    }

    #[must_use]
    pub fn is_operator(&self) -> bool {
        matches!(self, EntryPoint::Operator { .. })
    }
}

/// A decision as an answer shows it: the one of now, or the one of the first time.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionSummary {
    /// The reason for which the request is held, or has ended.
    pub reason: Option<String>,
    pub decision: Decision,
}

/// The result of one job.
#[derive(Debug, Clone, PartialEq)]
pub enum AcceptOutcome {
    /// A new request, waiting or suppressed.
    Accepted { id: Uuid, state: State, summary: Option<Box<DecisionSummary>> },
    /// The same job came before; `state` is the request's of now.
    Duplicate { id: Uuid, state: State, summary: Option<Box<DecisionSummary>> },
    /// Kept with its problems.
    Rejected { id: Uuid, problems: Vec<Problem> },
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_ledger::alerts::ALERT_SOURCE;

    /// Requests with the source of an alert are left out of lists and counts, and their details are a letter.
    #[test]
    fn no_entry_point_stores_its_jobs_as_alerts() {
        let entry_points = [
            EntryPoint::Amqp { user: None },
            EntryPoint::Http { test: false, manager: false },
            EntryPoint::Operator { test: false },
            EntryPoint::Connector { test: false },
        ];
        let mut codes: Vec<i16> =
            entry_points.iter().map(EntryPoint::stored_code).chain([ALERT_SOURCE]).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), entry_points.len() + 1, "each has a number of its own");
    }
}
