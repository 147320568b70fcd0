//! The demo's producer: persistent, mandatory, confirmed messages, with a journal of its own.
//!
//! Only this file counts the broker's confirms, and the checks at the end start from them. Confirms are awaited some
//! at a time, as a fast producer does.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, bail};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, PublisherConfirm,
    options::{
        BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::FieldTable,
};

use super::jobs::DemoJob;
use postrider::{
    amqp::{session, topology::Topology},
    config::Amqp,
};

const UNCONFIRMED_MAX: usize = 64;

/// How often each job was confirmed, by company and key.
pub type Confirmed = BTreeMap<(String, String), u64>;

/// A connection to the broker that publishes, looks and cleans up.
pub struct Publisher {
    connection: Connection,
    channel: Channel,
    topology: Topology,
    under_way: VecDeque<((String, String), PublisherConfirm)>,
    pub confirmed: Confirmed,
}

impl Publisher {
    /// Connects and declares what the worker will consume from.
    pub async fn connect(config: &Amqp) -> anyhow::Result<Publisher> {
        let connection = session::connect(config, "postrider-demo").await?;
        let topology = Topology::new(&config.name);
        topology.declare(&connection).await?;
        let channel = connection.create_channel().await.context("open a channel")?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.context("ask for confirms")?;
        let under_way = VecDeque::with_capacity(UNCONFIRMED_MAX);
        Ok(Publisher { connection, channel, topology, under_way, confirmed: Confirmed::new() })
    }

    /// Publishes one job; its confirm is awaited later, at the latest by `settle`.
    pub async fn publish(&mut self, job: &DemoJob) -> anyhow::Result<()> {
        if self.under_way.len() >= UNCONFIRMED_MAX {
            self.confirm_oldest().await?;
        }
        let properties =
            BasicProperties::default().with_delivery_mode(2).with_message_id(job.key.as_str().into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let routing_key = format!("requests.{}", job.company);
        let exchange = self.topology.exchange().into();
        let publish =
            self.channel.basic_publish(exchange, routing_key.into(), options, &job.body, properties);
        let confirm = publish.await.context("publish a job")?;
        self.under_way.push_back(((job.company.clone(), job.key.clone()), confirm));
        Ok(())
    }

    /// Returns when the broker has confirmed everything.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        while !self.under_way.is_empty() {
            self.confirm_oldest().await?;
        }
        Ok(())
    }

    async fn confirm_oldest(&mut self) -> anyhow::Result<()> {
        let Some((job, confirm)) = self.under_way.pop_front() else { return Ok(()) };
        match confirm.await.context("wait for a confirm")? {
            Confirmation::Ack(None) => *self.confirmed.entry(job).or_default() += 1,
            Confirmation::Ack(Some(_)) => bail!("the broker could not route a job"),
            Confirmation::Nack(_) | Confirmation::NotRequested => bail!("the broker did not take a job"),
        }
        Ok(())
    }

    /// Messages that wait in our queues, dead letters and unrouted ones included.
    pub async fn left_in_queues(&self) -> anyhow::Result<u64> {
        let mut left = 0;
        for name in [self.topology.requests(), self.topology.dead_letters(), self.topology.unrouted()] {
            let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let queue =
                self.channel.queue_declare(name.as_str().into(), passive, FieldTable::default()).await;
            left += u64::from(queue.with_context(|| format!("look at queue {name}"))?.message_count());
        }
        Ok(left)
    }

    /// Deletes our queues and exchanges and closes the connection.
    pub async fn clean_up(self) {
        for name in [self.topology.requests(), self.topology.dead_letters(), self.topology.unrouted()] {
            if let Err(error) =
                self.channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await
            {
                tracing::warn!(%error, queue = name, "a queue of the demo could not be deleted");
            }
        }
        for name in [
            self.topology.exchange().to_owned(),
            self.topology.unrouted(),
            self.topology.dead_letter_exchange(),
        ] {
            let deleted =
                self.channel.exchange_delete(name.as_str().into(), ExchangeDeleteOptions::default()).await;
            if let Err(error) = deleted {
                tracing::warn!(%error, exchange = name, "an exchange of the demo could not be deleted");
            }
        }
        session::close(&self.connection).await;
    }
}
