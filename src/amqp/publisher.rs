//! The publisher: publishes jobs as a producer should; a job counts as published after the broker's confirm.
//!
//! Messages are persistent and mandatory. Each confirm is awaited on its own, at most `WINDOW` at a time, and returned
//! messages are matched by message id, never by position (docs/dependency-hazards.md#f6). Used by the command line, by
//! `dead_letters`, the demo and tests; the worker itself publishes nothing.

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

/// Bound of messages without a confirm.
const WINDOW: usize = 100;
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
/// Delivery mode of AMQP 0-9-1.
const PERSISTENT: u8 = 2;

/// A job to publish.
#[derive(Debug, Clone)]
pub struct OutgoingJob {
    pub message_id: String,
    /// The broker accepts only the user of the connection.
    pub user_id: Option<String>,
    pub body: Vec<u8>,
}

/// Result of publishing one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishOutcome {
    /// The broker has stored it.
    Confirmed,
    /// The broker refused it: the queue is full.
    Refused,
    /// No queue is bound to its routing key.
    Unroutable,
    /// No confirm arrived; the broker may have stored it.
    Unconfirmed,
}

impl PublishOutcome {
    /// The words of the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PublishOutcome::Confirmed => "confirmed",
            PublishOutcome::Refused => "refused by the broker (the queue is full)",
            PublishOutcome::Unroutable => "unroutable (no queue wants its routing key)",
            PublishOutcome::Unconfirmed => "not confirmed; it may be there all the same",
        }
    }
}

/// Results of one `publish`.
#[derive(Debug, Default)]
pub struct PublishReport {
    /// Message ids and results, in the order of publishing.
    pub outcomes: Vec<(String, PublishOutcome)>,
    /// The error that kept the other jobs from being published.
    pub broken: Option<anyhow::Error>,
}

/// A channel in confirm mode on one exchange.
pub struct Publisher {
    channel: Channel,
    exchange: ShortString,
}

impl Publisher {
    /// Opens a channel in confirm mode.
    ///
    /// # Errors
    /// The exchange does not exist (a worker declares it), or the broker refuses the channel.
    pub async fn open(connection: &Connection, exchange: &str) -> anyhow::Result<Publisher> {
        let channel = connection.create_channel().await.context("open a channel")?;
        let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(
                short("amqp.name", exchange)?,
                ExchangeKind::Topic,
                options,
                FieldTable::default(),
            )
            .await
            .with_context(|| format!("find exchange {exchange} (a worker declares it when it starts)"))?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.context("ask for confirms")?;
        Ok(Publisher { channel, exchange: short("amqp.name", exchange)? })
    }

    /// Publishes jobs under one routing key, and waits for all confirms.
    pub async fn publish(&self, routing: &str, jobs: impl Iterator<Item = OutgoingJob>) -> PublishReport {
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

    /// Publishes one message with the given properties, and waits for its confirm. Must not run beside another publish
    /// of this channel.
    ///
    /// # Errors
    /// The channel failed, or no confirm arrived within 30 s.
    pub async fn publish_one(
        &self,
        routing: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> anyhow::Result<PublishOutcome> {
        let confirm = self.send(short("routing key", routing)?, body, properties).await?;
        let confirmation = tokio::time::timeout(CONFIRM_TIMEOUT, confirm).await;
        match confirmation.context("the broker does not confirm")?.context("await the confirm")? {
            Confirmation::Ack(None) => Ok(PublishOutcome::Confirmed),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => Ok(PublishOutcome::Unroutable),
            Confirmation::Nack(None) => Ok(PublishOutcome::Refused),
            Confirmation::NotRequested => bail!("the channel is not in confirm mode"),
        }
    }

    async fn start(&self, routing: &str, job: OutgoingJob) -> anyhow::Result<PublisherConfirm> {
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
        let started = tokio::time::timeout(CONFIRM_TIMEOUT, published).await;
        started.context("the broker does not accept the message")?.context("publish")
    }
}

/// Messages of one `publish` call.
#[derive(Default)]
struct Run {
    waiting: VecDeque<(String, PublisherConfirm)>,
    outcomes: Vec<(String, PublishOutcome)>,
    /// Ids of returned messages; lapin may attach a return to the confirm of another message of the window.
    returned: HashSet<String>,
    broken: Option<anyhow::Error>,
}

impl Run {
    /// Awaits the oldest confirm; returns false if none is left or the confirm failed.
    async fn settle_one(&mut self) -> bool {
        let Some((message_id, confirm)) = self.waiting.pop_front() else { return false };
        let outcome = match tokio::time::timeout(CONFIRM_TIMEOUT, confirm).await {
            Ok(Ok(Confirmation::Nack(None))) => PublishOutcome::Refused,
            Ok(Ok(confirmation)) => {
                self.returned.extend(confirmation.take_message().and_then(|returned| {
                    let id = returned.properties.message_id().as_ref();
                    id.map(|id| id.as_str().to_owned())
                }));
                PublishOutcome::Confirmed
            }
            Ok(Err(error)) => {
                self.broken.get_or_insert(anyhow::Error::new(error).context("await the confirm"));
                PublishOutcome::Unconfirmed
            }
            Err(_) => {
                self.broken.get_or_insert_with(|| anyhow::anyhow!("the broker does not confirm"));
                PublishOutcome::Unconfirmed
            }
        };
        self.outcomes.push((message_id, outcome));
        if outcome == PublishOutcome::Unconfirmed {
            let rest =
                self.waiting.drain(..).map(|(message_id, _)| (message_id, PublishOutcome::Unconfirmed));
            self.outcomes.extend(rest);
            return false;
        }
        true
    }

    fn published(self) -> PublishReport {
        let Run { mut outcomes, returned, broken, .. } = self;
        for (_, outcome) in outcomes.iter_mut().filter(|(message_id, _)| returned.contains(message_id)) {
            *outcome = PublishOutcome::Unroutable;
        }
        PublishReport { outcomes, broken }
    }
}

/// A short string of AMQP.
///
/// # Errors
/// The text has more than 255 bytes; `what` names it.
pub(super) fn short(what: &str, text: &str) -> anyhow::Result<ShortString> {
    match ShortString::try_new(text) {
        Ok(text) => Ok(text),
        Err(_) => bail!("{what} has {} bytes; AMQP carries 255 at most", text.len()),
    }
}
