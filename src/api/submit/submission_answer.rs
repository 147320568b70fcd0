//! What is told about a job that was handed in: the request and its decision, or its problems.
//!
//! A repeat gets the first answer again: the same id and decision, and how the request stands by now.

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

/// A request that was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedRequest {
    /// Of the request; every other call names it so.
    pub id: Uuid,
    #[schema(value_type = String, example = "queued")]
    pub status: Status,
    /// Why it is held, or has ended; absent where nothing is in its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Made with a test key: it reaches no customer.
    pub test: bool,
    /// The same job came before; this is its first answer again.
    pub duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
}

/// What the rules said.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionView {
    /// `send` or `suppress`.
    pub verdict: &'static str,
    /// The reason to suppress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// When it is to be sent.
    pub due_at: DateTime<Utc>,
    /// Not sent by then, it is not sent at all.
    pub expires_at: DateTime<Utc>,
    /// Of a suppressed one: when every rule could pass; absent where one never will by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub could_pass_at: Option<DateTime<Utc>>,
    /// The version of the company's settings by which it was decided.
    pub policy_version: i32,
    pub decided_at: DateTime<Utc>,
    /// Each rule's word, in order.
    pub rules: Vec<RuleResult>,
}

/// One rule's word.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleResult {
    pub rule: String,
    pub passes: bool,
    /// The reason for which it keeps the request back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// What it went by.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// When it could pass next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passes_at: Option<DateTime<Utc>>,
}

impl DecisionView {
    #[must_use]
    pub fn of(decision: &rules::Decision) -> DecisionView {
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

/// The request, or what is wrong with the job.
pub(super) fn answer(answer: AcceptOutcome, test: bool) -> Result<AcceptedRequest, Problem> {
    let accepted = |id, status, told: Option<Box<DecisionSummary>>, duplicate| {
        let decision = told.as_ref().map(|told| DecisionView::of(&told.decision));
        AcceptedRequest { id, status, reason: told.and_then(|told| told.reason), test, duplicate, decision }
    };
    match answer {
        AcceptOutcome::Accepted { id, state, summary: told } => Ok(accepted(id, state.status(), told, false)),
        AcceptOutcome::Duplicate { id, state, summary: told } => Ok(accepted(id, state.status(), told, true)),
        AcceptOutcome::Rejected { problems, .. } => Err(refusal(problems)),
    }
}

/// 400 for what is no JSON, 409 for a key that is taken, 422 for everything else.
pub(in crate::api) fn refusal(problems: Vec<document::Problem>) -> Problem {
    let code = problems.first().map_or("", |problem| problem.code.as_str());
    let plain = match code {
        "not_json" => Problem::new(StatusCode::BAD_REQUEST, "not_json", "the body is not JSON; send one job"),
        "conflict" => Problem::conflict("another job with this idempotency key was accepted before"),
        _ => return Problem::unprocessable(problems),
    };
    Problem { problems: problems.into_iter().map(FieldProblem::from).collect(), ..plain }
}
