//! The answer to a submitted job: the request with its decision, or the problems of the job.
//!
//! A repeated job gets the first answer again: the same id and decision, with the current status of the request.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    api::{Problem, problem::FieldProblem},
    intake::{AcceptOutcome, DecisionSummary},
};
use postrider_domain::{
    document,
    lifecycle::Status,
    rules::{self, Verdict},
};

/// An accepted request.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedRequest {
    /// Id of the request, for all other calls.
    pub id: Uuid,
    #[schema(value_type = String, example = "queued")]
    pub status: Status,
    /// The reason of a hold or of an end; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The key is a test key: the request reaches no customer.
    pub test: bool,
    /// The job repeats an earlier one; this is the first answer again.
    pub duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
}

/// The decision of the rules.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Decision)]
pub struct DecisionView {
    /// `send` or `suppress`.
    pub verdict: &'static str,
    /// The reason of a suppression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Time at which the request is to be sent.
    pub due_at: DateTime<Utc>,
    /// Time after which the request is not sent any more.
    pub expires_at: DateTime<Utc>,
    /// For a suppressed request: the time at which every rule could pass; absent if a rule never passes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub could_pass_at: Option<DateTime<Utc>>,
    /// Version of the company's settings that the decision used.
    pub policy_version: i32,
    pub decided_at: DateTime<Utc>,
    /// The result of each rule, in order.
    pub rules: Vec<RuleResult>,
}

/// The result of one rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleResult {
    pub rule: String,
    pub passes: bool,
    /// The reason for which the rule suppresses the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The facts that the rule used.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Time at which the rule could pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passes_at: Option<DateTime<Utc>>,
}

impl From<&rules::Decision> for DecisionView {
    fn from(decision: &rules::Decision) -> DecisionView {
        let stops = matches!(decision.verdict, Verdict::Suppress(_));
        DecisionView {
            verdict: if stops { "suppress" } else { "send" },
            reason: decision.reason().map(|reason| reason.as_str()),
            due_at: decision.due_at,
            expires_at: decision.expires_at,
            could_pass_at: decision.could_pass_at().filter(|_| stops),
            policy_version: decision.policy_version,
            decided_at: decision.decided_at,
            rules: decision
                .trail
                .iter()
                .map(|finding| RuleResult {
                    rule: finding.rule.clone(),
                    passes: finding.stops.is_none(),
                    reason: finding.stops.map(|reason| reason.as_str()),
                    note: finding.note.clone(),
                    passes_at: finding.passes_at,
                })
                .collect(),
        }
    }
}

/// The accepted request of an outcome.
///
/// # Errors
/// The problem of a rejected job.
pub(super) fn answer(outcome: AcceptOutcome, test: bool) -> Result<AcceptedRequest, Problem> {
    let accepted = |id, status, summary: Option<Box<DecisionSummary>>, duplicate| {
        let decision = summary.as_ref().map(|summary| DecisionView::from(&summary.decision));
        AcceptedRequest {
            id,
            status,
            reason: summary.and_then(|summary| summary.reason),
            test,
            duplicate,
            decision,
        }
    };
    match outcome {
        AcceptOutcome::Accepted { id, state, summary } => Ok(accepted(id, state.status(), summary, false)),
        AcceptOutcome::Duplicate { id, state, summary } => Ok(accepted(id, state.status(), summary, true)),
        AcceptOutcome::Rejected { problems, .. } => Err(refusal(problems)),
    }
}

/// The problem of a rejected job: 400 for a body that is not JSON, 409 for a used idempotency key, else 422.
pub(in crate::api) fn refusal(problems: Vec<document::Problem>) -> Problem {
    let code = problems.first().map_or("", |problem| problem.code.as_str());
    let plain = match code {
        "not_json" => Problem::new(StatusCode::BAD_REQUEST, "not_json", "the body is not JSON; send one job"),
        "conflict" => {
            Problem::conflict("a different job with this idempotency key was accepted before; use a new key")
        }
        _ => return Problem::unprocessable(problems),
    };
    Problem { problems: problems.into_iter().map(FieldProblem::from).collect(), ..plain }
}
