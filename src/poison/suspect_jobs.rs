//! Suspects: deliveries that came back so often that they may have killed their workers.
//!
//! Each is tried alone, after everything else that was taken, so that a death accuses just one. That it is
//! tried is written down and committed first, and taken back with its own commit: a note that another
//! worker left behind is a death, and the job is kept as rejected, problem `quarantined`. A try that merely
//! fails (the database is away, the broker hung up) is none: who lives takes its notes back. `consumer`
//! says when; what a person does about a quarantined job is `postrider rejected`'s.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use chrono::SecondsFormat;
use futures_util::FutureExt;
use lapin::message::Delivery;
use uuid::Uuid;

use crate::{failpoint, poison::crash_isolation::IsolationGate, telemetry::names};
use postrider_domain::{document::Problem, hash_keys::IdentityKey};
use postrider_ledger::{LedgerError, trials::TrialRecord};

use crate::{
    amqp::dead_letters::number,
    intake::{AcceptOutcome, Acceptor, InboundJob, accept::rejection},
};

/// Deliveries before this one that make a suspect of it.
const DELIVERIES_SUSPECT: i64 = 2;
/// A note of another worker is believed only when it still stands after so long. Its worker may live: cut
/// off from the broker in the middle of the try, it commits or takes the note back within this time.
const BELIEVED_AFTER: Duration = Duration::from_secs(3);

/// A delivery to be tried alone.
#[derive(Debug, Clone)]
pub struct Suspect {
    pub tag: u64,
    arrival: InboundJob,
    key: Uuid,
    /// Before this one.
    deliveries: i64,
    /// What another worker wrote down and has not taken back so far.
    note: Option<TrialRecord>,
}

impl Suspect {
    #[must_use]
    pub fn new(tag: u64, arrival: InboundJob, deliveries: i64, keys: &IdentityKey) -> Suspect {
        let key = keys.suspect_job_hash(&arrival.routing, arrival.key.as_deref(), &arrival.body);
        Suspect { tag, arrival: InboundJob { suspect: Some(key), ..arrival }, key, deliveries, note: None }
    }
}

/// How often the broker had delivered a suspect before; `None` where it came back less often, or never.
#[must_use]
pub fn suspicion(delivery: &Delivery) -> Option<i64> {
    let headers = delivery.properties.headers().as_ref().filter(|_| delivery.redelivered)?;
    let deliveries = headers.inner().get("x-delivery-count").and_then(number)?;
    (deliveries >= DELIVERIES_SUSPECT).then_some(deliveries)
}

/// What a try, or another look, came to.
pub enum Trial {
    /// Committed, as a request or as rejected: its tag may be acknowledged.
    Settled(u64),
    /// Another worker's note stands there: to be looked at again later.
    Accused(Suspect),
    /// The note is gone: to be tried like any other.
    Cleared(Suspect),
}

/// The suspects of one generation.
#[derive(Default)]
pub struct Suspects {
    waiting: VecDeque<Suspect>,
    accused: VecDeque<(Instant, Suspect)>,
    trying: bool,
}

impl Suspects {
    pub fn push(&mut self, suspect: Suspect) {
        self.waiting.push_back(suspect);
    }

    /// Nothing may be taken meanwhile: what is taken along with a poison comes back along with it.
    #[must_use]
    pub fn want_quiet(&self) -> bool {
        self.trying || !self.waiting.is_empty()
    }

    /// The next to be tried. To be asked only when nothing else is under way.
    pub fn begin_next(&mut self) -> Option<Suspect> {
        let next = self.waiting.pop_front();
        self.trying = next.is_some();
        next
    }

    /// The next accused whose note has stood for long enough.
    pub fn next_accused(&mut self, now: Instant) -> Option<Suspect> {
        self.look_again_at().filter(|at| *at <= now)?;
        self.accused.pop_front().map(|(_, suspect)| suspect)
    }

    /// When `next_accused` has one.
    #[must_use]
    pub fn look_again_at(&self) -> Option<Instant> {
        self.accused.front().filter(|_| !self.trying).map(|(at, _)| *at)
    }

    /// Takes what a try came to; gives the tag that may be acknowledged.
    pub fn tried(&mut self, trial: Trial, now: Instant) -> Option<u64> {
        match trial {
            Trial::Settled(tag) => {
                self.trying = false;
                return Some(tag);
            }
            Trial::Accused(suspect) => {
                self.trying = false;
                self.accused.push_back((now + BELIEVED_AFTER, suspect));
            }
            Trial::Cleared(suspect) => self.waiting.push_back(suspect),
        }
        None
    }
}

/// Tries a suspect alone. After an error nothing may be acknowledged; trying again is harmless.
pub async fn try_alone(acceptor: &Acceptor, suspect: &Suspect) -> Result<Trial, LedgerError> {
    let worker = acceptor.fast_path.worker;
    let isolation_gate = acceptor.isolation_gate.exclusive().await;
    let note = acceptor.ledger.start_job_trial(suspect.key, worker, suspect.deliveries).await?;
    if note.worker != worker {
        return Ok(Trial::Accused(Suspect { note: Some(note), ..suspect.clone() }));
    }
    // The quiet is ours already. Not handed over: a suspect's message takes its place in the line.
    let mut alone = Acceptor { isolation_gate: IsolationGate::default(), ..acceptor.clone() };
    alone.fast_path.lanes = None;
    failpoint::point("before_commit");
    let accepted = AssertUnwindSafe(alone.accept(std::slice::from_ref(&suspect.arrival))).catch_unwind();
    match accepted.await {
        Ok(answers) => {
            if !matches!(answers?.first(), Some(AcceptOutcome::Accepted { .. })) {
                acceptor.ledger.clear_trial(suspect.key).await?;
            }
        }
        Err(_) => {
            metrics::counter!(names::PANICS, "place" => "intake").increment(1);
            quarantine(acceptor, suspect, panicked()).await?;
        }
    }
    drop(isolation_gate);
    Ok(Trial::Settled(suspect.tag))
}

/// Looks again at a suspect whose note was another worker's: if it still stands, that worker is dead.
pub async fn look_again(acceptor: &Acceptor, suspect: &Suspect) -> Result<Trial, LedgerError> {
    let stands = acceptor.ledger.trial_record(suspect.key).await?;
    match suspect.note.filter(|note| stands == Some(*note)) {
        Some(note) => {
            quarantine(acceptor, suspect, died(suspect.deliveries, &note)).await?;
            Ok(Trial::Settled(suspect.tag))
        }
        None => Ok(Trial::Cleared(Suspect { note: None, ..suspect.clone() })),
    }
}

/// Keeps the job as rejected, and takes its note back only then.
async fn quarantine(acceptor: &Acceptor, suspect: &Suspect, problem: Problem) -> Result<(), LedgerError> {
    let company = acceptor.company(&acceptor.company_cache.snapshot(), &suspect.arrival).ok();
    let whose = company.map(|(company, test)| (company.id, test));
    let rejection = rejection(&acceptor.keys, &suspect.arrival, whose, vec![problem]);
    acceptor.ledger.reject(&[rejection]).await?;
    acceptor.ledger.clear_trial(suspect.key).await?;
    metrics::counter!(names::QUARANTINED, "kind" => "job").increment(1);
    tracing::error!("a job that killed its workers is quarantined; see `postrider rejected list`");
    Ok(())
}

fn died(deliveries: i64, note: &TrialRecord) -> Problem {
    let at = note.recorded_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let message = format!(
        "it was delivered {} times, and the worker {} that tried it alone at {at} died over it; find the cause \
         in that worker's log, then hand the job in again by `postrider rejected replay`, outside of the fleet",
        deliveries + 1,
        note.worker
    );
    Problem::new("", "quarantined", message)
}

/// The problem of a job over which we panic: known for sure, and nobody had to die.
#[must_use]
pub fn panicked() -> Problem {
    let message = "handling it made Postrider panic, which is no mistake of its producer's; find the cause in \
        the worker's log, then hand the job in again by `postrider rejected replay`";
    Problem::new("", "quarantined", message)
}
