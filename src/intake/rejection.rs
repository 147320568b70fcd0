//! Rejections: jobs that are kept with their problems, for a person to correct and to replay.
//!
//! A leaf: every step of intake may make a rejection, and a rejection knows no step.

use std::collections::HashSet;

use crate::{
    intake::{InboundJob, pending::JobOwner},
    telemetry::names,
};
use postrider_domain::{document::Problem, hash_keys::SecretKeys};
use postrider_ledger::{Ledger, LedgerError, rejected::Rejection};

/// A job as it is kept with its problems; counts it in the metrics, unless it is a test.
pub(crate) fn rejection(
    keys: &SecretKeys,
    inbound: &InboundJob,
    owner: Option<JobOwner>,
    problems: Vec<Problem>,
) -> Rejection {
    let company = owner.map(|owner| owner.company);
    let test = owner.is_some_and(|owner| owner.test);
    if !test {
        let code = problems.first().map_or_else(|| "unknown".to_owned(), |problem| problem.code.clone());
        metrics::counter!(names::REJECTED, "code" => code).increment(1);
    }
    // Without a company, the routing separates equal keys of different producers.
    let key = match company {
        Some(_) => inbound.key.clone(),
        None => Some(format!("{}\0{}", inbound.routing, inbound.key.as_deref().unwrap_or_default())),
    };
    Rejection {
        id: postrider_clock::new_id(),
        fingerprint: keys
            .identity
            .separate_test(test, keys.identity.rejected_job_hash(company, key.as_deref(), &inbound.body)),
        company,
        routing: storable(&inbound.routing),
        source: inbound.entry_point.as_str(),
        message_key: inbound.key.as_deref().map(storable),
        body: inbound.body.clone(),
        problems,
        test,
    }
}

/// Writes rejections. A statement takes each key once: the same mistake twice in one batch needs two statements, and
/// counts twice.
pub(crate) async fn write_rejections(ledger: &Ledger, rejections: Vec<Rejection>) -> Result<(), LedgerError> {
    let mut rest = rejections;
    while !rest.is_empty() {
        let mut seen = HashSet::new();
        let (now, later): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|rejection| seen.insert(rejection.fingerprint));
        ledger.reject(&now).await?;
        rest = later;
    }
    Ok(())
}

/// The problem of a job with the idempotency key of another job.
pub(super) fn key_conflict() -> Problem {
    let message = "another job with this key and other content was accepted before; use a new key";
    Problem::new("idempotency_key", "conflict", message)
}

/// The problem of content that Postgres cannot store.
pub(super) fn unstorable() -> Problem {
    Problem::new("", "unstorable", "the database refuses this content; check its characters")
}

/// Postgres stores no NUL in text; a broker's routing keys and ids may hold one.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
