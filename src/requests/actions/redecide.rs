//! Redecide: the rules on a stored request, with today's policy and facts, as if its job came now.
//!
//! The message stays as it was planned: its own medium, no delay. The pipeline of intake evaluates it, as it does every
//! job. Nothing is written. Users: `resume`, `retry`, and `views::explain`.

use std::sync::Arc;

use anyhow::Context;
use uuid::Uuid;

use crate::{
    intake::{
        pending::{Pending, Redecided},
        pipeline::{JobVerdict, evaluate},
    },
    requests::actions::action::ActionContext,
};
use postrider_domain::{document::Problem, job::Job, rules::Decision};
use postrider_ledger::requests::RequestDetail;

/// The decision of today, and what it would reserve.
#[derive(Debug)]
pub struct Redecision {
    pub decision: Decision,
    /// In key order.
    pub reservation_keys: Vec<Uuid>,
    /// Suppression period in seconds; `None`: the request takes over from any holder.
    pub window_secs: Option<i32>,
}

/// Decides a stored request again; the inner `Err`: the problems for which its job would be rejected.
///
/// # Errors
/// Of the database; a company that is not known.
pub async fn redecide(
    context: ActionContext<'_>,
    detail: &RequestDetail,
) -> anyhow::Result<Result<Redecision, Vec<Problem>>> {
    let snapshot = context.company_cache.snapshot();
    let company = snapshot
        .company_by_id(detail.company)
        .with_context(|| format!("company {} is not known", detail.slug))?;
    let job = Job { medium: detail.medium.or(detail.job.medium), delay_secs: Some(0), ..detail.job.clone() };
    let redecided = Redecided { request: detail.id, is_recovery: detail.original_request.is_some() };
    let pending = Pending::redecided(Arc::clone(company), job, detail.test, redecided);
    let evaluation = evaluate(context.ledger, &context.keys.identity, vec![pending]).await?;
    let (_, verdict) = evaluation.jobs.into_iter().next().context("one job has one verdict")?;
    match verdict {
        JobVerdict::Decided(request) => Ok(Ok(Redecision {
            decision: request.decision,
            reservation_keys: request.reservation_keys,
            window_secs: request.window_secs,
        })),
        JobVerdict::Rejected(problems) => Ok(Err(problems)),
        JobVerdict::SameKey(_) | JobVerdict::NextRound => {
            anyhow::bail!("a lone job with a fresh key has neither a duplicate nor a competitor")
        }
    }
}
