//! Poison suspects among deliveries: tried one at a time, each under a trial record.
//!
//! A delivery is a suspect from its third delivery on. Its trial record is committed before the trial and removed with
//! the trial's commit. A record of another worker that is still there after `BELIEVED_AFTER` counts as a crash, and the
//! job is kept as a rejected job, problem `quarantined`. A failed trial (no database, no broker) is no crash: a living
//! worker removes its records. `amqp`'s consumer decides when a trial may run.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use chrono::SecondsFormat;
use futures_util::FutureExt;
use uuid::Uuid;

use crate::{
    crash_isolation::IsolationGate,
    failpoint,
    intake::{AcceptOutcome, Acceptor, InboundJob, admit, quarantine::panic_problem, rejection::rejection},
    telemetry::names,
};
use postrider_domain::{document::Problem, hash_keys::IdentityKey};
use postrider_ledger::{LedgerError, trials::TrialRecord};

/// Earlier deliveries from which on a delivery is a suspect.
const SUSPECT_DELIVERIES: i64 = 2;
/// Age at which a trial record of another worker counts as a crash. A worker that lost the broker in the middle of a
/// trial commits the job or removes the record within this time.
const BELIEVED_AFTER: Duration = Duration::from_secs(3);

/// A delivery to be tried alone.
#[derive(Debug, Clone)]
pub struct JobSuspect {
    /// Delivery tag.
    pub tag: u64,
    job: InboundJob,
    key: Uuid,
    earlier_deliveries: i64,
    /// The trial record of another worker, as first seen.
    record: Option<TrialRecord>,
}

impl JobSuspect {
    /// A suspect, identified by a keyed hash of its routing key, message id and body.
    #[must_use]
    pub fn new(tag: u64, job: InboundJob, earlier_deliveries: i64, keys: &IdentityKey) -> JobSuspect {
        let key = keys.suspect_job_hash(&job.routing, job.key.as_deref(), &job.body);
        JobSuspect {
            tag,
            job: InboundJob { suspect: Some(key), ..job },
            key,
            earlier_deliveries,
            record: None,
        }
    }
}

/// Whether a delivery with so many earlier deliveries is a suspect.
#[must_use]
pub fn is_suspect(earlier_deliveries: i64) -> bool {
    earlier_deliveries >= SUSPECT_DELIVERIES
}

/// Result of a trial or of a recheck.
pub enum TrialResult {
    /// Committed, as a request or as a rejected job: the tag may be acknowledged.
    Settled(u64),
    /// Another worker's trial record exists: to be rechecked after `BELIEVED_AFTER`.
    Reported(JobSuspect),
    /// The record is gone: to be tried.
    Cleared(JobSuspect),
}

/// The suspects of one AMQP session.
#[derive(Default)]
pub struct SuspectQueue {
    waiting: VecDeque<JobSuspect>,
    /// With the time of their recheck.
    reported: VecDeque<(Instant, JobSuspect)>,
    is_trying: bool,
}

impl SuspectQueue {
    /// Adds a new suspect.
    pub fn push(&mut self, suspect: JobSuspect) {
        self.waiting.push_back(suspect);
    }

    /// Whether the session must take no delivery: after a crash, all deliveries taken with a poison job come again
    /// with it, and count towards becoming suspects.
    #[must_use]
    pub fn needs_isolation(&self) -> bool {
        self.is_trying || !self.waiting.is_empty()
    }

    /// The next suspect to be tried, once no other work is in flight.
    pub fn next_trial(&mut self) -> Option<JobSuspect> {
        let next = self.waiting.pop_front();
        self.is_trying = next.is_some();
        next
    }

    /// The next reported suspect that is due for a recheck.
    pub fn next_recheck(&mut self, now: Instant) -> Option<JobSuspect> {
        self.recheck_at().filter(|at| *at <= now)?;
        self.reported.pop_front().map(|(_, suspect)| suspect)
    }

    /// The time from which on `next_recheck` returns a suspect.
    #[must_use]
    pub fn recheck_at(&self) -> Option<Instant> {
        self.reported.front().filter(|_| !self.is_trying).map(|(at, _)| *at)
    }

    /// Records a result; returns the tag that may be acknowledged.
    pub fn record(&mut self, result: TrialResult, now: Instant) -> Option<u64> {
        match result {
            TrialResult::Settled(tag) => {
                self.is_trying = false;
                return Some(tag);
            }
            TrialResult::Reported(suspect) => {
                self.is_trying = false;
                self.reported.push_back((now + BELIEVED_AFTER, suspect));
            }
            TrialResult::Cleared(suspect) => self.waiting.push_back(suspect),
        }
        None
    }
}

/// Tries a suspect alone.
///
/// # Errors
/// The database refused a step: no tag may be acknowledged, and the trial may be repeated.
pub async fn run_trial(acceptor: &Acceptor, suspect: &JobSuspect) -> Result<TrialResult, LedgerError> {
    let worker = acceptor.fast_path.worker;
    let guard = acceptor.isolation_gate.exclusive().await;
    let record = acceptor.ledger.start_job_trial(suspect.key, worker, suspect.earlier_deliveries).await?;
    if record.worker != worker {
        return Ok(TrialResult::Reported(JobSuspect { record: Some(record), ..suspect.clone() }));
    }
    // A gate of its own, because this trial holds the worker's; no lanes, because the message of a suspect is tried by
    // itself as well.
    let mut isolated = Acceptor { isolation_gate: IsolationGate::default(), ..acceptor.clone() };
    isolated.fast_path.lanes = None;
    failpoint::hit("before_commit");
    let accepted = AssertUnwindSafe(isolated.accept(std::slice::from_ref(&suspect.job))).catch_unwind();
    match accepted.await {
        Ok(outcomes) => {
            // An accepted job removed its record in the accepting statement.
            if !matches!(outcomes?.first(), Some(AcceptOutcome::Accepted { .. })) {
                acceptor.ledger.clear_trial(suspect.key).await?;
            }
        }
        Err(_) => {
            metrics::counter!(names::PANICS, "place" => "intake").increment(1);
            quarantine(acceptor, suspect, panic_problem()).await?;
        }
    }
    drop(guard);
    Ok(TrialResult::Settled(suspect.tag))
}

/// Rechecks a reported suspect: a trial record that has not changed since is a crash of its worker.
///
/// # Errors
/// As `run_trial`.
pub async fn recheck(acceptor: &Acceptor, suspect: &JobSuspect) -> Result<TrialResult, LedgerError> {
    let current = acceptor.ledger.trial_record(suspect.key).await?;
    match suspect.record.filter(|record| current == Some(*record)) {
        Some(record) => {
            quarantine(acceptor, suspect, crash_problem(suspect.earlier_deliveries, &record)).await?;
            Ok(TrialResult::Settled(suspect.tag))
        }
        None => Ok(TrialResult::Cleared(JobSuspect { record: None, ..suspect.clone() })),
    }
}

/// Keeps the job as rejected, and only then removes its record.
async fn quarantine(acceptor: &Acceptor, suspect: &JobSuspect, problem: Problem) -> Result<(), LedgerError> {
    let owner = admit::owner(acceptor, &suspect.job);
    let rejection = rejection(&acceptor.keys, &suspect.job, owner, vec![problem]);
    acceptor.ledger.reject(&[rejection]).await?;
    acceptor.ledger.clear_trial(suspect.key).await?;
    metrics::counter!(names::QUARANTINED, "kind" => "job").increment(1);
    tracing::error!("a job that ended worker processes is quarantined; see `postrider rejected list`");
    Ok(())
}

fn crash_problem(earlier_deliveries: i64, record: &TrialRecord) -> Problem {
    let at = record.recorded_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let message = format!(
        "it was delivered {} times, and the worker {} that tried it alone at {at} died over it; find the cause \
         in that worker's log, then hand the job in again by `postrider rejected replay`, outside of the fleet",
        earlier_deliveries + 1,
        record.worker
    );
    Problem::new("", "quarantined", message)
}
