//! The consumer of responses: one batch after another, acknowledged after its commit.
//!
//! Simpler than `consumer`: responses are few beside requests, so one batch at a time is enough, and `multiple` up to
//! its last tag covers exactly that batch. An invalid response is kept as a rejected job; one that ends its worker
//! again and again becomes a dead letter by the queue's delivery limit. It has a connection of its own, so that
//! failures with responses do not stop requests.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio_util::sync::CancellationToken;

use crate::{
    amqp::{
        acks::Acks,
        consumer::{SessionEnd, Unwritten, acknowledge, inbound_job, write_until},
        topology::{RESPONSES, Topology},
    },
    config::Amqp,
    intake::{
        Acceptor, InboundJob, admit,
        rejection::{rejection, write_rejections},
        responses::{ResponseOutcome, conflict_problem},
    },
    telemetry::names,
};
use postrider_ledger::LedgerError;

const BATCH_MAX: usize = 200;

/// Consumes responses until the session ends.
pub(super) async fn consume(
    acceptor: &Acceptor,
    config: &Amqp,
    channel: &Channel,
    stop: CancellationToken,
) -> SessionEnd {
    let mut consumer = match subscribe(config, channel).await {
        Ok(consumer) => consumer,
        Err(error) => return SessionEnd::Broken(format!("subscribe to responses: {error}")),
    };
    loop {
        let delivery = tokio::select! {
            () = stop.cancelled() => return SessionEnd::Stopped,
            delivery = consumer.next() => delivery,
        };
        let mut batch = match delivery {
            Some(Ok(delivery)) => vec![delivery],
            Some(Err(error)) => return SessionEnd::Broken(format!("consumer of responses: {error}")),
            None => return SessionEnd::Broken("the broker ended the subscription to responses".to_owned()),
        };
        // Further deliveries that are here already. An error ends the stream, which the next `next` returns.
        while batch.len() < BATCH_MAX
            && let Some(Some(Ok(delivery))) = consumer.next().now_or_never()
        {
            batch.push(delivery);
        }
        if let Err(end) = settle(acceptor, config, channel, batch).await {
            return end;
        }
    }
}

async fn subscribe(config: &Amqp, channel: &Channel) -> Result<Consumer, lapin::Error> {
    channel.basic_qos(2 * BATCH_MAX as u16, BasicQosOptions { global: false }).await?;
    let tag = format!("postrider-{}", postrider_clock::random_id().simple());
    let queue = Topology::new(&config.name).responses();
    channel
        .basic_consume(queue.into(), tag.into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
}

/// Writes a batch, repeated for `amqp.database_patience_secs`, then acknowledges it.
async fn settle(
    acceptor: &Acceptor,
    config: &Amqp,
    channel: &Channel,
    batch: Vec<Delivery>,
) -> Result<(), SessionEnd> {
    let Some(last) = batch.last().map(|delivery| delivery.delivery_tag) else { return Ok(()) };
    let responses: Vec<InboundJob> =
        batch.into_iter().map(|delivery| inbound_job(delivery, RESPONSES)).collect();
    let timeout = Duration::from_secs(config.database_patience_secs);
    let acceptor = acceptor.clone();
    // A task of its own: a panic ends this session, not the worker.
    let writing = tokio::spawn(async move {
        let written = write_until(timeout, || write(&acceptor, &responses)).await;
        written.map_err(|_| Unwritten(responses))
    });
    match writing.await {
        Ok(Ok(())) => {}
        Ok(Err(unwritten)) => return Err(SessionEnd::DatabaseAway(unwritten)),
        Err(_) => {
            metrics::counter!(names::PANICS, "place" => "intake").increment(1);
            return Err(SessionEnd::Broken("writing a batch of responses panicked".to_owned()));
        }
    }
    acknowledge(channel, Acks { up_to: Some(last), singly: Vec::new() }).await
}

/// Writes a batch of responses; the refused ones become rejected jobs. Repeating it is harmless.
pub(super) async fn write(acceptor: &Acceptor, responses: &[InboundJob]) -> Result<(), LedgerError> {
    let outcomes = acceptor.accept_responses(responses).await?;
    let mut rejections = Vec::new();
    for (response, outcome) in responses.iter().zip(outcomes) {
        let (company, problems) = match outcome {
            ResponseOutcome::Kept(_) => continue,
            ResponseOutcome::Conflict(company) => (Some(company), vec![conflict_problem()]),
            ResponseOutcome::Refused(company, problems) => (company, problems),
        };
        let owner = company.and_then(|_| admit::owner(acceptor, response));
        rejections.push(rejection(&acceptor.keys, response, owner, problems));
    }
    write_rejections(&acceptor.ledger, rejections).await
}
