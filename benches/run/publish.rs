//! Jobs into a row's queue, persistent and confirmed: all at once, or one by one on a schedule.
//!
//! Every row's queue is a quorum queue. Celery takes jobs in an envelope of its own; the job inside has the
//! same bytes as for the other rows.

use std::{collections::VecDeque, ops::Range};

use anyhow::{Context, ensure};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm,
    options::{
        BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use postrider::amqp::topology::Topology;

use crate::{
    jobs::{COMPANY, Job, job},
    workspace::Workspace,
};

const UNCONFIRMED_MAX: usize = 1_000;
/// Queues and exchanges that a Celery worker declares for delays as soon as it finds a quorum queue, one for each
/// bit of a delay; left behind, they would be other rows' burden.
const CELERY_DELAYED: usize = 28;

/// How a row's jobs are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Envelope {
    /// Through Postrider's own exchange.
    Postrider,
    /// Straight into the queue.
    Plain,
    /// As calls of this Celery task (message protocol 2).
    Celery { task: String },
}

/// A connection that makes a run's queue, fills it and takes it away.
pub struct Publisher {
    connection: Connection,
    channel: Channel,
}

impl Publisher {
    pub async fn connect(amqp_url: &str) -> anyhow::Result<Publisher> {
        let connection = Connection::connect(amqp_url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Publisher { connection, channel })
    }

    /// Makes the run's queue.
    pub async fn declare(&self, site: &Workspace, envelope: &Envelope) -> anyhow::Result<()> {
        if *envelope == Envelope::Postrider {
            return Topology::new(&site.name).declare(&self.connection).await;
        }
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(site.queue().into(), options, arguments).await?;
        Ok(())
    }

    /// Publishes these jobs; returns when the broker has confirmed every one.
    pub async fn fill(
        &self,
        site: &Workspace,
        envelope: &Envelope,
        jobs: Range<usize>,
    ) -> anyhow::Result<()> {
        let mut under_way = VecDeque::new();
        for n in jobs {
            under_way.push_back(self.publish(site, envelope, &job(n, site.medium)).await?);
            if under_way.len() >= UNCONFIRMED_MAX {
                confirm(under_way.pop_front()).await?;
            }
        }
        while !under_way.is_empty() {
            confirm(under_way.pop_front()).await?;
        }
        Ok(())
    }

    /// Returns when the job is on its way to the broker.
    pub async fn publish(
        &self,
        site: &Workspace,
        envelope: &Envelope,
        job: &Job,
    ) -> anyhow::Result<PublisherConfirm> {
        let properties =
            BasicProperties::default().with_delivery_mode(2).with_message_id(job.key.as_str().into());
        let (exchange, routing_key, body, properties) = match envelope {
            Envelope::Postrider => {
                (site.name.clone(), format!("requests.{COMPANY}"), job.body.clone(), properties)
            }
            Envelope::Plain => (String::new(), site.queue(), job.body.clone(), properties),
            Envelope::Celery { task } => (String::new(), site.queue(), call(job), celery(job, task)),
        };
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let published = self.channel.basic_publish(
            exchange.into(),
            routing_key.into(),
            options,
            body.as_bytes(),
            properties,
        );
        published.await.context("publish a job")
    }

    /// Deletes the row's queues; a missing queue is no error.
    pub async fn clean_up(self, site: &Workspace, envelope: &Envelope) -> anyhow::Result<()> {
        let mut queues =
            vec![site.queue(), format!("{}.parked", site.name), format!("{}.unrouted", site.name)];
        let mut exchanges = Vec::new();
        if let Envelope::Celery { .. } = envelope {
            let delayed = (0..CELERY_DELAYED).map(|level| format!("celery_delayed_{level}"));
            queues.extend(delayed.clone());
            exchanges.extend(delayed);
            exchanges.extend(["celery_delayed_delivery".to_owned(), site.queue()]);
        }
        for queue in queues {
            self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
        }
        for exchange in exchanges {
            self.channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await?;
        }
        self.connection.close(200, "done".into()).await?;
        Ok(())
    }
}

/// Waits until the broker has the job.
pub async fn confirm(confirm: Option<PublisherConfirm>) -> anyhow::Result<()> {
    let Some(confirm) = confirm else { return Ok(()) };
    let confirmed = confirm.await.context("wait for a confirm")?;
    ensure!(matches!(confirmed, Confirmation::Ack(None)), "the broker did not take a job: {confirmed:?}");
    Ok(())
}

/// Arguments, keyword arguments, and what is chained to the call.
fn call(job: &Job) -> String {
    let embed = r#"{"callbacks":null,"errbacks":null,"chain":null,"chord":null}"#;
    format!("[[{}],{{}},{embed}]", job.body)
}

fn celery(job: &Job, task: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in
        [("lang", "py"), ("task", task), ("id", job.key.as_str()), ("root_id", job.key.as_str())]
    {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    for name in ["parent_id", "group"] {
        headers.insert(name.into(), AMQPValue::Void);
    }
    BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id(job.key.as_str().into())
        .with_correlation_id(job.key.as_str().into())
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(headers)
}
