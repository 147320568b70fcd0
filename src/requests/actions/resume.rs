//! Resume: a paused request goes on, if the rules still let it.
//!
//! The rules are asked again with today's policy and facts, of the message as it was planned: its own
//! medium, its own address. What they keep back now ends as suppressed; what they would reject (a brand
//! that is gone, a team member no longer approved) stays paused, because the company's file can be mended.
//! A begun attempt is no business of the rules: there only the pause is lifted. Who resumed it is on record,
//! also where the rules then ended it.

use std::sync::Arc;

use anyhow::Context;
use uuid::Uuid;

use crate::company_cache::CompanyCache;
use postrider_domain::{
    company::Company,
    document::Problem,
    hash_keys::SecretKeys,
    job::{Job, JobOrigin},
    lifecycle::{
        Reason, Signal, State,
        fence::{expired_end, suppressed_end},
        transition,
    },
    rules::{self, Case, Decision, Facts, Requester, Verdict, suppression},
};
use postrider_ledger::{
    Ledger,
    conclude::Conclusion,
    gather::{Lookup, LookupHits},
    requests::{ActionKind, By, RequestDetail},
};

use crate::intake::{decide, lookup_keys};

/// Somebody else moved the message each time: more often than any person does.
const TRIES_MAX: usize = 5;

/// What became of the wish to resume.
#[derive(Debug, Clone, PartialEq)]
pub enum Resumed {
    /// It goes on from this state.
    Going(State),
    /// It ended instead, for this reason.
    Ended(State, Reason),
    /// It stays paused: as things are, its job would be rejected.
    Refused(Vec<Problem>),
    /// It is not paused, or over.
    NotPaused(State),
    /// There is no such request.
    Unknown,
}

/// Resumes a paused request.
pub async fn resume(
    ledger: &Ledger,
    company_cache: &CompanyCache,
    keys: &SecretKeys,
    id: Uuid,
    by: By<'_>,
) -> anyhow::Result<Resumed> {
    for _ in 0..TRIES_MAX {
        let Some(detail) = ledger.open_request(id).await? else { return Ok(Resumed::Unknown) };
        let message = detail.message;
        if detail.paused_at.is_none() || detail.state.status() != State::Waiting.status() {
            return Ok(Resumed::NotPaused(detail.state));
        }
        match hindrance(ledger, company_cache, keys, &detail).await? {
            Ok(None) => {
                if let Some(state) = ledger.resume(message, by).await? {
                    return Ok(Resumed::Going(state));
                }
            }
            Ok(Some((signal, reason))) => {
                let next = transition(detail.state, signal);
                let end = Conclusion { message, epoch: detail.epoch, expected: detail.state, next, reason };
                if ledger.conclude_by(end, ActionKind::Resumed, by).await? {
                    return Ok(Resumed::Ended(next, reason));
                }
            }
            Err(problems) => return Ok(Resumed::Refused(problems)),
        }
    }
    anyhow::bail!("request {id} kept moving meanwhile; try again")
}

/// What the rules say of a request today, and what it would reserve.
#[derive(Debug)]
pub struct Again {
    pub decision: Decision,
    /// In key order.
    pub slots: Vec<Uuid>,
    /// Suppression period in seconds; `None`: takes over from any holder.
    pub window_secs: Option<i32>,
}

/// What the rules say of a request today, as if its job came now.
pub async fn ask_again(
    ledger: &Ledger,
    company_cache: &CompanyCache,
    keys: &SecretKeys,
    detail: &RequestDetail,
) -> anyhow::Result<Result<Again, Vec<Problem>>> {
    let snapshot = company_cache.snapshot();
    let company: &Arc<Company> = snapshot
        .company_by_id(detail.company)
        .with_context(|| format!("company {} is not known", detail.slug))?;
    let job = planned(detail);
    // The switch for automatic requests may be off by now: that is about jobs to come, not about this one.
    let placed =
        [JobOrigin::Automatic, JobOrigin::Manual].map(|source| rules::place(&job, &company.policy, source));
    let placed = match placed {
        [Ok(placed), _] | [Err(_), Ok(placed)] => placed,
        [Err(problems), Err(_)] => return Ok(Err(problems)),
    };
    // A random key meets no twin.
    let lookup = lookup_keys::lookup(&keys.identity, company, &job, &placed, postrider_clock::random_id());
    let requester = requester(ledger, keys, &job, company, &lookup).await?;
    let gathered = ledger.gather(std::slice::from_ref(&lookup)).await?;
    let stands_out = gathered.hits.first().cloned().map(|stands_out| LookupHits {
        // What it reserved itself does not stand in its way.
        holders: stands_out.holders.iter().copied().filter(|(holder, _)| *holder != detail.id).collect(),
        ..stands_out
    });
    let facts = Facts {
        recovery: detail.original_request.is_some(),
        test: detail.test,
        requester,
        ..decide::facts(&job.employee, stands_out.as_ref(), gathered.now)
    };
    let case = Case { job: &job, company, placed: &placed, facts: &facts };
    let window_secs = decide::window_secs(&case);
    Ok(rules::decide(&case).map(|decision| Again {
        decision,
        slots: if suppression::reserves(&case) { lookup.reservation_keys } else { Vec::new() },
        window_secs,
    }))
}

/// The team member who asked by hand, where that person is one: what they may do depends on it, as it did
/// when they asked.
async fn requester(
    ledger: &Ledger,
    keys: &SecretKeys,
    job: &Job,
    company: &Company,
    lookup: &Lookup,
) -> anyhow::Result<Option<Requester>> {
    let Some(manual) = &job.manual else { return Ok(None) };
    let key = keys.identity.member_email_hash(company.id, &manual.requested_by);
    let listed = ledger.members_by_email(&[key]).await?;
    Ok(listed.first().map(|member| lookup_keys::requester(member, lookup)))
}

/// The rules' word alone.
pub async fn decide_again(
    ledger: &Ledger,
    company_cache: &CompanyCache,
    keys: &SecretKeys,
    detail: &RequestDetail,
) -> anyhow::Result<Result<Decision, Vec<Problem>>> {
    let again = ask_again(ledger, company_cache, keys, detail).await?;
    Ok(again.map(|again| again.decision))
}

/// Why a paused message may not go on: a signal that ends it, or the problems of its job.
async fn hindrance(
    ledger: &Ledger,
    company_cache: &CompanyCache,
    keys: &SecretKeys,
    detail: &RequestDetail,
) -> anyhow::Result<Result<Option<(Signal, Reason)>, Vec<Problem>>> {
    if detail.state != State::Waiting {
        return Ok(Ok(None));
    }
    if detail.expires_at <= detail.now {
        return Ok(Ok(Some(expired_end(detail.attempt, detail.may_have_been_sent))));
    }
    let decision = decide_again(ledger, company_cache, keys, detail).await?;
    Ok(decision.map(|decision| match decision.verdict {
        Verdict::Send => None,
        // The word of the fence: it asked for the person first, waited, and lost it to another request.
        Verdict::Suppress(Reason::SuppressionPeriod) if !detail.reservation_keys.is_empty() => {
            Some(suppressed_end(detail.may_have_been_sent, Reason::Overtaken))
        }
        Verdict::Suppress(reason) => Some(suppressed_end(detail.may_have_been_sent, reason)),
    }))
}

/// The job as it was planned: its medium is chosen, its delay is over.
fn planned(detail: &RequestDetail) -> Job {
    Job { medium: detail.medium.or(detail.job.medium), delay_secs: Some(0), ..detail.job.clone() }
}
