//! Replay: a rejected job handed in again by a person, as it came or corrected.
//!
//! It takes the way of every job, through the operator's entry point: same rules, same key, so that a job that was
//! accepted meanwhile is not accepted twice, and a test stays a test. One replay of a job at a time, and none after it
//! became a request (docs/decisions/036-one-replay-at-a-time.md). A rejected response is replayed as a response. The
//! command line and the API share it.

use uuid::Uuid;

use crate::intake::{
    AcceptOutcome, Acceptor, InboundJob,
    inbound::{EntryPoint, REQUESTS, RESPONSES},
    responses::{ResponseOutcome, conflict_problem},
};
use postrider_domain::{document::Problem, job::JobOrigin};
use postrider_ledger::{LedgerError, audit::Actor, rejected::RejectedJob};

/// The reason for which a job cannot be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReplayable {
    /// It was replayed before, and became this request.
    Done(Uuid),
    NoCompany,
    /// Its body was too large to keep.
    NoBody,
}

/// The result of a replay.
#[derive(Debug, Clone, PartialEq)]
pub enum Replayed {
    Answered(AcceptOutcome),
    /// A response was kept: the requests that it completes; empty: it waits for one.
    ResponseOutcome(Vec<Uuid>),
    /// A response that is still refused.
    Refused(Vec<Problem>),
    /// Another replay of it runs, or has just ended.
    UnderWay,
}

/// The inbound job of a replay. `corrected`: a body instead of the kept one. `company`: the slug, where the routing does
/// not name it.
///
/// # Errors
/// The reason for which it cannot be replayed.
pub fn inbound_job(
    job: &RejectedJob,
    corrected: Option<Vec<u8>>,
    company: Option<String>,
) -> Result<InboundJob, NotReplayable> {
    if let Some(request) = job.row.replayed_as {
        return Err(NotReplayable::Done(request));
    }
    let routing = &job.row.routing;
    let routed = routing.strip_prefix(REQUESTS).or_else(|| routing.strip_prefix(RESPONSES));
    let routed = routed.filter(|slug| !slug.contains('.'));
    let company = company.or_else(|| routed.map(str::to_owned)).or_else(|| job.row.company.clone());
    Ok(InboundJob {
        body: corrected.or_else(|| job.body.clone()).ok_or(NotReplayable::NoBody)?,
        company: Some(company.ok_or(NotReplayable::NoCompany)?),
        routing: job.row.routing.clone(),
        entry_point: EntryPoint::Operator { test: job.row.test },
        key: job.message_key.clone(),
        origin: JobOrigin::Automatic,
        suspect: None,
    })
}

/// Hands the job in, and records the request that it became.
///
/// # Errors
/// Of the database; a repeat is harmless.
pub async fn replay(
    acceptor: &Acceptor,
    job: &RejectedJob,
    inbound: InboundJob,
    corrected: bool,
    actor: &Actor,
) -> Result<Replayed, LedgerError> {
    let Some(turn) = acceptor.ledger.replay_turn(job.row.id).await? else {
        return Ok(Replayed::UnderWay);
    };
    let snapshot = acceptor.company_cache.snapshot();
    let company = inbound.company.as_ref().and_then(|slug| snapshot.company(slug).map(|company| company.id));
    let inbound = [inbound];
    if is_response(job) {
        let outcomes = acceptor.accept_responses(&inbound).await?;
        return Ok(match outcomes.into_iter().next().expect("one response has one outcome") {
            ResponseOutcome::Kept(kept) => {
                if let Some(company) = company {
                    turn.done(None, corrected, company, actor).await?;
                }
                Replayed::ResponseOutcome(kept.requests)
            }
            ResponseOutcome::Conflict(_) => Replayed::Refused(vec![conflict_problem()]),
            ResponseOutcome::Refused(_, problems) => Replayed::Refused(problems),
        });
    }
    let outcomes = acceptor.accept(&inbound).await?;
    let outcome = outcomes.into_iter().next().expect("one job has one outcome");
    if let (AcceptOutcome::Accepted { id, .. } | AcceptOutcome::Duplicate { id, .. }, Some(company)) =
        (&outcome, company)
    {
        turn.done(Some(*id), corrected, company, actor).await?;
    }
    Ok(Replayed::Answered(outcome))
}

/// Whether the rejected body is a customer's response: both arrive by the same exchange.
#[must_use]
pub fn is_response(job: &RejectedJob) -> bool {
    job.row.routing.starts_with(RESPONSES)
}
