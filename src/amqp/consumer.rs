//! The consumer of requests in one AMQP session: deliveries into batches, batches into the ledger, then the ack.
//!
//! One task owns the channel, so that `multiple` acks are safe: it takes deliveries in tag order and acknowledges up to
//! the low-water mark (`acks`). A poison suspect waits until all other deliveries are committed and is tried alone
//! (`poison::suspect_jobs`). Any failure of the broker ends the session; deliveries without an ack come again, and
//! their idempotency keys make them duplicates.

use std::{
    fmt,
    future::Future,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    amqp::{
        acks::{Acks, LowWater},
        headers::delivery_count,
        topology::{REQUESTS, Topology},
    },
    config::Amqp,
    failpoint,
    intake::{Acceptor, InboundJob, inbound::EntryPoint},
    poison::suspect_jobs::{self, JobSuspect, SuspectQueue, TrialResult},
    retry::{Backoff, retry_until},
    telemetry::names,
};
use postrider_domain::job::JobOrigin;
use postrider_ledger::LedgerError;

/// One batch in the database while the next one is collected and parsed.
const BATCHES_IN_FLIGHT: usize = 2;
/// Longest call of the broker on an open channel.
pub(super) const BROKER_CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The reason why an AMQP session ended.
#[derive(Debug)]
pub(super) enum SessionEnd {
    /// The worker stops; committed deliveries are acknowledged, the others come again.
    Stopped,
    /// The database was unavailable for `amqp.database_patience_secs`.
    DatabaseAway(Unwritten),
    /// The channel, the consumer or the queue is gone; the cause.
    Broken(String),
}

/// Jobs that could not be written; their deliveries return to the broker.
pub(super) struct Unwritten(pub(super) Vec<InboundJob>);

impl fmt::Debug for Unwritten {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} jobs", self.0.len())
    }
}

/// Consumes requests until the session ends.
pub(super) async fn consume(
    acceptor: &Acceptor,
    config: &Amqp,
    channel: &Channel,
    stop: CancellationToken,
) -> SessionEnd {
    let consumer = match subscribe(config, channel).await {
        Ok(consumer) => consumer,
        Err(error) => return SessionEnd::Broken(format!("subscribe: {error}")),
    };
    metrics::gauge!(names::BROKER).set(1.0);
    let mut requests = RequestConsumer {
        acceptor,
        config,
        channel,
        low_water: LowWater::default(),
        batch: Batch { tags: Vec::new(), jobs: Vec::with_capacity(config.batch_max) },
        batch_since: None,
        suspects: SuspectQueue::default(),
        running: JoinSet::new(),
    };
    let end = requests.run(consumer, stop).await;
    requests.low_water.release();
    metrics::gauge!(names::BROKER).set(0.0);
    end
}

async fn subscribe(config: &Amqp, channel: &Channel) -> Result<Consumer, lapin::Error> {
    // Before the consumer, and not global: quorum queues refuse a global prefetch.
    channel.basic_qos(config.prefetch, BasicQosOptions { global: false }).await?;
    let tag = format!("postrider-{}", postrider_clock::random_id().simple());
    let queue = Topology::new(&config.name).requests();
    channel
        .basic_consume(queue.into(), tag.into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
}

struct RequestConsumer<'a> {
    acceptor: &'a Acceptor,
    config: &'a Amqp,
    channel: &'a Channel,
    low_water: LowWater,
    /// The batch that is collected now, and the time of its first delivery.
    batch: Batch,
    batch_since: Option<Instant>,
    suspects: SuspectQueue,
    running: JoinSet<Result<Finished, Unwritten>>,
}

/// Deliveries that are written together.
#[derive(Default)]
struct Batch {
    tags: Vec<u64>,
    /// One for each tag.
    jobs: Vec<InboundJob>,
}

/// Work of one task.
enum Work {
    Batch(Batch),
    Trial(JobSuspect),
    Recheck(JobSuspect),
}

/// Committed work.
enum Finished {
    /// The tags of a batch.
    Batch(Vec<u64>),
    Trial(TrialResult),
}

impl RequestConsumer<'_> {
    async fn run(&mut self, mut consumer: Consumer, stop: CancellationToken) -> SessionEnd {
        let linger = Duration::from_millis(self.config.batch_wait_ms);
        loop {
            if self.start_due_work(linger) {
                continue;
            }
            let takes_deliveries =
                self.batch.jobs.len() < self.config.batch_max && !self.suspects.needs_isolation();
            let has_free_task = self.running.len() < BATCHES_IN_FLIGHT;
            let flush_at = self.batch_since.filter(|_| has_free_task).map(|since| since + linger);
            let recheck_at = self.suspects.recheck_at().filter(|_| has_free_task);
            let wake_at = flush_at.into_iter().chain(recheck_at).min();
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.drain().await,
                Some(finished) = self.running.join_next() => {
                    if let Err(end) = self.settle(finished).await {
                        return end;
                    }
                }
                delivery = consumer.next(), if takes_deliveries => match delivery {
                    Some(Ok(delivery)) => {
                        if !self.take(delivery) {
                            return SessionEnd::Broken("delivery tags are not contiguous".to_owned());
                        }
                    }
                    Some(Err(error)) => return self.broken(format!("consumer: {error}")).await,
                    None => return self.broken("the broker ended the subscription".to_owned()).await,
                },
                () = sleep_until(wake_at), if wake_at.is_some() => {}
            }
        }
    }

    /// Starts one task if work is due; returns whether one was started.
    fn start_due_work(&mut self, linger: Duration) -> bool {
        if self.running.len() >= BATCHES_IN_FLIGHT {
            return false;
        }
        let is_urgent = self.batch.jobs.len() >= self.config.batch_max || self.suspects.needs_isolation();
        let now = postrider_clock::monotonic();
        if self.batch_since.is_some_and(|since| is_urgent || now - since >= linger) {
            self.start_batch();
            return true;
        }
        if let Some(suspect) = self.suspects.next_recheck(now) {
            self.start(Work::Recheck(suspect));
            return true;
        }
        // A trial runs alone: all other deliveries of this session are committed and acknowledged.
        if self.batch.jobs.is_empty()
            && self.running.is_empty()
            && let Some(suspect) = self.suspects.next_trial()
        {
            self.start(Work::Trial(suspect));
            return true;
        }
        false
    }

    /// Takes a delivery; returns false if its tag does not follow the one before.
    fn take(&mut self, delivery: Delivery) -> bool {
        let tag = delivery.delivery_tag;
        let earlier_deliveries = delivery_count(&delivery).filter(|_| delivery.redelivered).unwrap_or(0);
        let job = inbound_job(delivery, REQUESTS);
        let is_contiguous = if suspect_jobs::is_suspect(earlier_deliveries) {
            let suspect = JobSuspect::new(tag, job, earlier_deliveries, &self.acceptor.keys.identity);
            self.suspects.push(suspect);
            self.low_water.take_suspect(tag)
        } else {
            self.batch_since.get_or_insert_with(postrider_clock::monotonic);
            self.batch.tags.push(tag);
            self.batch.jobs.push(job);
            self.low_water.take(tag)
        };
        metrics::gauge!(names::UNACKED).set(self.low_water.unacknowledged() as f64);
        is_contiguous
    }

    fn start_batch(&mut self) {
        self.batch_since = None;
        let batch = std::mem::take(&mut self.batch);
        self.start(Work::Batch(batch));
    }

    /// Spawns a task that repeats its work until it is committed or `amqp.database_patience_secs` have passed.
    fn start(&mut self, work: Work) {
        let timeout = Duration::from_secs(self.config.database_patience_secs);
        let acceptor = self.acceptor.clone();
        self.running.spawn(async move {
            let result = write_until(timeout, || perform(&acceptor, &work)).await;
            match (result, work) {
                (Ok(Some(trial)), _) => Ok(Finished::Trial(trial)),
                (Ok(None), Work::Batch(batch)) => Ok(Finished::Batch(batch.tags)),
                (Err(_), Work::Batch(batch)) => Err(Unwritten(batch.jobs)),
                // Never retried as a job of `Unwritten`, because those are written beside others.
                (Ok(None) | Err(_), Work::Trial(_) | Work::Recheck(_)) => Err(Unwritten(Vec::new())),
            }
        });
    }

    /// Takes the result of a task, and acknowledges every delivery that may be acknowledged now.
    async fn settle(
        &mut self,
        finished: Result<Result<Finished, Unwritten>, JoinError>,
    ) -> Result<(), SessionEnd> {
        let tags = match finished {
            Ok(Ok(Finished::Batch(tags))) => tags,
            Ok(Ok(Finished::Trial(trial))) => {
                self.suspects.record(trial, postrider_clock::monotonic()).into_iter().collect()
            }
            Ok(Err(unwritten)) => return Err(SessionEnd::DatabaseAway(unwritten)),
            Err(_) => {
                metrics::counter!(names::PANICS, "place" => "intake").increment(1);
                return Err(SessionEnd::Broken("writing a batch panicked".to_owned()));
            }
        };
        let acks = self.low_water.settle(&tags);
        metrics::gauge!(names::UNACKED).set(self.low_water.unacknowledged() as f64);
        if acks == Acks::default() {
            return Ok(());
        }
        failpoint::hit("before_ack");
        acknowledge(self.channel, acks).await
    }

    /// The channel is gone: running tasks still commit, so that their deliveries are duplicates when they come again.
    async fn broken(&mut self, cause: String) -> SessionEnd {
        while self.running.join_next().await.is_some() {}
        SessionEnd::Broken(cause)
    }

    /// The worker stops: commits and acknowledges what was collected.
    async fn drain(&mut self) -> SessionEnd {
        if !self.batch.jobs.is_empty() {
            self.start_batch();
        }
        while let Some(finished) = self.running.join_next().await {
            if let Err(end) = self.settle(finished).await {
                tracing::warn!(
                    ?end,
                    unacknowledged = self.low_water.unacknowledged(),
                    "stopping left deliveries unacknowledged; the broker delivers them again"
                );
                break;
            }
        }
        SessionEnd::Stopped
    }
}

/// Performs work once; the result of a trial, or `None` for a batch.
async fn perform(acceptor: &Acceptor, work: &Work) -> Result<Option<TrialResult>, LedgerError> {
    match work {
        Work::Batch(batch) => {
            failpoint::hit("before_commit");
            acceptor.accept(&batch.jobs).await.map(|_| None)
        }
        Work::Trial(suspect) => suspect_jobs::run_trial(acceptor, suspect).await.map(Some),
        Work::Recheck(suspect) => suspect_jobs::recheck(acceptor, suspect).await.map(Some),
    }
}

/// Repeats a write until it is committed; the last error once `timeout` has passed.
pub(super) async fn write_until<T, F>(timeout: Duration, write: impl FnMut() -> F) -> Result<T, LedgerError>
where
    F: Future<Output = Result<T, LedgerError>>,
{
    let backoff =
        Backoff { first: Duration::from_millis(50), max: Duration::from_secs(1), timeout: Some(timeout) };
    retry_until(backoff, write, |error| {
        tracing::warn!(%error, "writing deliveries failed, retrying; check the database");
        true
    })
    .await
}

/// Sends acks within `BROKER_CALL_TIMEOUT`.
pub(super) async fn acknowledge(channel: &Channel, acks: Acks) -> Result<(), SessionEnd> {
    let acknowledging = async {
        for tag in acks.singly {
            channel.basic_ack(tag, BasicAckOptions { multiple: false }).await?;
        }
        match acks.up_to {
            Some(up_to) => channel.basic_ack(up_to, BasicAckOptions { multiple: true }).await,
            None => Ok(()),
        }
    };
    match tokio::time::timeout(BROKER_CALL_TIMEOUT, acknowledging).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(SessionEnd::Broken(format!("acknowledge: {error}"))),
        Err(_) => Err(SessionEnd::Broken("acknowledge: the broker does not answer".to_owned())),
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The job of a delivery; the routing keys of its queue begin with `prefix`.
pub(super) fn inbound_job(delivery: Delivery, prefix: &str) -> InboundJob {
    let routing = delivery.routing_key.as_str().to_owned();
    let slug = routing.strip_prefix(prefix).filter(|slug| !slug.contains('.'));
    let text = |value: &Option<ShortString>| value.as_ref().map(|value| value.as_str().to_owned());
    InboundJob {
        company: slug.map(str::to_owned),
        entry_point: EntryPoint::Amqp { user: text(delivery.properties.user_id()) },
        key: text(delivery.properties.message_id()).filter(|key| !key.is_empty()),
        origin: JobOrigin::Automatic,
        routing,
        suspect: None,
        body: delivery.data,
    }
}
