//! Admit: the company of an inbound job, the right of its entry point to speak for it, and its parsed content.
//!
//! The first step of every job, by itself and without I/O; a job that stops here is rejected. A panic while one job is
//! parsed affects no other job of its batch and holds no prefetch slot (docs/dependency-hazards.md#f7).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{
    company_cache::CompanySnapshot,
    failpoint,
    intake::{
        Acceptor, InboundJob,
        inbound::EntryPoint,
        lookup_keys,
        pending::{JobOwner, Pending},
        quarantine::panic_problem,
    },
    telemetry::names,
};
use postrider_domain::{
    company::Company,
    document::Problem,
    job::{Job, JobOrigin, parse},
};

/// A job that is rejected before it is pending: its owner, where it is known, and its problems.
pub(super) type Refused = (Option<JobOwner>, Vec<Problem>);

/// Finds the company, checks the entry point, parses, and makes the keys. `place`: index in the batch.
///
/// # Errors
/// The problems of the rejection.
pub(super) fn admit(
    acceptor: &Acceptor,
    snapshot: &CompanySnapshot,
    place: usize,
    inbound: &InboundJob,
) -> Result<Pending, Refused> {
    let (company, test) = company(acceptor, snapshot, inbound).map_err(|problem| (None, vec![problem]))?;
    let owner = JobOwner { company: company.id, test };
    let job = parse(inbound)
        .and_then(|job| authorize(job, &inbound.entry_point))
        .map_err(|problems| (Some(owner), problems))?;
    let keys = &acceptor.keys.identity;
    let idempotency = lookup_keys::idempotency(keys, &company, &job, inbound.key.as_deref());
    Ok(Pending {
        place,
        company,
        origin: if job.manual.is_some() { JobOrigin::Manual } else { inbound.origin },
        job: Arc::new(job),
        source_code: inbound.entry_point.stored_code(),
        test,
        suspect: inbound.suspect,
        idempotency_hash: keys.separate_test(test, idempotency.hash),
        key_is_derived: idempotency.is_derived,
        content_hash: idempotency.content_hash,
        redecided: None,
    })
}

/// The owner of a job, where its company is known and its entry point may speak for it.
#[must_use]
pub(crate) fn owner(acceptor: &Acceptor, inbound: &InboundJob) -> Option<JobOwner> {
    let (company, test) = company(acceptor, &acceptor.company_cache.snapshot(), inbound).ok()?;
    Some(JobOwner { company: company.id, test })
}

/// The company of a job, and whether the job is a test.
///
/// # Errors
/// The problem of the rejection: no such company, or an entry point that may not speak for it.
pub(super) fn company(
    acceptor: &Acceptor,
    snapshot: &CompanySnapshot,
    inbound: &InboundJob,
) -> Result<(Arc<Company>, bool), Problem> {
    let refuse = |code: &str, message: &str| Err(Problem::new("", code, message));
    let Some(slug) = &inbound.company else {
        return refuse(
            "bad_routing_key",
            "publish with the routing key requests.<company> (responses.<company> for what customers answered)",
        );
    };
    let Some(company) = snapshot.company(slug) else {
        return refuse("unknown_company", "no company has the slug that the routing key names");
    };
    let trusting = acceptor.trust_routing_key.unwrap_or(!snapshot.has_bindings());
    let test = match &inbound.entry_point {
        EntryPoint::Operator { test } | EntryPoint::Http { test, .. } | EntryPoint::Connector { test } => {
            Some(*test)
        }
        EntryPoint::Amqp { user: Some(user) } => {
            snapshot.binding_for(user, company.id).or((!snapshot.has_bindings() && trusting).then_some(false))
        }
        EntryPoint::Amqp { user: None } => trusting.then_some(false),
    };
    match test {
        Some(test) => Ok((Arc::clone(company), test)),
        None => refuse(
            "outside_binding",
            "this broker user may not speak for that company; set user-id, and bind the user in its file",
        ),
    }
}

/// Only a key that manages the company's settings may override the suppression period.
fn authorize(job: Job, entry_point: &EntryPoint) -> Result<Job, Vec<Problem>> {
    if job.override_reason().is_none() || entry_point.may_override() {
        return Ok(job);
    }
    let remedy = "overriding the suppression period needs a key with the scope manage";
    Err(vec![Problem::new("override", "needs_manage", remedy)])
}

/// Parses the body; a panic is a fault of ours, and the job is kept as quarantined.
fn parse(inbound: &InboundJob) -> Result<Job, Vec<Problem>> {
    let body = &inbound.body;
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        failpoint::on_word("intake", std::str::from_utf8(body).ok());
        match inbound.entry_point {
            EntryPoint::Http { .. } => parse::parse_call(body),
            EntryPoint::Operator { .. } => parse::parse_manual(body),
            EntryPoint::Amqp { .. } | EntryPoint::Connector { .. } => parse::parse(body),
        }
    }));
    parsed.unwrap_or_else(|_| {
        metrics::counter!(names::PANICS, "place" => "parse").increment(1);
        metrics::counter!(names::QUARANTINED, "kind" => "job").increment(1);
        Err(vec![panic_problem()])
    })
}
