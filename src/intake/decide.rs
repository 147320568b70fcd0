//! Decide: from a pending job and its facts to a row to write, or to the problems of a rejection.
//!
//! No I/O: `now` and the facts are arguments. The rules themselves are in `domain::rules`; this file fits a job and the
//! ledger's facts to them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use postrider_domain::{
    document::Problem,
    hash_keys::IdentityKey,
    ids::Medium,
    job::{Employee, Job, JobOrigin},
    rules::{
        self, Case, Facts, MemberFact, OriginalRequest, Placed, Requester, ReservationHolder,
        decision::Candidate, suppression,
    },
};
use postrider_ledger::{
    accept::{InitialDispatch, NewRequest},
    gather::{Lookup, LookupHits},
};

use crate::intake::{lookup_keys, pending::Pending};

/// A pending job with the facts that are known before the gather statement.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub pending: Pending,
    /// With the fields that it inherits from its original request.
    pub job: Arc<Job>,
    pub original_request: Option<OriginalRequest>,
    pub placed: Placed,
    pub lookup: Lookup,
    /// The keys under which a response to it waits; empty: none does.
    pub awaited: Vec<Uuid>,
    /// The team member that requests it by hand.
    pub requester: Option<Requester>,
}

impl Prepared {
    /// Keys that one job of a round may have: of two jobs with one of them the second waits for the next round.
    pub(super) fn unique_keys(&self) -> Vec<Uuid> {
        let original_request = self.original_request.as_ref().map(|original_request| original_request.id);
        [self.pending.idempotency_hash]
            .into_iter()
            .chain(self.lookup.former_id_hash)
            .chain(original_request)
            .collect()
    }
}

/// Inherits from the original request, places the job, and makes its lookup keys.
///
/// # Errors
/// The problems of the rejection.
pub fn prepare(
    keys: &IdentityKey,
    pending: Pending,
    original_request: Option<OriginalRequest>,
) -> Result<Prepared, Rejected> {
    match place(&pending, original_request.as_ref()) {
        Ok((job, placed)) => {
            let hash = pending.idempotency_hash;
            let mut lookup = lookup_keys::lookup(keys, &pending.company, &job, &placed, hash);
            lookup.former_id_hash = lookup
                .former_id_hash
                .filter(|_| pending.redecided.is_none())
                .map(|former| keys.separate_test(pending.test, former));
            Ok(Prepared {
                pending,
                job,
                original_request,
                placed,
                lookup,
                awaited: Vec::new(),
                requester: None,
            })
        }
        Err(problems) => Err(Rejected { pending, problems }),
    }
}

/// A pending job that the rules refuse.
#[derive(Debug)]
pub struct Rejected {
    pub pending: Pending,
    pub problems: Vec<Problem>,
}

fn place(
    pending: &Pending,
    original_request: Option<&OriginalRequest>,
) -> Result<(Arc<Job>, Placed), Vec<Problem>> {
    let policy = &pending.company.policy;
    if pending.redecided.is_some() {
        // A channel's switch for automatic or manual jobs may be off by now; it is about jobs to come.
        let automatic = rules::place(&pending.job, policy, JobOrigin::Automatic);
        let placed = automatic.or_else(|problems| {
            rules::place(&pending.job, policy, JobOrigin::Manual).map_err(|_| problems)
        })?;
        return Ok((Arc::clone(&pending.job), placed));
    }
    let job = match pending.job.initial_feedback_request_id {
        Some(_) => Arc::new(rules::recovery::inherit(&pending.job, original_request)?),
        None => Arc::clone(&pending.job),
    };
    let placed = rules::place(&job, policy, pending.origin)?;
    Ok((job, placed))
}

/// Decides a job by its facts. `hits`: of the gather statement; `None`: nothing stands out.
///
/// # Errors
/// The problems of the rejection.
pub fn decide(
    keys: &IdentityKey,
    prepared: &Prepared,
    hits: Option<&LookupHits>,
    now: DateTime<Utc>,
) -> Result<NewRequest, Vec<Problem>> {
    let Prepared { pending, job, original_request, placed, lookup, awaited, requester } = prepared;
    if hits.is_some_and(|hits| hits.former_taken) {
        let message =
            "another request of this company has that former_id; leave it out or send the right one";
        return Err(vec![Problem::new("former_id", "former_id_taken", message)]);
    }
    let facts = Facts {
        recovery: pending.redecided.map_or(original_request.is_some(), |stored| stored.is_recovery),
        test: pending.test,
        answered: !awaited.is_empty(),
        requester: *requester,
        ..facts(pending, &job.employee, hits, now)
    };
    let case = Case { job, company: &pending.company, placed, facts: &facts };
    let decision = rules::decide(&case)?;
    let address_hash =
        decision.candidate.as_ref().and_then(|candidate| address_hash(keys, prepared, candidate));
    let recovery = original_request.as_ref().map(|original_request| {
        lookup_keys::recovery_key(
            keys,
            &pending.company,
            original_request.id,
            original_request.recoveries + 1,
        )
    });
    Ok(NewRequest {
        id: postrider_clock::new_id(),
        company: pending.company.id,
        idempotency_hash: pending.idempotency_hash,
        key_is_derived: pending.key_is_derived,
        content_hash: pending.content_hash,
        former_id_hash: lookup.former_id_hash,
        original_request: original_request.as_ref().map(|original_request| original_request.id),
        recovery_hash: recovery,
        source: pending.source_code,
        test: pending.test,
        job: Arc::clone(job),
        brand: placed.brand.label.clone(),
        channel: placed.channel.name.clone(),
        address_hash,
        reservation_keys: if suppression::reserves(&case) {
            lookup.reservation_keys.clone()
        } else {
            Vec::new()
        },
        window_secs: window_secs(&case),
        initial_dispatch: InitialDispatch::Deferred,
        trial_record: pending.suspect,
        decision,
    })
}

/// The suppression period in seconds; `None`: the request takes over from any holder.
fn window_secs(case: &Case) -> Option<i32> {
    let secs = i64::from(case.company.policy.suppression_days) * 86_400;
    (!suppression::takes_over(case)).then(|| i32::try_from(secs).unwrap_or(i32::MAX))
}

/// The hash of the address: the customer's, which was looked up, or a test's.
fn address_hash(keys: &IdentityKey, prepared: &Prepared, candidate: &Candidate) -> Option<Uuid> {
    let Prepared { pending, lookup, .. } = prepared;
    match candidate.medium {
        medium if pending.test => Some(keys.address_hash(pending.company.id, medium, &candidate.address)),
        Medium::Email => lookup.email_hash,
        Medium::Sms => lookup.phone_hash,
    }
}

/// The facts that the gather statement found; its caller sets the others.
fn facts(pending: &Pending, employee: &Employee, hits: Option<&LookupHits>, now: DateTime<Utc>) -> Facts {
    let blank = LookupHits { approved: true, ..LookupHits::default() };
    let known = hits.unwrap_or(&blank);
    let member = match (hits, known.member_by_email, known.member_by_custom_id) {
        (None, _, _) => MemberFact::Found { approved: true },
        (_, None, _) if employee.email.is_some() => MemberFact::UnknownEmail,
        (_, _, None) if employee.custom_id.is_some() => MemberFact::UnknownCustomId,
        (_, Some(email), Some(custom_id)) if email != custom_id => MemberFact::Mismatch,
        _ => MemberFact::Found { approved: known.approved },
    };
    let own = pending.redecided.map(|stored| stored.request);
    let holders = known.holders.iter().filter(|(request, _)| Some(*request) != own);
    Facts {
        now,
        member,
        block_bits: known.block_bits,
        holders: holders
            .map(|(request, asked_at)| ReservationHolder { request: *request, asked_at: *asked_at })
            .collect(),
        recovery: false,
        test: false,
        answered: false,
        requester: None,
    }
}
