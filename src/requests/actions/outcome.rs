//! The outcome of an action, for programs and for people.
//!
//! Each action makes its own; the API and the command line show it.

use postrider_domain::{document::Problem, ids::MessageId, lifecycle::State};
use postrider_ledger::requests::RequestDetail;

use crate::requests::views::format_time::time;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionStatus {
    Done,
    /// It was done before.
    Already,
    /// It is not possible, or no longer.
    Refused,
    /// There is no such request.
    Unknown,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ActionOutcome {
    pub status: ActionStatus,
    /// One word for programs.
    pub result: &'static str,
    /// A sentence for people.
    pub detail: String,
    /// Of a retry: the new message, or the earlier retry.
    pub message: Option<MessageId>,
    /// The problems for which its job would be rejected today.
    pub problems: Vec<Problem>,
}

impl ActionOutcome {
    pub(super) fn new(
        status: ActionStatus,
        result: &'static str,
        detail: impl Into<String>,
    ) -> ActionOutcome {
        ActionOutcome { status, result, detail: detail.into(), message: None, problems: Vec::new() }
    }

    pub(super) fn done(result: &'static str, detail: impl Into<String>) -> ActionOutcome {
        ActionOutcome::new(ActionStatus::Done, result, detail)
    }

    pub(super) fn already(result: &'static str, detail: impl Into<String>) -> ActionOutcome {
        ActionOutcome::new(ActionStatus::Already, result, detail)
    }

    pub(super) fn refused(result: &'static str, detail: impl Into<String>) -> ActionOutcome {
        ActionOutcome::new(ActionStatus::Refused, result, detail)
    }

    pub(super) fn unknown() -> ActionOutcome {
        ActionOutcome::new(ActionStatus::Unknown, "unknown", "there is no such request")
    }
}

/// The messages of problems, in one line.
pub(super) fn join_messages(problems: &[Problem]) -> String {
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    messages.join("; ")
}

pub(super) fn status_word(state: State) -> &'static str {
    state.status().as_str()
}

/// The end of a request, or that the provider has it, with its time.
pub(super) fn describe_end(detail: &RequestDetail) -> String {
    let at = detail.delivered_at.or(detail.ended_at).or(detail.begun_at);
    let when = at.map(|at| format!(" at {}", time(at))).unwrap_or_default();
    match &detail.reason {
        Some(reason) => format!("{}{when}, {reason}", status_word(detail.state)),
        None => format!("{}{when}", status_word(detail.state)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::requests::views::fixtures::{at, detail};

    /// A request that was begun at second 5 and ended at second 9.
    pub fn ended(state: State, reason: &str) -> RequestDetail {
        RequestDetail {
            state,
            reason: Some(reason.to_owned()),
            ended_at: Some(at(9)),
            begun_at: Some(at(5)),
            ..detail()
        }
    }
}
