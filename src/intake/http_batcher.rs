//! Jobs that come one by one, as calls do: accepted together, each answered after the commit.
//!
//! A lone job goes at once. What comes while a batch is under way waits for it, or for a full batch, or for
//! `LINGER`, so that concurrent callers share commits. Bounded by count and by bytes; full, or without a
//! database for longer than `PATIENCE`, callers hear *not now*, and the same job again is taken once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use thiserror::Error;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{failpoint, telemetry::names};
use postrider_ledger::LedgerError;

use crate::intake::{AcceptOutcome, Acceptor, InboundJob, accept::rejection, quarantine::panic_problem};

const QUEUE_MAX: usize = 4_000;
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
const BATCH_MAX: usize = 500;
const BATCHES_IN_FLIGHT: usize = 2;
const LINGER: Duration = Duration::from_millis(5);
/// A database that restarts is waited for: not every caller repeats what it was refused.
const PATIENCE: Duration = Duration::from_secs(5);

/// It cannot be taken just now: too much waits, the database is away, or this worker stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("jobs cannot be taken just now")]
pub struct Busy;

/// The way of single jobs into the ledger; cheap to clone.
#[derive(Clone)]
pub struct JobBatcher {
    queue: mpsc::Sender<Entry>,
    bytes: Arc<Semaphore>,
}

struct Entry {
    arrival: InboundJob,
    answer: oneshot::Sender<AcceptOutcome>,
    /// Room in memory, until it is answered.
    _room: OwnedSemaphorePermit,
}

impl JobBatcher {
    /// The handle, and the task that accepts jobs. Once `stop` is cancelled, the task finishes what it has.
    pub fn new(
        acceptor: Acceptor,
        stop: CancellationToken,
    ) -> (JobBatcher, impl Future<Output = ()> + Send + use<>) {
        let (queue, entries) = mpsc::channel(QUEUE_MAX);
        let jobs = JobBatcher { queue, bytes: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)) };
        let taker = Taker { acceptor, batch: Vec::new(), since: None, running: JoinSet::new() };
        (jobs, taker.run(entries, stop))
    }

    /// Takes one job.
    pub async fn submit(&self, arrival: InboundJob) -> Result<AcceptOutcome, Busy> {
        self.submit_all(vec![arrival]).await?.pop().ok_or(Busy)
    }

    /// Takes jobs, all of them or none; one answer for each, in order. After an error some may be accepted
    /// all the same: the same again gets their first answers.
    pub async fn submit_all(&self, arrivals: Vec<InboundJob>) -> Result<Vec<AcceptOutcome>, Busy> {
        let mut answers = Vec::with_capacity(arrivals.len());
        {
            let places = self.queue.try_reserve_many(arrivals.len()).map_err(|_| Busy)?;
            let rooms: Result<Vec<_>, Busy> = arrivals.iter().map(|arrival| self.room(arrival)).collect();
            for ((place, room), arrival) in places.zip(rooms?).zip(arrivals) {
                let (answer, answered) = oneshot::channel();
                place.send(Entry { arrival, answer, _room: room });
                answers.push(answered);
            }
        }
        let mut told = Vec::with_capacity(answers.len());
        for answer in answers {
            told.push(answer.await.map_err(|_| Busy)?);
        }
        Ok(told)
    }

    fn room(&self, arrival: &InboundJob) -> Result<OwnedSemaphorePermit, Busy> {
        let bytes = u32::try_from(arrival.body.len().max(1)).map_err(|_| Busy)?;
        Arc::clone(&self.bytes).try_acquire_many_owned(bytes).map_err(|_| Busy)
    }
}

struct Taker {
    acceptor: Acceptor,
    batch: Vec<Entry>,
    since: Option<Instant>,
    running: JoinSet<()>,
}

impl Taker {
    async fn run(mut self, mut entries: mpsc::Receiver<Entry>, stop: CancellationToken) {
        let mut open = true;
        loop {
            while self.may_start(open) {
                self.start();
            }
            let room = BATCH_MAX - self.batch.len();
            let flush_at = self.since.filter(|_| self.running.len() < BATCHES_IN_FLIGHT);
            tokio::select! {
                biased;
                () = stop.cancelled(), if open && !entries.is_closed() => entries.close(),
                Some(_) = self.running.join_next() => {}
                taken = entries.recv_many(&mut self.batch, room), if open && room > 0 => match taken {
                    0 => open = false,
                    _ => _ = self.since.get_or_insert_with(postrider_clock::monotonic),
                },
                () = tokio::time::sleep_until((flush_at.unwrap_or_else(postrider_clock::monotonic) + LINGER).into()),
                    if flush_at.is_some() => {}
                else => return,
            }
        }
    }

    fn may_start(&self, open: bool) -> bool {
        let Some(since) = self.since else { return false };
        let waited = !open || self.batch.len() >= BATCH_MAX || postrider_clock::monotonic() - since >= LINGER;
        self.running.is_empty() || (self.running.len() < BATCHES_IN_FLIGHT && waited)
    }

    fn start(&mut self) {
        self.since = None;
        let entries = std::mem::take(&mut self.batch);
        self.running.spawn(answer(self.acceptor.clone(), entries));
    }
}

/// Whoever gets no answer hears *not now*: its sender is dropped.
async fn answer(acceptor: Acceptor, entries: Vec<Entry>) {
    let (arrivals, answers): (Vec<InboundJob>, Vec<_>) =
        entries.into_iter().map(|Entry { arrival, answer, _room }| (arrival, (answer, _room))).unzip();
    let arrivals = Arc::new(arrivals);
    let told = match accept(&acceptor, &arrivals).await {
        Done::Accepted(told) => told.into_iter().map(Some).collect(),
        Done::Panicked => one_by_one(&acceptor, &arrivals).await,
        Done::Away(error) => {
            tracing::warn!(%error, jobs = arrivals.len(), "jobs cannot be written; their callers hear so");
            return;
        }
    };
    for ((answer, _room), told) in answers.into_iter().zip(told) {
        // A caller that has gone hears nothing; the same job again gets this answer.
        let _ = told.map(|told| answer.send(told));
    }
}

enum Done {
    Accepted(Vec<AcceptOutcome>),
    Panicked,
    Away(LedgerError),
}

async fn accept(acceptor: &Acceptor, arrivals: &Arc<Vec<InboundJob>>) -> Done {
    let since = postrider_clock::monotonic();
    loop {
        let (acceptor, arrivals) = (acceptor.clone(), Arc::clone(arrivals));
        failpoint::hit("before_commit");
        // A task of its own: its panic ends nobody else.
        match tokio::spawn(async move { acceptor.accept(&arrivals).await }).await {
            Ok(Ok(answers)) => return Done::Accepted(answers),
            Ok(Err(error)) if postrider_clock::monotonic() - since >= PATIENCE => return Done::Away(error),
            Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(_) => {
                metrics::counter!(names::PANICS, "place" => "intake").increment(1);
                return Done::Panicked;
            }
        }
    }
}

/// One job of the batch makes us panic: finds it, and keeps it as a rejection.
async fn one_by_one(acceptor: &Acceptor, arrivals: &[InboundJob]) -> Vec<Option<AcceptOutcome>> {
    let mut told = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        told.push(match accept(acceptor, &Arc::new(vec![arrival.clone()])).await {
            Done::Accepted(mut answers) => answers.pop(),
            Done::Panicked => quarantine(acceptor, arrival).await,
            Done::Away(_) => None,
        });
    }
    told
}

async fn quarantine(acceptor: &Acceptor, arrival: &InboundJob) -> Option<AcceptOutcome> {
    let company = acceptor.company(&acceptor.company_cache.snapshot(), arrival).ok();
    let rejection = rejection(
        &acceptor.keys,
        arrival,
        company.map(|(company, test)| (company.id, test)),
        vec![panic_problem()],
    );
    acceptor.ledger.reject(std::slice::from_ref(&rejection)).await.ok()?;
    metrics::counter!(names::QUARANTINED, "kind" => "job").increment(1);
    tracing::error!("a job that made Postrider panic is quarantined; see `postrider rejected list`");
    Some(AcceptOutcome::Rejected { id: rejection.id, problems: rejection.problems })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::inbound::EntryPoint;
    use postrider_domain::job::JobOrigin;

    fn arrivals(count: usize, bytes: usize) -> Vec<InboundJob> {
        let one = InboundJob {
            body: vec![b' '; bytes],
            company: Some("acme".to_owned()),
            routing: "/v1/requests".to_owned(),
            entry_point: EntryPoint::Http { test: false, manager: false },
            key: None,
            origin: JobOrigin::Automatic,
            suspect: None,
        };
        vec![one; count]
    }

    #[tokio::test]
    async fn more_than_there_is_room_for_is_refused_as_a_whole() {
        let (queue, mut entries) = mpsc::channel(3);
        let jobs = JobBatcher { queue, bytes: Arc::new(Semaphore::new(10)) };
        assert_eq!(jobs.submit_all(arrivals(4, 1)).await, Err(Busy), "too many");
        assert_eq!(jobs.submit_all(arrivals(2, 6)).await, Err(Busy), "too large");
        assert!(entries.try_recv().is_err(), "nothing of them was taken");
        assert_eq!(jobs.bytes.available_permits(), 10);
        drop(entries);
        assert_eq!(jobs.submit_all(arrivals(1, 1)).await, Err(Busy), "the worker stops");
    }
}
