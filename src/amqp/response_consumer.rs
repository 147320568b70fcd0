//! The consumer of responses: one batch after another, acknowledged when it is committed.
//!
//! A small sibling of `consumer`: responses are few beside requests, so one batch at a time is enough, and
//! `multiple` up to its last tag says no more than that it is written. What cannot be taken is kept as a
//! rejected job; what kills its worker again and again is parked by the queue's delivery limit. On a
//! connection of its own: trouble with responses is none of the requests'.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::sync::watch;

use crate::{config::Amqp, telemetry::names, worker::stages::stopped};
use postrider_domain::document::Problem;
use postrider_ledger::LedgerError;

use crate::{
    amqp::{
        consumer::{BROKER_CALL_WITHIN, End, Unwritten, arrival, patiently},
        topology::{RESPONSES, Topology},
    },
    intake::{Acceptor, InboundJob, accept::rejection, responses::ResponseOutcome},
};

const BATCH_MAX: usize = 200;

/// Consumes until the generation ends.
pub async fn consume(
    acceptor: &Acceptor,
    config: &Amqp,
    channel: &Channel,
    mut stop: watch::Receiver<bool>,
) -> End {
    let mut consumer = match subscribe(config, channel).await {
        Ok(consumer) => consumer,
        Err(error) => return End::Broken(format!("subscribe to responses: {error}")),
    };
    loop {
        let delivery = tokio::select! {
            () = stopped(&mut stop) => return End::Stopped,
            delivery = consumer.next() => delivery,
        };
        let mut batch = match delivery {
            Some(Ok(delivery)) => vec![delivery],
            Some(Err(error)) => return End::Broken(format!("consumer of responses: {error}")),
            None => return End::Broken("the broker ended the subscription to responses".to_owned()),
        };
        // Whatever has come meanwhile; an error ends the stream and is seen by the next look.
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

/// Writes a batch, however long the database takes within our patience, then acknowledges it.
async fn settle(
    acceptor: &Acceptor,
    config: &Amqp,
    channel: &Channel,
    batch: Vec<Delivery>,
) -> Result<(), End> {
    let Some(last) = batch.last().map(|delivery| delivery.delivery_tag) else { return Ok(()) };
    let arrivals: Vec<InboundJob> = batch.into_iter().map(|delivery| arrival(delivery, RESPONSES)).collect();
    let patience = Duration::from_secs(config.database_patience_secs);
    let (taker, taken) = (acceptor.clone(), arrivals.clone());
    let written = tokio::spawn(patiently(
        taker,
        move |acceptor| {
            let arrivals = taken.clone();
            async move { take(&acceptor, &arrivals).await }
        },
        patience,
    ));
    match written.await {
        Ok(Some(())) => {}
        Ok(None) => return Err(End::DatabaseAway(Unwritten(arrivals))),
        Err(error) => {
            metrics::counter!(names::PANICS, "place" => "intake").increment(1);
            return Err(End::Broken(format!("a batch of responses panicked: {}", error.is_panic())));
        }
    }
    let acked = channel.basic_ack(last, BasicAckOptions { multiple: true });
    match tokio::time::timeout(BROKER_CALL_WITHIN, acked).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(End::Broken(format!("acknowledge: {error}"))),
        Err(_) => Err(End::Broken("acknowledge: the broker does not take it".to_owned())),
    }
}

/// Takes a batch and keeps what is refused as rejected jobs.
pub(super) async fn take(acceptor: &Acceptor, arrivals: &[InboundJob]) -> Result<(), LedgerError> {
    let heard = acceptor.accept_responses(arrivals).await?;
    let mut rejections = Vec::new();
    for (arrival, heard) in arrivals.iter().zip(heard) {
        let (company, problems) = match heard {
            ResponseOutcome::Kept(_) => continue,
            ResponseOutcome::Conflict(company) => (Some(company), vec![conflict()]),
            ResponseOutcome::Refused(company, problems) => (company, problems),
        };
        let known = acceptor.company(&acceptor.company_cache.snapshot(), arrival).ok();
        let whose = company.and(known).map(|(company, test)| (company.id, test));
        rejections.push(rejection(&acceptor.keys, arrival, whose, problems));
    }
    acceptor.keep_rejections(&rejections).await
}

/// The problem of a response whose id was used for another one.
#[must_use]
pub fn conflict() -> Problem {
    let message = "another response with this response_id and other content was taken before; use a new id";
    Problem::new("response_id", "conflict", message)
}
