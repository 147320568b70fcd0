//! From the queue into the journal: a batch is read, inserted, and only then acknowledged as a whole.
//!
//! One batch at a time: two at once changed nothing where it was measured. The broker goes on delivering
//! meanwhile, up to the prefetch.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anyhow::Context;
use futures_util::StreamExt;
use lapin::{
    Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use serde::Deserialize;
use tokio::{sync::mpsc, time};

use crate::{
    batch::BATCH_MAX,
    journal::{Job, Journal},
    settings::Settings,
};

const PREFETCH: u16 = 4_000;
const LINGER: Duration = Duration::from_millis(2);

pub async fn take(
    settings: Arc<Settings>,
    journal: Journal,
    to_call: mpsc::Sender<Job>,
) -> anyhow::Result<()> {
    let connection = Connection::connect(&settings.amqp_url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let queue = settings.queue.as_str().into();
    let mut consumer = channel.basic_consume(queue, "limit".into(), options, FieldTable::default()).await?;
    loop {
        let deliveries = next(&mut consumer).await?;
        let last = deliveries.last().context("a batch is not empty")?.delivery_tag;
        let jobs = deliveries.iter().map(job).collect::<anyhow::Result<Vec<Job>>>()?;
        let mut fresh: HashSet<String> = journal.insert(&jobs).await?.into_iter().collect();
        channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
        for job in jobs.into_iter().filter(|job| fresh.remove(&job.key)) {
            to_call.send(job).await.context("calls are made")?;
        }
    }
}

async fn next(consumer: &mut Consumer) -> anyhow::Result<Vec<Delivery>> {
    let mut batch = vec![consumer.next().await.context("the broker has gone")??];
    let until = time::sleep(LINGER);
    tokio::pin!(until);
    while batch.len() < BATCH_MAX {
        tokio::select! {
            biased;
            delivery = consumer.next() => batch.push(delivery.context("the broker has gone")??),
            () = &mut until => break,
        }
    }
    Ok(batch)
}

#[derive(Deserialize)]
struct Body {
    customer: Customer,
    employee: Employee,
    channel: String,
    ext_interaction_id: String,
}

#[derive(Deserialize)]
struct Customer {
    name: String,
    phone: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
struct Employee {
    email: String,
}

fn job(delivery: &Delivery) -> anyhow::Result<Job> {
    let key = delivery.properties.message_id().as_ref().context("a job has a message id")?;
    let body: Body = serde_json::from_slice(&delivery.data)?;
    let Customer { name, phone, email } = body.customer;
    Ok(Job {
        key: key.as_str().to_owned(),
        name,
        address: phone.or(email).context("a job has a phone number or an email address")?,
        employee: body.employee.email,
        channel: body.channel,
        interaction: body.ext_interaction_id,
    })
}
