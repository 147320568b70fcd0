//! Dead letters: messages over the broker's delivery limit, listed and replayed by `postrider parked`.
//!
//! A listing gets messages without an ack; closing the channel returns them to their places. A replay publishes a copy
//! under the original routing key and acknowledges the dead letter after the confirm: a crash in between leaves both,
//! and the message id, which the copy keeps, makes them one request. No task of the worker runs anything here.

use anyhow::Context;
use chrono::{DateTime, Utc};
use lapin::{
    BasicProperties, Channel, Connection,
    message::{BasicGetMessage, Delivery},
    options::{BasicAckOptions, BasicGetOptions},
    types::{AMQPValue, FieldTable, LongString},
    uri::AMQPUri,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::amqp::{
    headers::{number, text},
    publisher::{PublishOutcome, Publisher},
    topology::Topology,
};

const REPLAY_OF: &str = "x-replay-of";
/// Headers that the broker set on the dead letter; a copy goes without them.
const BROKER_HEADERS: [&str; 4] = ["x-death", "x-delivery-count", "x-acquired-count", "x-opt-delivery-count"];
const BROKER_HEADER_PREFIXES: [&str; 2] = ["x-first-death-", "x-last-death-"];

/// A dead letter as listed; its fields are those of `postrider parked list --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadLetter {
    pub message_id: Option<String>,
    /// The routing key of its publisher.
    pub routing_key: String,
    pub body_bytes: usize,
    /// The broker's reason, such as `delivery_limit`.
    pub reason: Option<String>,
    /// Number of times it became a dead letter.
    pub deaths: Option<i64>,
    pub died_at: Option<DateTime<Utc>>,
    /// Number of earlier deliveries from the queue of dead letters: one for each listing.
    pub deliveries: i64,
}

/// Selection of dead letters to replay.
#[derive(Debug, Clone, Default)]
pub struct ReplayQuery {
    /// Bound of replayed letters.
    pub max: usize,
    /// Only the letter with this message id.
    pub message_id: Option<String>,
    /// The user of this connection: the broker refuses any other as the user id of a message.
    pub broker_user: Option<String>,
}

/// One replayed dead letter.
#[derive(Debug, Clone)]
pub struct Replay {
    pub letter: DeadLetter,
    pub outcome: PublishOutcome,
    /// The copy goes without the user id of its publisher.
    pub user_dropped: bool,
}

/// Results of one `replay`.
#[derive(Debug)]
pub struct ReplayReport {
    pub replays: Vec<Replay>,
    /// The error that kept the other letters from being replayed.
    pub broken: Option<anyhow::Error>,
}

/// The user in an AMQP URL; none if the URL cannot be parsed.
#[must_use]
pub fn broker_user(url: &SecretString) -> Option<String> {
    let uri: AMQPUri = url.expose_secret().parse().ok()?;
    Some(uri.authority.userinfo.username)
}

/// The first `max` dead letters, and the number of further ones.
///
/// # Errors
/// The queue does not exist, or the connection failed.
pub async fn list(
    connection: &Connection,
    topology: &Topology,
    max: usize,
) -> anyhow::Result<(Vec<DeadLetter>, u32)> {
    let channel = connection.create_channel().await.context("open a channel")?;
    let (mut letters, mut more) = (Vec::new(), 0);
    while letters.len() < max {
        let Some(got) = get(&channel, topology).await? else { break };
        more = got.message_count;
        letters.push(describe(&got.delivery, topology));
    }
    close(&channel).await?;
    Ok((letters, more))
}

/// Replays dead letters, the oldest first, up to the first one that the broker does not confirm.
///
/// # Errors
/// No channel could be opened. Later errors are in the report.
pub async fn replay(
    connection: &Connection,
    topology: &Topology,
    query: &ReplayQuery,
) -> anyhow::Result<ReplayReport> {
    let channel = connection.create_channel().await.context("open a channel")?;
    let publisher = Publisher::open(connection, topology.exchange()).await?;
    let mut replays = Vec::new();
    let moved = async {
        let mut left = None;
        while replays.len() < query.max && left != Some(0) {
            let Some(got) = get(&channel, topology).await? else { break };
            // Replays the letters that were there at the start: a copy may become a dead letter again meanwhile.
            left = Some(left.map_or(got.message_count, |left: u32| left - 1));
            let letter = describe(&got.delivery, topology);
            if query.message_id.is_some() && query.message_id != letter.message_id {
                continue;
            }
            let (properties, user_dropped) = copy_properties(&got.properties, query.broker_user.as_deref());
            let outcome = publisher.publish_one(&letter.routing_key, &got.data, properties).await?;
            let is_confirmed = outcome == PublishOutcome::Confirmed;
            if is_confirmed {
                let acknowledged = channel.basic_ack(got.delivery_tag, BasicAckOptions::default()).await;
                acknowledged.context("acknowledge")?;
            }
            replays.push(Replay { letter, outcome, user_dropped });
            if !is_confirmed || query.message_id.is_some() {
                break;
            }
        }
        close(&channel).await
    };
    let broken = moved.await.err();
    Ok(ReplayReport { replays, broken })
}

async fn get(channel: &Channel, topology: &Topology) -> anyhow::Result<Option<BasicGetMessage>> {
    let queue = topology.dead_letters();
    let got = channel.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: false }).await;
    got.with_context(|| format!("read queue {queue} (a worker declares it when it starts)"))
}

/// Closes the channel; the broker's answer proves that acks arrived and unacknowledged letters are back.
async fn close(channel: &Channel) -> anyhow::Result<()> {
    channel.close(200, "done".into()).await.context("close the channel")
}

fn describe(delivery: &Delivery, topology: &Topology) -> DeadLetter {
    let headers = delivery.properties.headers().clone().unwrap_or_default();
    let death = death(&headers, &topology.requests());
    let death_text = |name: &str| Some(text(death.as_ref()?.inner().get(name)?)?.to_owned());
    DeadLetter {
        message_id: delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned()),
        routing_key: death
            .as_ref()
            .and_then(first_key)
            .unwrap_or_else(|| delivery.routing_key.as_str().to_owned()),
        body_bytes: delivery.data.len(),
        reason: death_text("reason"),
        deaths: death.as_ref().and_then(|death| number(death.inner().get("count")?)),
        died_at: death.as_ref().and_then(|death| match death.inner().get("time")? {
            AMQPValue::Timestamp(secs) => DateTime::from_timestamp(i64::try_from(*secs).ok()?, 0),
            _ => None,
        }),
        deliveries: headers.inner().get("x-delivery-count").and_then(number).unwrap_or(0),
    }
}

/// The entry of `x-death` about the queue of requests, otherwise the latest one.
fn death(headers: &FieldTable, requests: &str) -> Option<FieldTable> {
    let AMQPValue::FieldArray(deaths) = headers.inner().get("x-death")? else { return None };
    let deaths: Vec<&FieldTable> = deaths
        .as_slice()
        .iter()
        .filter_map(|death| match death {
            AMQPValue::FieldTable(death) => Some(death),
            _ => None,
        })
        .collect();
    let ours = deaths.iter().find(|death| death.inner().get("queue").and_then(text) == Some(requests));
    ours.or(deaths.first()).map(|death| (*death).clone())
}

fn first_key(death: &FieldTable) -> Option<String> {
    match death.inner().get("routing-keys")? {
        AMQPValue::FieldArray(keys) => Some(text(keys.as_slice().first()?)?.to_owned()),
        _ => None,
    }
}

/// The copy's properties, and whether the user id was dropped: the broker closes a channel that publishes under the id
/// of another user.
fn copy_properties(properties: &BasicProperties, broker_user: Option<&str>) -> (BasicProperties, bool) {
    let mut headers = FieldTable::default();
    for (name, value) in properties.headers().iter().flat_map(|headers| headers.inner()) {
        let header = name.as_str();
        let is_brokers = BROKER_HEADERS.contains(&header)
            || BROKER_HEADER_PREFIXES.iter().any(|prefix| header.starts_with(prefix));
        if !is_brokers {
            headers.insert(name.clone(), value.clone());
        }
    }
    let id = properties.message_id().as_ref().map_or("", |id| id.as_str());
    headers.insert(REPLAY_OF.into(), AMQPValue::LongString(LongString::from(id)));
    let mut copy = BasicProperties::default().with_headers(headers).with_delivery_mode(2);
    macro_rules! keep {
        ($($field:ident => $with:ident),+) => {
            $(if let Some(value) = properties.$field() { copy = copy.$with(value.clone()); })+
        };
    }
    keep!(
        content_type => with_content_type, content_encoding => with_content_encoding, priority => with_priority,
        correlation_id => with_correlation_id, reply_to => with_reply_to, expiration => with_expiration,
        message_id => with_message_id, timestamp => with_timestamp, kind => with_type, app_id => with_app_id
    );
    match properties.user_id() {
        Some(user) if Some(user.as_str()) == broker_user => (copy.with_user_id(user.clone()), false),
        Some(_) => (copy, true),
        None => (copy, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::types::FieldArray;

    fn long(text: &str) -> AMQPValue {
        AMQPValue::LongString(LongString::from(text))
    }

    fn death_in(queue: &str, key: &str) -> AMQPValue {
        let mut death = FieldTable::default();
        death.insert("queue".into(), long(queue));
        death.insert("reason".into(), long("delivery_limit"));
        death.insert("count".into(), AMQPValue::LongLongInt(2));
        death.insert("time".into(), AMQPValue::Timestamp(60));
        death.insert("routing-keys".into(), AMQPValue::FieldArray(FieldArray::from(vec![long(key)])));
        AMQPValue::FieldTable(death)
    }

    fn delivery(headers: FieldTable) -> Delivery {
        let mut delivery = Delivery::mock(1, "dead".into(), "now.here".into(), false, b"{}".to_vec());
        delivery.properties = BasicProperties::default()
            .with_message_id("m-1".into())
            .with_user_id("crm".into())
            .with_content_type("application/json".into())
            .with_headers(headers);
        delivery
    }

    fn headers() -> FieldTable {
        let mut headers = FieldTable::default();
        let deaths = vec![death_in("elsewhere", "other"), death_in("postrider.requests", "requests.acme")];
        headers.insert("x-death".into(), AMQPValue::FieldArray(FieldArray::from(deaths)));
        headers.insert("x-first-death-queue".into(), long("postrider.requests"));
        headers.insert("x-delivery-count".into(), AMQPValue::LongLongInt(4));
        headers.insert("traceparent".into(), long("00-1"));
        headers
    }

    #[test]
    fn a_dead_letter_has_its_original_routing_key_and_its_death_in_our_queue() {
        let letter = describe(&delivery(headers()), &Topology::new("postrider"));
        assert_eq!(letter.routing_key, "requests.acme");
        assert_eq!((letter.reason.as_deref(), letter.deaths), (Some("delivery_limit"), Some(2)));
        assert_eq!((letter.died_at, letter.deliveries), (DateTime::from_timestamp(60, 0), 4));
    }

    #[test]
    fn without_a_death_the_routing_key_is_that_of_the_delivery() {
        let letter = describe(&delivery(FieldTable::default()), &Topology::new("postrider"));
        assert_eq!((letter.routing_key.as_str(), letter.deaths), ("now.here", None));
    }

    #[test]
    fn the_copy_keeps_the_message_id_and_drops_the_brokers_headers() {
        let (copy, _) = copy_properties(&delivery(headers()).properties, Some("crm"));
        let names: Vec<String> =
            copy.headers().iter().flat_map(|table| table.inner()).map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["traceparent", REPLAY_OF]);
        assert_eq!(copy.message_id().as_ref().map(|id| id.as_str()), Some("m-1"));
        assert_eq!(copy.content_type().as_ref().map(|kind| kind.as_str()), Some("application/json"));
    }

    #[test]
    fn another_user_id_is_dropped_because_the_broker_refuses_it() {
        let properties = delivery(headers()).properties;
        let (own, own_dropped) = copy_properties(&properties, Some("crm"));
        assert!(own.user_id().is_some() && !own_dropped);
        let (other, other_dropped) = copy_properties(&properties, Some("operator"));
        assert!(other.user_id().is_none() && other_dropped);
    }
}
