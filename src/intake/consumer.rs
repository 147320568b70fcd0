//! The consumer of one generation: deliveries into batches, batches into the ledger, then the ack.
//!
//! One task owns the channel, so that `multiple` acks are safe: it takes deliveries in tag order and
//! acknowledges up to the low-water mark. Anything odd ends the generation; whatever is unacknowledged
//! comes again and its key says that it came before.

use std::{
    fmt,
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

use crate::{clock, config::Amqp, crash, message::Source, shutdown::stopped, telemetry::names};

use super::{Acceptor, Arrival, acks::LowWater, arrival::Door, topology::Topology};

/// Batches under way at once: one in the database while the next is collected and parsed.
const BATCHES_IN_FLIGHT: usize = 2;
const BROKER_CALL_WITHIN: Duration = Duration::from_secs(10);

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
pub struct Unwritten(pub Vec<Arrival>);

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
        running: JoinSet::new(),
    };
    let end = generation.run(consumer, stop).await;
    metrics::gauge!(names::BROKER).set(0.0);
    end
}

async fn subscribe(config: &Amqp, channel: &Channel) -> Result<Consumer, lapin::Error> {
    // Before the consumer, for it alone: quorum queues refuse a global prefetch.
    channel.basic_qos(config.prefetch, BasicQosOptions { global: false }).await?;
    let tag = format!("postrider-{}", clock::random_id().simple());
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
    batch: Vec<(u64, Arrival)>,
    batch_since: Option<Instant>,
    /// Each gives the tags that it committed, or its jobs when its patience with the database ended.
    running: JoinSet<Result<Vec<u64>, Unwritten>>,
}

impl Generation<'_> {
    async fn run(mut self, mut consumer: Consumer, mut stop: watch::Receiver<bool>) -> End {
        let wait = Duration::from_millis(self.config.batch_wait_ms);
        loop {
            let full = self.batch.len() >= self.config.batch_max;
            let free = self.running.len() < BATCHES_IN_FLIGHT;
            if free && (full || self.batch_since.is_some_and(|since| clock::monotonic() - since >= wait)) {
                self.start_batch();
                continue;
            }
            let flush_at = self.batch_since.filter(|_| free).map(|since| since + wait);
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return self.drain().await,
                Some(done) = self.running.join_next() => {
                    if let Err(end) = self.finished(done).await {
                        return end;
                    }
                }
                delivery = consumer.next(), if !full => match delivery {
                    Some(Ok(delivery)) => {
                        if !self.take(delivery) {
                            return End::Broken("delivery tags are not contiguous".to_owned());
                        }
                    }
                    Some(Err(error)) => return self.broken(format!("consumer: {error}")).await,
                    None => return self.broken("the broker ended the subscription".to_owned()).await,
                },
                () = until(flush_at), if flush_at.is_some() => {}
            }
        }
    }

    fn take(&mut self, delivery: Delivery) -> bool {
        let tag = delivery.delivery_tag;
        self.batch_since.get_or_insert_with(clock::monotonic);
        self.batch.push((tag, arrival(delivery)));
        let contiguous = self.mark.take(tag);
        metrics::gauge!(names::UNACKED).set(self.mark.unsettled() as f64);
        contiguous
    }

    fn start_batch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.batch_since = None;
        let patience = Duration::from_secs(self.config.database_patience_secs);
        self.running.spawn(take_in(self.acceptor.clone(), batch, patience));
    }

    /// Takes a finished batch, and acknowledges as far as the mark moved.
    async fn finished(
        &mut self,
        done: Result<Result<Vec<u64>, Unwritten>, tokio::task::JoinError>,
    ) -> Result<(), End> {
        let tags = match done {
            Ok(Ok(tags)) => tags,
            Ok(Err(unwritten)) => return Err(End::DatabaseAway(unwritten)),
            Err(error) => {
                metrics::counter!(names::PANICS, "place" => "intake").increment(1);
                return Err(End::Broken(format!("a batch panicked: {}", error.is_panic())));
            }
        };
        let Some(up_to) = self.mark.settle(&tags) else { return Ok(()) };
        metrics::gauge!(names::UNACKED).set(self.mark.unsettled() as f64);
        crash::point("before_ack");
        let ack = self.channel.basic_ack(up_to, BasicAckOptions { multiple: true });
        match tokio::time::timeout(BROKER_CALL_WITHIN, ack).await {
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

/// Writes one batch, however long the database takes within our patience.
async fn take_in(
    acceptor: Acceptor,
    batch: Vec<(u64, Arrival)>,
    patience: Duration,
) -> Result<Vec<u64>, Unwritten> {
    let (tags, arrivals): (Vec<u64>, Vec<Arrival>) = batch.into_iter().unzip();
    let since = clock::monotonic();
    let mut wait = Duration::from_millis(50);
    loop {
        crash::point("before_commit");
        match acceptor.accept(&arrivals).await {
            Ok(_) => return Ok(tags),
            Err(error) => tracing::warn!(%error, jobs = tags.len(), "a batch cannot be written yet"),
        }
        if clock::monotonic() - since > patience {
            return Err(Unwritten(arrivals));
        }
        tokio::time::sleep(wait.mul_f64(0.5 + clock::jitter())).await;
        wait = (wait * 2).min(Duration::from_secs(2));
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

fn arrival(delivery: Delivery) -> Arrival {
    let routing = delivery.routing_key.as_str().to_owned();
    let slug = routing.strip_prefix("requests.").filter(|slug| !slug.contains('.'));
    let text =
        |value: &Option<lapin::types::ShortString>| value.as_ref().map(|value| value.as_str().to_owned());
    Arrival {
        company: slug.map(str::to_owned),
        door: Door::Amqp { user: text(delivery.properties.user_id()) },
        key: text(delivery.properties.message_id()).filter(|key| !key.is_empty()),
        source: Source::Automatic,
        routing,
        body: delivery.data,
    }
}
