//! Why a request stands as it does: what each rule found, what happened since, and when it could pass.
//!
//! The findings are the stored decision's, made when the request was accepted; they are never guessed
//! anew. What happened since is the message's. Only of a request that lost its person to another one are
//! the rules asked again, for the next time. The words for reasons are in `reasons`.

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{company_cache::CompanyCache, requests::actions::resume};
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

/// The account of one request.
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
    /// What happened after the decision, in words.
    pub since: Option<String>,
    pub next: NextStep,
}

/// One rule's finding.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WhyRule)]
pub struct RuleFinding {
    pub rule: String,
    /// `pass` or `stop`.
    pub finding: &'static str,
    #[schema(value_type = Option<String>)]
    pub reason: Option<Reason>,
    pub note: String,
    pub could_pass_at: Option<DateTime<Utc>>,
}

/// The account of a request; the rules are asked again where their word now tells the next time.
pub async fn explain(
    ledger: &Ledger,
    rules: Option<(&CompanyCache, &SecretKeys)>,
    detail: &RequestDetail,
) -> anyhow::Result<Explanation> {
    let decision: Decision = serde_json::from_str(&detail.decision).context("read the stored decision")?;
    let again = match (later_suppression(detail, &decision), rules) {
        (Some(Reason::SuppressionPeriod | Reason::Overtaken), Some((company_cache, keys))) => {
            resume::decide_again(ledger, company_cache, keys, detail).await.ok().and_then(Result::ok)
        }
        _ => None,
    };
    Ok(explanation(detail, decision, again))
}

/// What happened is told by `detail`; `again` is the rules' word now, where they were asked.
#[must_use]
pub fn explanation(detail: &RequestDetail, decision: Decision, again: Option<Decision>) -> Explanation {
    Explanation {
        request_id: detail.id,
        company: detail.slug.clone(),
        status: detail.state.status(),
        detail: detail.state.detail(),
        paused: StatusText::of(detail).is_paused(),
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
