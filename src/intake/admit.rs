//! Admit: whose job it is, who speaks, and what it says.
//!
//! The first step of `accept`, by itself for each job and without I/O: a job that stops here is refused. A
//! panic while one job is read affects no other job of its batch and holds no prefetch slot
//! (docs/dependency-hazards.md#f7).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{company_cache::CompanySnapshot, failpoint, telemetry::names};
use postrider_domain::{
    company::Company,
    document::Problem,
    ids::CompanyId,
    job::{Job, JobOrigin, parse},
};

use crate::intake::{
    Acceptor, InboundJob, decide::Pending, inbound::EntryPoint, lookup_keys, quarantine::panic_problem,
};

/// Whose job it is, where that is known, and whether it is a test.
pub(super) type JobOwner = Option<(CompanyId, bool)>;

impl Acceptor {
    /// Company, binding, parse, key; else whose mistake it is, and which.
    pub(super) fn admit(
        &self,
        snapshot: &CompanySnapshot,
        place: usize,
        arrival: &InboundJob,
    ) -> Result<Pending, (JobOwner, Vec<Problem>)> {
        let (company, test) = self.company(snapshot, arrival).map_err(|problem| (None, vec![problem]))?;
        let job = read(arrival)
            .and_then(|job| authorised(job, &arrival.entry_point))
            .map_err(|problems| (Some((company.id, test)), problems))?;
        let (idem, idem_made, content_hash) =
            lookup_keys::idempotency(&self.keys.identity, &company, &job, arrival.key.as_deref());
        let idem = self.keys.identity.separate_test(test, idem);
        Ok(Pending {
            place,
            company,
            source: if job.manual.is_some() { JobOrigin::Manual } else { arrival.origin },
            job: Arc::new(job),
            source_code: arrival.entry_point.code(),
            test,
            suspect: arrival.suspect,
            idem,
            idem_made,
            content_hash,
        })
    }

    /// Whose job it is, and whether it is a test.
    pub(crate) fn company(
        &self,
        snapshot: &CompanySnapshot,
        arrival: &InboundJob,
    ) -> Result<(Arc<Company>, bool), Problem> {
        let refuse = |code: &str, message: &str| Err(Problem::new("", code, message));
        let Some(slug) = &arrival.company else {
            return refuse(
                "bad_routing_key",
                "publish with the routing key requests.<company> (responses.<company> for what customers answered)",
            );
        };
        let Some(company) = snapshot.company(slug) else {
            return refuse("unknown_company", "no company has the slug that the routing key names");
        };
        let trusting = self.trust_routing_key.unwrap_or(!snapshot.has_bindings());
        let test = match &arrival.entry_point {
            EntryPoint::Operator { test }
            | EntryPoint::Http { test, .. }
            | EntryPoint::Connector { test } => Some(*test),
            EntryPoint::Amqp { user: Some(user) } => snapshot
                .binding_for(user, company.id)
                .or((!snapshot.has_bindings() && trusting).then_some(false)),
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
}

/// An override is for whoever manages the company's settings.
fn authorised(job: Job, entry_point: &EntryPoint) -> Result<Job, Vec<Problem>> {
    if job.override_reason().is_none() || entry_point.may_override() {
        return Ok(job);
    }
    let remedy = "overriding the suppression period needs a key with the scope manage";
    Err(vec![Problem::new("override", "needs_manage", remedy)])
}

/// Parses; a panic is ours, not the producer's, and the job is kept until we have mended it.
fn read(arrival: &InboundJob) -> Result<Job, Vec<Problem>> {
    let body = &arrival.body;
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        failpoint::on_word("intake", std::str::from_utf8(body).ok());
        match arrival.entry_point {
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
