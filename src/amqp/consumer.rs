//! The consumer of one generation: deliveries into batches, batches into the ledger, then the ack.
//!
//! One task owns the channel, so that `multiple` acks are safe: it takes deliveries in tag order and
//! acknowledges up to the low-water mark. A suspect waits until everything else is done and is tried alone.
//! Anything odd ends the generation; whatever is unacknowledged comes again and its key says that it came
//! before.

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::{sync::watch, task::JoinSet};

use crate::{config::Amqp, failpoint, telemetry::names, worker::stages::stopped};
use postrider_domain::job::JobOrigin;
use postrider_ledger::LedgerError;

use crate::{
    amqp::{
        acks::{Acks, LowWater},
        topology::{REQUESTS, Topology},
    },
    intake::{Acceptor, InboundJob, inbound::EntryPoint},
    poison::suspect_jobs::{self, Suspect, Suspects, Trial},
};

/// Batches under way at once: one in the database while the next is collected and parsed.
const BATCHES_IN_FLIGHT: usize = 2;
pub(super) const BROKER_CALL_WITHIN: Duration = Duration::from_secs(10);

/// Why a generation ended.
#[derive(Debug)]
pub enum End {
    /// We were asked to stop, and everything taken is acknowledged or left to come again.
    Stopped,
    /// The database has been away for longer than our patience, or answers and takes nothing.
    DatabaseAway(Unwritten),
    /// The channel, the consumer or the queue is gone.
    Broken(String),
}

/// A batch that could not be written; its deliveries go back to the broker.
pub struct Unwritten(pub Vec<InboundJob>);

impl fmt::Debug for Unwritten {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} jobs", self.0.len())
    }
}

/// Consumes until the generation ends.
pub async fn consume(
    acceptor: &Acceptor,
    config: &Amqp,
    channel: &Channel,
    stop: watch::Receiver<bool>,
) -> End {
    let consumer = match subscribe(config, channel).await {
        Ok(consumer) => consumer,
        Err(error) => return End::Broken(format!("subscribe: {error}")),
    };
    metrics::gauge!(names::BROKER).set(1.0);
    let generation = Generation {
        acceptor,
        config,
        channel,
        mark: LowWater::default(),
        batch: Vec::with_capacity(config.batch_max),
        batch_since: None,
        suspects: Suspects::default(),
        running: JoinSet::new(),
    };
    let end = generation.run(consumer, stop).await;
    metrics::gauge!(names::BROKER).set(0.0);
    end
}

async fn subscribe(config: &Amqp, channel: &Channel) -> Result<Consumer, lapin::Error> {
    // Before the consumer, for it alone: quorum queues refuse a global prefetch.
    channel.basic_qos(config.prefetch, BasicQosOptions { global: false }).await?;
    let tag = format!("postrider-{}", postrider_clock::random_id().simple());
    let queue = Topology::new(&config.name).requests();
    channel
        .basic_consume(queue.into(), tag.into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
}

struct Generation<'a> {
    acceptor: &'a Acceptor,
    config: &'a Amqp,
    channel: &'a Channel,
    mark: LowWater,
    batch: Vec<(u64, InboundJob)>,
    batch_since: Option<Instant>,
    suspects: Suspects,
    /// An error: the patience with the database ended.
    running: JoinSet<Result<Work, Unwritten>>,
}

/// Deliveries that are written together, with their tags.
type Batch = Arc<(Vec<u64>, Vec<InboundJob>)>;

/// What a task of a generation has done.
enum Work {
    /// These tags are committed.
    Batch(Vec<u64>),
    Suspect(Trial),
}

impl Generation<'_> {
    async fn run(mut self, mut consumer: Consumer, mut stop: watch::Receiver<bool>) -> End {
        let wait = Duration::from_millis(self.config.batch_wait_ms);
        loop {
            if self.start_work(wait) {
                continue;
            }
            let open = self.batch.len() < self.config.batch_max && !self.suspects.want_quiet();
            let free = self.running.len() < BATCHES_IN_FLIGHT;
            let flush_at = self.batch_since.filter(|_| free).map(|since| since + wait);
            let look_at = self.suspects.look_again_at().filter(|_| free);
            let wake_at = flush_at.into_iter().chain(look_at).min();
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return self.drain().await,
                Some(done) = self.running.join_next() => {
                    if let Err(end) = self.finished(done).await {
                        return end;
                    }
                }
                delivery = consumer.next(), if open => match delivery {
                    Some(Ok(delivery)) => {
                        if !self.take(delivery) {
                            return End::Broken("delivery tags are not contiguous".to_owned());
                        }
                    }
                    Some(Err(error)) => return self.broken(format!("consumer: {error}")).await,
                    None => return self.broken("the broker ended the subscription".to_owned()).await,
                },
                () = until(wake_at), if wake_at.is_some() => {}
            }
        }
    }

    /// Starts what is to be started now; gives whether there was something.
    fn start_work(&mut self, wait: Duration) -> bool {
        if self.running.len() >= BATCHES_IN_FLIGHT {
            return false;
        }
        let hurry = self.batch.len() >= self.config.batch_max || self.suspects.want_quiet();
        let now = postrider_clock::monotonic();
        if self.batch_since.is_some_and(|since| hurry || now - since >= wait) {
            self.start_batch();
            return true;
        }
        if let Some(accused) = self.suspects.next_accused(now) {
            let accused = Arc::new(accused);
            self.start(None, move |acceptor| {
                let accused = Arc::clone(&accused);
                async move { suspect_jobs::look_again(&acceptor, &accused).await.map(Work::Suspect) }
            });
            return true;
        }
        // Alone: everything else that was taken is committed and acknowledged.
        if self.batch.is_empty()
            && self.running.is_empty()
            && let Some(suspect) = self.suspects.begin_next()
        {
            let suspect = Arc::new(suspect);
            self.start(None, move |acceptor| {
                let suspect = Arc::clone(&suspect);
                async move { suspect_jobs::try_alone(&acceptor, &suspect).await.map(Work::Suspect) }
            });
            return true;
        }
        false
    }

    fn take(&mut self, delivery: Delivery) -> bool {
        let tag = delivery.delivery_tag;
        let contiguous = match suspect_jobs::suspicion(&delivery) {
            Some(deliveries) => {
                let keys = &self.acceptor.keys.identity;
                self.suspects.push(Suspect::new(tag, arrival(delivery, REQUESTS), deliveries, keys));
                self.mark.take_suspect(tag)
            }
            None => {
                self.batch_since.get_or_insert_with(postrider_clock::monotonic);
                self.batch.push((tag, arrival(delivery, REQUESTS)));
                self.mark.take(tag)
            }
        };
        metrics::gauge!(names::UNACKED).set(self.mark.unacknowledged() as f64);
        contiguous
    }

    fn start_batch(&mut self) {
        let (tags, arrivals): (Vec<u64>, Vec<InboundJob>) =
            std::mem::take(&mut self.batch).into_iter().unzip();
        let batch = Arc::new((tags, arrivals));
        self.batch_since = None;
        self.start(Some(Arc::clone(&batch)), move |acceptor| {
            let batch = Arc::clone(&batch);
            async move {
                let (tags, arrivals) = &*batch;
                failpoint::point("before_commit");
                acceptor.accept(arrivals).await.map(|_| Work::Batch(tags.clone()))
            }
        });
    }

    /// Starts a task that writes, however long the database takes within our patience. `batch`: what goes
    /// back unwritten when that ends; a suspect does not, lest it be tried beside others.
    fn start<F>(&mut self, batch: Option<Batch>, write: impl Fn(Acceptor) -> F + Send + 'static)
    where
        F: Future<Output = Result<Work, LedgerError>> + Send + 'static,
    {
        let patience = Duration::from_secs(self.config.database_patience_secs);
        let acceptor = self.acceptor.clone();
        self.running.spawn(async move {
            let written = patiently(acceptor, write, patience).await;
            written.ok_or_else(|| Unwritten(batch.map_or_else(Vec::new, |batch| batch.1.clone())))
        });
    }

    /// Takes finished work, and acknowledges what may be.
    async fn finished(
        &mut self,
        done: Result<Result<Work, Unwritten>, tokio::task::JoinError>,
    ) -> Result<(), End> {
        let tags = match done {
            Ok(Ok(Work::Batch(tags))) => tags,
            Ok(Ok(Work::Suspect(trial))) => {
                self.suspects.tried(trial, postrider_clock::monotonic()).into_iter().collect()
            }
            Ok(Err(unwritten)) => return Err(End::DatabaseAway(unwritten)),
            Err(error) => {
                metrics::counter!(names::PANICS, "place" => "intake").increment(1);
                return Err(End::Broken(format!("a batch panicked: {}", error.is_panic())));
            }
        };
        let acks = self.mark.settle(&tags);
        metrics::gauge!(names::UNACKED).set(self.mark.unacknowledged() as f64);
        if acks == Acks::default() {
            return Ok(());
        }
        failpoint::point("before_ack");
        match tokio::time::timeout(BROKER_CALL_WITHIN, acknowledge(self.channel, acks)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(End::Broken(format!("acknowledge: {error}"))),
            Err(_) => Err(End::Broken("acknowledge: the broker does not take it".to_owned())),
        }
    }

    /// The channel is gone: what is under way still commits, so that it is known when it comes again.
    async fn broken(mut self, why: String) -> End {
        while self.running.join_next().await.is_some() {}
        End::Broken(why)
    }

    /// Asked to stop: finishes the batches under way and what was collected, then leaves.
    async fn drain(mut self) -> End {
        if !self.batch.is_empty() {
            self.start_batch();
        }
        while let Some(done) = self.running.join_next().await {
            if let Err(end) = self.finished(done).await {
                tracing::warn!(?end, "stopped with deliveries unacknowledged; they come again");
                break;
            }
        }
        End::Stopped
    }
}

async fn acknowledge(channel: &Channel, acks: Acks) -> Result<(), lapin::Error> {
    for tag in acks.singly {
        channel.basic_ack(tag, BasicAckOptions { multiple: false }).await?;
    }
    match acks.up_to {
        Some(up_to) => channel.basic_ack(up_to, BasicAckOptions { multiple: true }).await,
        None => Ok(()),
    }
}

/// Writes until it is written; `None` when the patience has ended.
pub(super) async fn patiently<T, F>(
    acceptor: Acceptor,
    write: impl Fn(Acceptor) -> F,
    patience: Duration,
) -> Option<T>
where
    F: Future<Output = Result<T, LedgerError>>,
{
    let since = postrider_clock::monotonic();
    let mut wait = Duration::from_millis(50);
    loop {
        match write(acceptor.clone()).await {
            Ok(written) => return Some(written),
            Err(error) => tracing::warn!(%error, "jobs cannot be written yet"),
        }
        if postrider_clock::monotonic() - since > patience {
            return None;
        }
        tokio::time::sleep(wait.mul_f64(0.5 + postrider_clock::jitter())).await;
        wait = (wait * 2).min(Duration::from_secs(1));
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// `keys`: with what the routing keys of this queue begin.
pub(super) fn arrival(delivery: Delivery, keys: &str) -> InboundJob {
    let routing = delivery.routing_key.as_str().to_owned();
    let slug = routing.strip_prefix(keys).filter(|slug| !slug.contains('.'));
    let text =
        |value: &Option<lapin::types::ShortString>| value.as_ref().map(|value| value.as_str().to_owned());
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
