//! A producer: publishes jobs as any upstream system should, and believes only the broker's word.
//!
//! Persistent, mandatory, confirmed. Every confirm is awaited on its own, a bounded number at a time, and
//! returns are matched by message id, never by position (docs/dependency-hazards.md#f6). Read `parked` for the
//! other user.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use anyhow::{Context, bail};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ExchangeKind, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions},
    types::{FieldTable, ShortString},
};

/// Confirms awaited at a time.
const WINDOW: usize = 100;
const CONFIRM_WITHIN: Duration = Duration::from_secs(30);
const PERSISTENT: u8 = 2;

/// A job to publish.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub message_id: String,
    /// The broker lets only this user itself say so.
    pub user_id: Option<String>,
    pub body: Vec<u8>,
}

/// What the broker said of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The broker has it.
    Confirmed,
    /// The broker refused it: the queue is full.
    Refused,
    /// No queue wants its routing key.
    Unroutable,
    /// Nobody knows: the broker's word never came.
    Unconfirmed,
}

impl Fate {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Confirmed => "confirmed",
            Fate::Refused => "refused by the broker (the queue is full)",
            Fate::Unroutable => "unroutable (no queue wants its routing key)",
            Fate::Unconfirmed => "not confirmed; it may be there all the same",
        }
    }
}

/// What became of a whole run.
#[derive(Debug, Default)]
pub struct Published {
    /// Message ids with their fates, in the order of publishing.
    pub fates: Vec<(String, Fate)>,
    /// Why the rest was not published.
    pub broken: Option<anyhow::Error>,
}

/// A channel in confirm mode on one exchange.
pub struct Producer {
    channel: Channel,
    exchange: ShortString,
}

impl Producer {
    /// Opens a channel. The exchange must be there: a worker makes it when it starts.
    pub async fn open(connection: &Connection, exchange: &str) -> anyhow::Result<Producer> {
        let channel = connection.create_channel().await.context("open a channel")?;
        let there = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(
                short("amqp.name", exchange)?,
                ExchangeKind::Topic,
                there,
                FieldTable::default(),
            )
            .await
            .with_context(|| format!("find exchange {exchange} (a worker makes it when it starts)"))?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.context("ask for confirms")?;
        Ok(Producer { channel, exchange: short("amqp.name", exchange)? })
    }

    /// Publishes jobs under one routing key.
    pub async fn publish(&self, routing: &str, jobs: impl Iterator<Item = Outgoing>) -> Published {
        let mut run = Run::default();
        for job in jobs {
            let message_id = job.message_id.clone();
            match self.start(routing, job).await {
                Ok(confirm) => run.waiting.push_back((message_id, confirm)),
                Err(error) => {
                    run.broken = Some(error);
                    break;
                }
            }
            if run.waiting.len() >= WINDOW && !run.settle_one().await {
                break;
            }
        }
        while run.settle_one().await {}
        run.published()
    }

    /// Publishes one message with properties of its own, and waits for the broker's word. Not to be called
    /// while others are under way.
    pub async fn publish_one(
        &self,
        routing: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> anyhow::Result<Fate> {
        let confirm = self.send(short("routing key", routing)?, body, properties).await?;
        let confirmation = tokio::time::timeout(CONFIRM_WITHIN, confirm).await;
        match confirmation.context("the broker does not confirm")?.context("await the confirm")? {
            Confirmation::Ack(None) => Ok(Fate::Confirmed),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => Ok(Fate::Unroutable),
            Confirmation::Nack(None) => Ok(Fate::Refused),
            Confirmation::NotRequested => bail!("the channel is not in confirm mode"),
        }
    }

    async fn start(&self, routing: &str, job: Outgoing) -> anyhow::Result<PublisherConfirm> {
        let mut properties = BasicProperties::default()
            .with_message_id(short("message id", &job.message_id)?)
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT);
        if let Some(user) = &job.user_id {
            properties = properties.with_user_id(short("user id", user)?);
        }
        self.send(short("routing key", routing)?, &job.body, properties).await
    }

    async fn send(
        &self,
        routing: ShortString,
        body: &[u8],
        properties: BasicProperties,
    ) -> anyhow::Result<PublisherConfirm> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let published = self.channel.basic_publish(self.exchange.clone(), routing, options, body, properties);
        let started = tokio::time::timeout(CONFIRM_WITHIN, published).await;
        started.context("the broker does not take it")?.context("publish")
    }
}

/// One run under way.
#[derive(Default)]
struct Run {
    waiting: VecDeque<(String, PublisherConfirm)>,
    fates: Vec<(String, Fate)>,
    /// A return may be pinned to the confirm of another message of the window.
    returned: HashSet<String>,
    broken: Option<anyhow::Error>,
}

impl Run {
    /// Awaits the oldest confirm; gives false where there is none left, or the broker stopped confirming.
    async fn settle_one(&mut self) -> bool {
        let Some((message_id, confirm)) = self.waiting.pop_front() else { return false };
        let fate = match tokio::time::timeout(CONFIRM_WITHIN, confirm).await {
            Ok(Ok(Confirmation::Nack(None))) => Fate::Refused,
            Ok(Ok(confirmation)) => {
                self.returned.extend(confirmation.take_message().and_then(|returned| {
                    let id = returned.properties.message_id().as_ref();
                    id.map(|id| id.as_str().to_owned())
                }));
                Fate::Confirmed
            }
            Ok(Err(error)) => {
                self.broken.get_or_insert(anyhow::Error::new(error).context("await the confirm"));
                Fate::Unconfirmed
            }
            Err(_) => {
                self.broken.get_or_insert_with(|| anyhow::anyhow!("the broker does not confirm"));
                Fate::Unconfirmed
            }
        };
        self.fates.push((message_id, fate));
        if fate == Fate::Unconfirmed {
            let rest = self.waiting.drain(..).map(|(message_id, _)| (message_id, Fate::Unconfirmed));
            self.fates.extend(rest);
            return false;
        }
        true
    }

    fn published(self) -> Published {
        let Run { mut fates, returned, broken, .. } = self;
        for (_, fate) in fates.iter_mut().filter(|(message_id, _)| returned.contains(message_id)) {
            *fate = Fate::Unroutable;
        }
        Published { fates, broken }
    }
}

/// A text that AMQP carries in at most 255 bytes.
pub(super) fn short(what: &str, text: &str) -> anyhow::Result<ShortString> {
    match ShortString::try_new(text) {
        Ok(text) => Ok(text),
        Err(_) => bail!("{what} has {} bytes; AMQP carries 255 at most", text.len()),
    }
}
