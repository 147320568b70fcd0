//! Decide: from a parsed job and what the ledger knows to a row to write, or the problems of a rejection.
//!
//! No I/O. The rules themselves are in `rules`; this file fits a job and its facts to them.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Utc};
use postrider_domain::{
    company::Company,
    document::Problem,
    hash_keys::IdentityKey,
    ids::Medium,
    job::{Employee, Job},
    rules::{
        self, Case, Facts, MemberFact, OriginalRequest, Placed, Requester, ReservationHolder,
        decision::Candidate, suppression,
    },
};
use postrider_ledger::{
    accept::{InitialDispatch, NewRequest},
    gather::{Lookup, LookupHits},
};
use uuid::Uuid;

use crate::intake::{admit::JobOwner, lookup_keys};

/// A parsed job whose company is known, on its way through the rounds of one batch.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Its place in the batch.
    pub place: usize,
    pub company: Arc<Company>,
    pub job: Arc<Job>,
    pub source: postrider_domain::job::JobOrigin,
    pub source_code: i16,
    pub test: bool,
    pub suspect: Option<Uuid>,
    pub idem: Uuid,
    pub idem_made: bool,
    pub content_hash: Uuid,
}

impl Pending {
    /// Whose job it is, and whether it is a test.
    pub(super) fn whose(&self) -> JobOwner {
        Some((self.company.id, self.test))
    }
}

/// A pending job with everything that this round found out before the gather.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub pending: Pending,
    /// With what it inherits from its root.
    pub job: Arc<Job>,
    pub root: Option<OriginalRequest>,
    pub placed: Placed,
    pub lookup: Lookup,
    /// The keys under which responses wait for it; empty: none does.
    pub awaited: Vec<Uuid>,
    /// The team member who asks by hand, where that person is one.
    pub requester: Option<Requester>,
}

impl Prepared {
    /// What no other job of the round may have as well.
    pub(super) fn unique(&self) -> Vec<Uuid> {
        let root = self.root.as_ref().map(|root| root.id);
        [self.pending.idem].into_iter().chain(self.lookup.former_id_hash).chain(root).collect()
    }
}

/// Inherits and places a job, and makes the keys to look it up by.
pub fn prepare(
    keys: &IdentityKey,
    pending: &Pending,
    root: Option<OriginalRequest>,
) -> Result<Prepared, Vec<Problem>> {
    let job = match pending.job.initial_feedback_request_id {
        Some(_) => Arc::new(rules::recovery::inherit(&pending.job, root.as_ref())?),
        None => Arc::clone(&pending.job),
    };
    let placed = rules::place(&job, &pending.company.policy, pending.source)?;
    let mut lookup = lookup_keys::lookup(keys, &pending.company, &job, &placed, pending.idem);
    lookup.former_id_hash = lookup.former_id_hash.map(|former| keys.separate_test(pending.test, former));
    let pending = pending.clone();
    Ok(Prepared { pending, job, root, placed, lookup, awaited: Vec::new(), requester: None })
}

/// Takes all of these for one job; gives whether none was another's.
pub(super) fn take(taken: &mut HashSet<Uuid>, wants: &[Uuid]) -> bool {
    let free = wants.iter().all(|want| !taken.contains(want));
    if free {
        taken.extend(wants);
    }
    free
}

/// Decides a job by its facts.
pub fn decide(
    keys: &IdentityKey,
    prepared: &Prepared,
    stands_out: Option<&LookupHits>,
    now: DateTime<Utc>,
) -> Result<NewRequest, Vec<Problem>> {
    let Prepared { pending, job, root, placed, lookup, awaited, requester } = prepared;
    if stands_out.is_some_and(|stands_out| stands_out.former_taken) {
        let message =
            "another request of this company has that former_id; leave it out or send the right one";
        return Err(vec![Problem::new("former_id", "former_id_taken", message)]);
    }
    let facts = Facts {
        recovery: root.is_some(),
        test: pending.test,
        answered: !awaited.is_empty(),
        requester: *requester,
        ..facts(&job.employee, stands_out, now)
    };
    let case = Case { job, company: &pending.company, placed, facts: &facts };
    let decision = rules::decide(&case)?;
    let addr = decision.candidate.as_ref().and_then(|candidate| address_key(keys, prepared, candidate));
    let ordinal = root.as_ref().map(|root| (root.id, root.recoveries + 1));
    Ok(NewRequest {
        id: postrider_clock::new_id(),
        company: pending.company.id,
        idempotency_hash: pending.idem,
        key_is_derived: pending.idem_made,
        content_hash: pending.content_hash,
        former_id_hash: lookup.former_id_hash,
        original_request: root.as_ref().map(|root| root.id),
        recovery_hash: ordinal
            .map(|(root, ordinal)| lookup_keys::recovery_key(keys, &pending.company, root, ordinal)),
        source: pending.source_code,
        test: pending.test,
        job: Arc::clone(job),
        brand: placed.brand.label.clone(),
        channel: placed.channel.name.clone(),
        address_hash: addr,
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

/// The suppression period in seconds; `None`: it takes over from any holder.
pub(crate) fn window_secs(case: &Case) -> Option<i32> {
    let secs = i64::from(case.company.policy.suppression_days) * 86_400;
    (!suppression::takes_over(case)).then(|| i32::try_from(secs).unwrap_or(i32::MAX))
}

/// The key of where it goes: the customer's address, which was looked up, or a test's.
fn address_key(keys: &IdentityKey, prepared: &Prepared, candidate: &Candidate) -> Option<Uuid> {
    let Prepared { pending, lookup, .. } = prepared;
    match candidate.medium {
        medium if pending.test => Some(keys.address_hash(pending.company.id, medium, &candidate.address)),
        Medium::Email => lookup.email_hash,
        Medium::Sms => lookup.phone_hash,
    }
}

/// The facts about one job, but for what only its caller knows: whether it is a recovery, a test, answered
/// already, and who asks.
pub(crate) fn facts(employee: &Employee, stands_out: Option<&LookupHits>, now: DateTime<Utc>) -> Facts {
    let blank = LookupHits { approved: true, ..LookupHits::default() };
    let known = stands_out.unwrap_or(&blank);
    let member = match (stands_out, known.member_by_email, known.member_by_custom_id) {
        (None, _, _) => MemberFact::Found { approved: true },
        (_, None, _) if employee.email.is_some() => MemberFact::UnknownEmail,
        (_, _, None) if employee.custom_id.is_some() => MemberFact::UnknownCustomId,
        (_, Some(email), Some(custom_id)) if email != custom_id => MemberFact::Mismatch,
        _ => MemberFact::Found { approved: known.approved },
    };
    let holders = known
        .holders
        .iter()
        .map(|(request, asked_at)| ReservationHolder { request: *request, asked_at: *asked_at });
    Facts {
        now,
        member,
        block_bits: known.block_bits,
        holders: holders.collect(),
        recovery: false,
        test: false,
        answered: false,
        requester: None,
    }
}
