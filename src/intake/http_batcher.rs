//! The HTTP batcher: jobs that arrive one by one are accepted together, each answered after the commit.
//!
//! A lone job starts a batch at once. Jobs that arrive while a batch is under way wait for it, for a full batch, or for
//! `LINGER`, so that concurrent callers share commits. Bounded by count and by bytes. When it is full, or the database is
//! away for longer than `TIMEOUT`, `submit` returns `Busy`; the same job again is accepted once.

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

use crate::{
    failpoint,
    retry::{Backoff, retry_until},
    telemetry::names,
};
use postrider_ledger::LedgerError;

use crate::intake::{
    AcceptOutcome, Acceptor, InboundJob, admit::owner, quarantine::panic_problem, rejection::rejection,
};

const QUEUE_MAX: usize = 4_000;
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
const BATCH_MAX: usize = 500;
const BATCHES_IN_FLIGHT: usize = 2;
const LINGER: Duration = Duration::from_millis(5);
/// A database that restarts within this time costs no caller its job: not every caller repeats a refused one.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The batcher is full, the database is away, or this worker stops: 503 with Retry-After.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("jobs cannot be accepted now; try again later")]
pub struct Busy;

/// The handle of the batcher; cheap to clone.
#[derive(Clone)]
pub struct JobBatcher {
    queue: mpsc::Sender<Entry>,
    bytes: Arc<Semaphore>,
}

struct Entry {
    inbound: InboundJob,
    answer: oneshot::Sender<AcceptOutcome>,
    /// The job's share of `QUEUE_BYTES_MAX`, until it is answered.
    bytes: OwnedSemaphorePermit,
}

impl JobBatcher {
    /// The handle, and the task that accepts jobs. Once `stop` is cancelled, the task finishes what it has.
    pub fn new(
        acceptor: Acceptor,
        stop: CancellationToken,
    ) -> (JobBatcher, impl Future<Output = ()> + Send + use<>) {
        let (queue, entries) = mpsc::channel(QUEUE_MAX);
        let batcher = JobBatcher { queue, bytes: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)) };
        let task = BatcherTask { acceptor, batch: Vec::new(), since: None, running: JoinSet::new() };
        (batcher, task.run(entries, stop))
    }

    /// Accepts one job.
    ///
    /// # Errors
    /// `Busy`.
    pub async fn submit(&self, inbound: InboundJob) -> Result<AcceptOutcome, Busy> {
        self.submit_all(vec![inbound]).await?.pop().ok_or(Busy)
    }

    /// Accepts jobs, all of them or none; one outcome for each, in order.
    ///
    /// # Errors
    /// `Busy`; some jobs may be accepted all the same, and get their first outcomes when they are repeated.
    pub async fn submit_all(&self, inbound: Vec<InboundJob>) -> Result<Vec<AcceptOutcome>, Busy> {
        let mut answers = Vec::with_capacity(inbound.len());
        {
            let places = self.queue.try_reserve_many(inbound.len()).map_err(|_| Busy)?;
            let bytes: Result<Vec<_>, Busy> = inbound.iter().map(|job| self.reserve_bytes(job)).collect();
            for ((place, bytes), inbound) in places.zip(bytes?).zip(inbound) {
                let (answer, answered) = oneshot::channel();
                place.send(Entry { inbound, answer, bytes });
                answers.push(answered);
            }
        }
        let mut outcomes = Vec::with_capacity(answers.len());
        for answer in answers {
            outcomes.push(answer.await.map_err(|_| Busy)?);
        }
        Ok(outcomes)
    }

    fn reserve_bytes(&self, inbound: &InboundJob) -> Result<OwnedSemaphorePermit, Busy> {
        let bytes = u32::try_from(inbound.body.len().max(1)).map_err(|_| Busy)?;
        Arc::clone(&self.bytes).try_acquire_many_owned(bytes).map_err(|_| Busy)
    }
}

struct BatcherTask {
    acceptor: Acceptor,
    batch: Vec<Entry>,
    since: Option<Instant>,
    running: JoinSet<()>,
}

impl BatcherTask {
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

/// Accepts one batch. Dropping a caller's oneshot sender makes `submit` return `Busy`.
async fn answer(acceptor: Acceptor, entries: Vec<Entry>) {
    let (inbound, answers): (Vec<InboundJob>, Vec<_>) =
        entries.into_iter().map(|Entry { inbound, answer, bytes }| (inbound, (answer, bytes))).unzip();
    let inbound = Arc::new(inbound);
    let outcomes = match accept(&acceptor, &inbound).await {
        Ok(outcomes) => outcomes.into_iter().map(Some).collect(),
        Err(AcceptError::Panicked) => one_by_one(&acceptor, &inbound).await,
        Err(AcceptError::Ledger(error)) => {
            tracing::warn!(%error, jobs = inbound.len(), "writing jobs failed; their callers get 503 and may repeat");
            return;
        }
    };
    for ((answer, _bytes), outcome) in answers.into_iter().zip(outcomes) {
        // A caller that has gone away gets nothing; the same job again gets this outcome.
        let _ = outcome.map(|outcome| answer.send(outcome));
    }
}

enum AcceptError {
    Ledger(LedgerError),
    Panicked,
}

/// Accepts one batch, however often the database fails within `TIMEOUT`.
async fn accept(
    acceptor: &Acceptor,
    inbound: &Arc<Vec<InboundJob>>,
) -> Result<Vec<AcceptOutcome>, AcceptError> {
    let accept = || {
        let (acceptor, inbound) = (acceptor.clone(), Arc::clone(inbound));
        async move {
            failpoint::hit("before_commit");
            // In a task of its own: a panic of one job ends no other batch.
            match tokio::spawn(async move { acceptor.accept(&inbound).await }).await {
                Ok(accepted) => accepted.map_err(AcceptError::Ledger),
                Err(_) => {
                    metrics::counter!(names::PANICS, "place" => "intake").increment(1);
                    Err(AcceptError::Panicked)
                }
            }
        }
    };
    let backoff = Backoff::constant(Duration::from_millis(100)).within(TIMEOUT);
    retry_until(backoff, accept, |error| matches!(error, AcceptError::Ledger(_))).await
}

/// Accepts the jobs of a batch that panicked one by one; the job that panics again is quarantined.
async fn one_by_one(acceptor: &Acceptor, inbound: &[InboundJob]) -> Vec<Option<AcceptOutcome>> {
    let mut outcomes = Vec::with_capacity(inbound.len());
    for inbound in inbound {
        outcomes.push(match accept(acceptor, &Arc::new(vec![inbound.clone()])).await {
            Ok(mut outcomes) => outcomes.pop(),
            Err(AcceptError::Panicked) => quarantine(acceptor, inbound).await,
            Err(AcceptError::Ledger(_)) => None,
        });
    }
    outcomes
}

async fn quarantine(acceptor: &Acceptor, inbound: &InboundJob) -> Option<AcceptOutcome> {
    let rejection = rejection(&acceptor.keys, inbound, owner(acceptor, inbound), vec![panic_problem()]);
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

    fn inbound(count: usize, bytes: usize) -> Vec<InboundJob> {
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
    async fn jobs_that_do_not_fit_are_refused_all_together() {
        let (queue, mut entries) = mpsc::channel(3);
        let batcher = JobBatcher { queue, bytes: Arc::new(Semaphore::new(10)) };
        assert_eq!(batcher.submit_all(inbound(4, 1)).await, Err(Busy), "too many");
        assert_eq!(batcher.submit_all(inbound(2, 6)).await, Err(Busy), "too large");
        assert!(entries.try_recv().is_err(), "nothing of them was taken");
        assert_eq!(batcher.bytes.available_permits(), 10);
        drop(entries);
        assert_eq!(batcher.submit_all(inbound(1, 1)).await, Err(Busy), "the worker stops");
    }
}
