//! A job as it arrives, whatever the door, and the answer that it gets.
//!
//! `accept` turns the one into the other; doors (AMQP, the command line, recipes) make arrivals and nothing else.

use uuid::Uuid;

use postrider_domain::{document::Problem, job::JobOrigin, lifecycle::State, rules::Decision};

/// Prefix of the routing keys of jobs; the company's slug follows.
pub const REQUESTS: &str = "requests.";
/// Prefix of the routing keys of responses; the company's slug follows.
pub const RESPONSES: &str = "responses.";

/// A job at the door, unparsed.
#[derive(Debug, Clone)]
pub struct InboundJob {
    pub body: Vec<u8>,
    /// The company's slug as the door knows it; `None`: it could not be read from the routing.
    pub company: Option<String>,
    /// Routing key or path, for the record of a rejection.
    pub routing: String,
    pub entry_point: EntryPoint,
    /// AMQP `message_id` or the `Idempotency-Key` header; the job's own key goes before it.
    pub key: Option<String>,
    pub origin: JobOrigin,
    /// Under what it was written down, where it is tried alone; its acceptance takes that back.
    pub suspect: Option<Uuid>,
}

/// Who speaks, and through what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryPoint {
    /// The broker's validated user, where the delivery has one.
    Amqp { user: Option<String> },
    /// A call with a key, which names the company; a test key makes tests, a manager's may override.
    Http { test: bool, manager: bool },
    /// A person who hands a refused job in again, for any company; a test stays a test.
    Operator { test: bool },
    /// A company's own recipe, of a notice whose signature was verified.
    Connector { test: bool },
}

impl EntryPoint {
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
    pub fn code(&self) -> i16 {
        match self {
            EntryPoint::Amqp { .. } => 0,
            EntryPoint::Http { .. } => 1,
            EntryPoint::Operator { .. } => 2,
            EntryPoint::Connector { .. } => 3,
        }
    }

    /// Whoever stands there may pass over the suppression period, with a reason.
    #[must_use]
    pub fn may_override(&self) -> bool {
        match self {
            EntryPoint::Amqp { .. } | EntryPoint::Connector { .. } => false,
            EntryPoint::Http { manager, .. } => *manager,
            EntryPoint::Operator { .. } => true,
        }
    }

    /// Whoever stands there hears what was decided; a broker takes no such answer.
    #[must_use]
    pub fn wants_decision(&self) -> bool {
        matches!(self, EntryPoint::Http { .. })
    }
}

/// What is told of a decision: now, or when it was made the first time.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionSummary {
    /// Why it is held, or has ended.
    pub reason: Option<String>,
    pub decision: Decision,
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum AcceptOutcome {
    /// A new request, waiting or suppressed.
    Accepted { id: Uuid, state: State, summary: Option<Box<DecisionSummary>> },
    /// The same job came before: the first answer again, and how it stands by now.
    Duplicate { id: Uuid, state: State, summary: Option<Box<DecisionSummary>> },
    /// Refused, and kept with its problems.
    Rejected { id: Uuid, problems: Vec<Problem> },
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_ledger::alerts::ALERT_SOURCE;

    /// What is stored as an alert is left out of lists and counts, and its details are a letter.
    #[test]
    fn no_door_stores_what_comes_through_it_as_an_alert() {
        let doors = [
            EntryPoint::Amqp { user: None },
            EntryPoint::Http { test: false, manager: false },
            EntryPoint::Operator { test: false },
            EntryPoint::Connector { test: false },
        ];
        let mut codes: Vec<i16> = doors.iter().map(EntryPoint::code).chain([ALERT_SOURCE]).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), doors.len() + 1, "each has a number of its own");
    }
}
