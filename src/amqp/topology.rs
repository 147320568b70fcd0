//! The exchange and queues at the broker, named after `amqp.name`.
//!
//! Each is declared on a channel of its own, because a refused declaration closes its channel. A queue that exists with
//! other arguments is used as it is, with a warning. Length limits are left to the operator's policies.

use anyhow::Context;
use lapin::{
    Channel, Connection, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString},
};

pub use crate::intake::inbound::{REQUESTS, RESPONSES};

/// Deliveries after which the broker makes a message a dead letter.
const DELIVERY_LIMIT: i64 = 20;
/// Practically unlimited: listing dead letters counts as a delivery, and the broker drops a message over the limit.
/// Brokers from 4.0 on have a default of 20, older ones refuse a negative number.
const DEAD_LETTER_DELIVERY_LIMIT: i64 = 1_000_000_000;

/// The names of the exchange and queues.
#[derive(Debug, Clone)]
pub struct Topology {
    name: String,
}

impl Topology {
    /// The topology under the configured `amqp.name`.
    #[must_use]
    pub fn new(name: &str) -> Topology {
        Topology { name: name.to_owned() }
    }

    /// The topic exchange of producers; routing keys are `requests.<company>` and `responses.<company>`.
    #[must_use]
    pub fn exchange(&self) -> &str {
        &self.name
    }

    /// The queue of jobs.
    #[must_use]
    pub fn requests(&self) -> String {
        format!("{}.requests", self.name)
    }

    /// The queue of customers' responses.
    #[must_use]
    pub fn responses(&self) -> String {
        format!("{}.responses", self.name)
    }

    /// The queue of dead letters: messages over their delivery limit.
    #[must_use]
    pub fn dead_letters(&self) -> String {
        format!("{}.parked", self.name)
    }

    /// The queue of messages without a matching routing key, and its exchange.
    #[must_use]
    pub fn unrouted(&self) -> String {
        format!("{}.unrouted", self.name)
    }

    /// The exchange through which dead letters go.
    #[must_use]
    pub fn dead_letter_exchange(&self) -> String {
        format!("{}.dead", self.name)
    }

    /// Declares the queue of jobs, and the exchanges and queues that it overflows into. Existing ones stay as they are.
    ///
    /// # Errors
    /// The broker refuses, and the exchange or queue does not exist either.
    pub async fn declare(&self, connection: &Connection) -> anyhow::Result<()> {
        self.declare_inbound(connection, &self.requests(), REQUESTS).await
    }

    /// Declares the same for the queue of responses.
    ///
    /// # Errors
    /// As `declare`.
    pub async fn declare_responses(&self, connection: &Connection) -> anyhow::Result<()> {
        self.declare_inbound(connection, &self.responses(), RESPONSES).await
    }

    async fn declare_inbound(
        &self,
        connection: &Connection,
        inbound: &str,
        prefix: &str,
    ) -> anyhow::Result<()> {
        let (dead, unrouted) = (self.dead_letter_exchange(), self.unrouted());
        exchange(connection, &unrouted, ExchangeKind::Fanout, &[]).await?;
        exchange(connection, &dead, ExchangeKind::Fanout, &[]).await?;
        exchange(connection, &self.name, ExchangeKind::Topic, &[("alternate-exchange", &unrouted)]).await?;
        queue(connection, &unrouted, &[], DEAD_LETTER_DELIVERY_LIMIT).await?;
        queue(
            connection,
            &self.dead_letters(),
            &[("x-overflow", "reject-publish")],
            DEAD_LETTER_DELIVERY_LIMIT,
        )
        .await?;
        let arguments = [
            ("x-dead-letter-exchange", dead.as_str()),
            ("x-dead-letter-strategy", "at-least-once"),
            ("x-overflow", "reject-publish"),
        ];
        queue(connection, inbound, &arguments, DELIVERY_LIMIT).await?;
        let channel = connection.create_channel().await.context("open a channel")?;
        bind(&channel, &unrouted, &unrouted, "").await?;
        bind(&channel, &self.dead_letters(), &dead, "").await?;
        bind(&channel, inbound, &self.name, &format!("{prefix}#")).await?;
        channel.close(200, "declared".into()).await.context("close the declaring channel")?;
        Ok(())
    }
}

async fn exchange(
    connection: &Connection,
    name: &str,
    kind: ExchangeKind,
    arguments: &[(&str, &str)],
) -> anyhow::Result<()> {
    let options =
        |passive| ExchangeDeclareOptions { passive, durable: true, ..ExchangeDeclareOptions::default() };
    let channel = connection.create_channel().await.context("open a channel")?;
    let declared =
        channel.exchange_declare(name.into(), kind.clone(), options(false), table(arguments)).await;
    if let Err(error) = declared {
        let channel = connection.create_channel().await.context("open a channel")?;
        let existing =
            channel.exchange_declare(name.into(), kind, options(true), FieldTable::default()).await;
        existing.with_context(|| format!("declare exchange {name}: {error}"))?;
        tracing::warn!(exchange = name, %error, "declaring an exchange failed; the existing one with other arguments is used, delete it to have it declared anew");
    }
    Ok(())
}

async fn queue(
    connection: &Connection,
    name: &str,
    arguments: &[(&str, &str)],
    delivery_limit: i64,
) -> anyhow::Result<()> {
    let options = |passive| QueueDeclareOptions { passive, durable: true, ..QueueDeclareOptions::default() };
    let mut table = table(arguments);
    table.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    table.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(delivery_limit));
    let channel = connection.create_channel().await.context("open a channel")?;
    if let Err(error) = channel.queue_declare(name.into(), options(false), table).await {
        let channel = connection.create_channel().await.context("open a channel")?;
        let existing = channel.queue_declare(name.into(), options(true), FieldTable::default()).await;
        existing.with_context(|| format!("declare queue {name}: {error}"))?;
        tracing::warn!(queue = name, %error, "declaring a queue failed; the existing one with other arguments is used, delete it when empty to have it declared anew");
    }
    Ok(())
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> anyhow::Result<()> {
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .with_context(|| format!("bind queue {queue} to exchange {exchange}"))
}

fn table(arguments: &[(&str, &str)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), AMQPValue::LongString(LongString::from(*value)));
    }
    table
}
