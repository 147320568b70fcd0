//! Replay: a refused job handed in once more, as it came or corrected, by a person.
//!
//! It takes the same way as a delivery, spoken by an operator: same rules, same key, so that a job that got
//! in meanwhile is not asked twice, and a test stays a test. One replay of a job at a time, and none after
//! it was taken: whoever repeats hears of the request that it became. A customer's response that was
//! refused is handed in as one. The command line and the API share it.

use uuid::Uuid;

use crate::intake::{
    AcceptOutcome, Acceptor, InboundJob,
    inbound::{EntryPoint, REQUESTS, RESPONSES},
    responses::{ResponseOutcome, conflict_problem},
};
use postrider_domain::{document::Problem, job::JobOrigin};
use postrider_ledger::{LedgerError, audit::Actor, rejected::RejectedJob};

/// Why a job cannot be handed in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReplayable {
    /// It was, and became this request.
    Done(Uuid),
    NoCompany,
    /// Its body was too large to keep.
    NoBody,
}

/// What became of a replay.
#[derive(Debug, Clone, PartialEq)]
pub enum Replayed {
    Answered(AcceptOutcome),
    /// A response, which completes these requests, or waits for one.
    ResponseOutcome(Vec<Uuid>),
    /// A response that is still refused.
    Refused(Vec<Problem>),
    /// Another one is under way, or was just done.
    UnderWay,
}

/// The job as its operator hands it in. `company`: whose it is, where its routing does not say so.
///
/// # Errors
/// What is in the way.
pub fn arrival(
    job: &RejectedJob,
    corrected: Option<Vec<u8>>,
    company: Option<String>,
) -> Result<InboundJob, NotReplayable> {
    if let Some(request) = job.row.replayed_as {
        return Err(NotReplayable::Done(request));
    }
    let routing = &job.row.routing;
    let of_key = routing.strip_prefix(REQUESTS).or_else(|| routing.strip_prefix(RESPONSES));
    let of_key = of_key.filter(|slug| !slug.contains('.'));
    let company = company.or_else(|| of_key.map(str::to_owned)).or_else(|| job.row.company.clone());
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

/// Hands the job in, and notes which request it became.
///
/// # Errors
/// The database's; doing it again is harmless.
pub async fn replay(
    acceptor: &Acceptor,
    job: &RejectedJob,
    arrival: InboundJob,
    corrected: bool,
    actor: &Actor,
) -> Result<Replayed, LedgerError> {
    let Some(turn) = acceptor.ledger.replay_turn(job.row.id).await? else {
        return Ok(Replayed::UnderWay);
    };
    let snapshot = acceptor.company_cache.snapshot();
    let company = arrival.company.as_ref().and_then(|slug| snapshot.company(slug).map(|company| company.id));
    if is_response(job) {
        let heard = acceptor
            .accept_responses(&[arrival])
            .await?
            .into_iter()
            .next()
            .expect("a response has its answer");
        return Ok(match heard {
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
    let answers = acceptor.accept(&[arrival]).await?;
    let answer = answers.into_iter().next().expect("an arrival has its answer");
    if let (AcceptOutcome::Accepted { id, .. } | AcceptOutcome::Duplicate { id, .. }, Some(company)) =
        (&answer, company)
    {
        turn.done(Some(*id), corrected, company, actor).await?;
    }
    Ok(Replayed::Answered(answer))
}

/// What was rejected is not always a job: customers' responses come by the same exchange.
#[must_use]
pub fn is_response(job: &RejectedJob) -> bool {
    job.row.routing.starts_with(RESPONSES)
}
