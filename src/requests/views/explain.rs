//! Explains the status of a request: the finding of each rule, the events since, and the time at which it could pass.
//!
//! The findings are those of the stored decision; they are never recomputed. Only for a request that another one
//! overtook are the rules evaluated again, for the time at which a new job could pass. `reasons` has the sentences.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    company_cache::CompanyCache,
    requests::actions::{action::ActionContext, redecide::redecide},
};
use postrider_domain::{
    hash_keys::SecretKeys,
    lifecycle::{Reason, Status},
    rules::{Decision, Finding, Verdict},
};
use postrider_ledger::{Ledger, requests::RequestDetail};

use crate::requests::views::{
    post_decision::{NextStep, after_decision, later_suppression, next_step},
    status_text::StatusText,
};

/// The explanation of one request.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    pub request_id: Uuid,
    pub company: String,
    #[schema(value_type = String)]
    pub status: Status,
    pub detail: Option<&'static str>,
    pub paused: bool,
    pub reason: Option<String>,
    pub verdict: &'static str,
    #[schema(value_type = Option<String>)]
    pub verdict_reason: Option<Reason>,
    pub decided_at: DateTime<Utc>,
    pub policy_version: i32,
    pub due_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub rules: Vec<RuleFinding>,
    /// The events after the decision, as a sentence.
    pub since: Option<String>,
    /// The next step of the request, or the time at which a new job could pass.
    pub next: NextStep,
}

/// The finding of one rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleFinding {
    pub rule: String,
    /// `pass` or `stop`.
    pub finding: &'static str,
    #[schema(value_type = Option<String>)]
    pub reason: Option<Reason>,
    pub note: String,
    pub could_pass_at: Option<DateTime<Utc>>,
}

/// Explains a request. With `rules`, the rules are evaluated again if their result gives the next possible time.
///
/// # Errors
/// The stored decision cannot be parsed.
pub async fn explain(
    ledger: &Ledger,
    rules: Option<(&CompanyCache, &SecretKeys)>,
    detail: &RequestDetail,
) -> Result<Explanation, serde_json::Error> {
    let decision: Decision = serde_json::from_str(&detail.decision)?;
    let again = match (later_suppression(detail, &decision), rules) {
        (Some(Reason::SuppressionPeriod | Reason::Overtaken), Some((company_cache, keys))) => {
            let context = ActionContext { ledger, company_cache, keys };
            let again = redecide(context, detail).await.ok().and_then(Result::ok);
            again.map(|again| again.decision)
        }
        _ => None,
    };
    Ok(explanation(detail, decision, again))
}

/// The explanation of `detail` and its stored decision; `again` is the decision of today, if it was evaluated.
#[must_use]
pub fn explanation(detail: &RequestDetail, decision: Decision, again: Option<Decision>) -> Explanation {
    Explanation {
        request_id: detail.id,
        company: detail.slug.clone(),
        status: detail.state.status(),
        detail: detail.state.detail(),
        paused: StatusText::new(detail).is_paused(),
        reason: detail.reason.clone(),
        verdict: match decision.verdict {
            Verdict::Send => "send",
            Verdict::Suppress(_) => "suppress",
        },
        verdict_reason: decision.reason(),
        since: after_decision(detail, &decision),
        next: next_step(detail, &decision, again.as_ref()),
        decided_at: decision.decided_at,
        policy_version: decision.policy_version,
        due_at: decision.due_at,
        expires_at: decision.expires_at,
        rules: decision.trail.into_iter().map(RuleFinding::from).collect(),
    }
}

impl From<Finding> for RuleFinding {
    fn from(finding: Finding) -> RuleFinding {
        RuleFinding {
            rule: finding.rule,
            finding: if finding.stops.is_some() { "stop" } else { "pass" },
            reason: finding.stops,
            note: finding.note,
            could_pass_at: finding.passes_at,
        }
    }
}
