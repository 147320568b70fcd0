//! What we need at the broker: exchange, queue, dead letters, and nothing that falls out.
//!
//! Declared on channels that are thrown away, because a refused declaration kills its channel. A queue
//! that exists with other arguments is used as it is, with a warning. Length limits are the operator's
//! policy.

use anyhow::Context;
use lapin::{
    Channel, Connection, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString},
};

/// Routing keys of jobs and of responses begin so; the company's slug follows.
pub const REQUESTS: &str = "requests.";
pub const RESPONSES: &str = "responses.";

const DELIVERY_LIMIT: i64 = 20;
/// Looking at parked messages counts as deliveries, and over the limit the broker would drop them. As good
/// as none: brokers from 4.0 on would put 20 where nothing is said, older ones refuse a negative number.
const PARKED_DELIVERY_LIMIT: i64 = 1_000_000_000;

/// The names of everything, from the one configured name.
#[derive(Debug, Clone)]
pub struct Topology {
    name: String,
}

impl Topology {
    #[must_use]
    pub fn new(name: &str) -> Topology {
        Topology { name: name.to_owned() }
    }

    /// Producers publish here, with the routing key `requests.<company>`.
    #[must_use]
    pub fn exchange(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn requests(&self) -> String {
        format!("{}.requests", self.name)
    }

    /// What customers answered, with the routing key `responses.<company>`.
    #[must_use]
    pub fn responses(&self) -> String {
        format!("{}.responses", self.name)
    }

    /// Deliveries that killed their workers too often.
    #[must_use]
    pub fn parked(&self) -> String {
        format!("{}.parked", self.name)
    }

    /// What was published under a routing key that nobody wants; the exchange has the same name.
    #[must_use]
    pub fn unrouted(&self) -> String {
        format!("{}.unrouted", self.name)
    }

    #[must_use]
    pub fn dead(&self) -> String {
        format!("{}.dead", self.name)
    }

    /// Declares what requests need; what is there already stays as it is.
    pub async fn declare(&self, connection: &Connection) -> anyhow::Result<()> {
        self.declare_inbound(connection, &self.requests(), REQUESTS).await
    }

    /// Declares what responses need.
    pub async fn declare_responses(&self, connection: &Connection) -> anyhow::Result<()> {
        self.declare_inbound(connection, &self.responses(), RESPONSES).await
    }

    /// A queue that workers consume, and everything that it may overflow into.
    async fn declare_inbound(
        &self,
        connection: &Connection,
        inbound: &str,
        keys: &str,
    ) -> anyhow::Result<()> {
        let (dead, unrouted) = (self.dead(), self.unrouted());
        exchange(connection, &unrouted, ExchangeKind::Fanout, &[]).await?;
        exchange(connection, &dead, ExchangeKind::Fanout, &[]).await?;
        exchange(connection, &self.name, ExchangeKind::Topic, &[("alternate-exchange", &unrouted)]).await?;
        queue(connection, &unrouted, &[], PARKED_DELIVERY_LIMIT).await?;
        queue(connection, &self.parked(), &[("x-overflow", "reject-publish")], PARKED_DELIVERY_LIMIT).await?;
        let arguments = [
            ("x-dead-letter-exchange", dead.as_str()),
            ("x-dead-letter-strategy", "at-least-once"),
            ("x-overflow", "reject-publish"),
        ];
        queue(connection, inbound, &arguments, DELIVERY_LIMIT).await?;
        let channel = connection.create_channel().await.context("open a channel")?;
        bind(&channel, &unrouted, &unrouted, "").await?;
        bind(&channel, &self.parked(), &dead, "").await?;
        bind(&channel, inbound, &self.name, &format!("{keys}#")).await?;
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
        let there = channel.exchange_declare(name.into(), kind, options(true), FieldTable::default()).await;
        there.with_context(|| format!("declare exchange {name}: {error}"))?;
        tracing::warn!(exchange = name, %error, "exchange exists with other arguments and is used as it is");
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
        let there = channel.queue_declare(name.into(), options(true), FieldTable::default()).await;
        there.with_context(|| format!("declare queue {name}: {error}"))?;
        tracing::warn!(queue = name, %error, "queue exists with other arguments and is used as it is");
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
