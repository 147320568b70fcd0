//! The parking lot: deliveries that killed their workers too often, to be looked at and replayed.
//!
//! Looking takes without acknowledging; closing the channel puts everything back in its place. Replaying
//! publishes a copy under the key that it came with and acknowledges the parked one only after the
//! broker's confirm: in between a death leaves both, and the message id, which is kept, makes them one
//! request. Never consumes: nothing here runs by itself.

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
    publisher::{Fate, Producer},
    topology::Topology,
};

const REPLAY_OF: &str = "x-replay-of";
/// The broker's own notes about deliveries and deaths: they are about the parked copy.
const BROKERS_NOTES: [&str; 4] = ["x-death", "x-delivery-count", "x-acquired-count", "x-opt-delivery-count"];
const BROKERS_NOTES_PREFIXES: [&str; 2] = ["x-first-death-", "x-last-death-"];

/// A parked message as listed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parked {
    pub message_id: Option<String>,
    /// The key that it was published with.
    pub routing_key: String,
    pub body_bytes: usize,
    /// Why it was dead-lettered, as the broker says it.
    pub reason: Option<String>,
    /// How often that happened.
    pub deaths: Option<i64>,
    pub died_at: Option<DateTime<Utc>>,
    /// How often it was taken from the parking lot before and put back.
    pub deliveries: i64,
}

/// What to replay.
#[derive(Debug, Clone, Default)]
pub struct ReplayWish {
    /// Messages taken at most.
    pub max: usize,
    /// Only the one with this message id.
    pub only: Option<String>,
    /// The broker user that we are; no other may be named as a message's user.
    pub speaker: Option<String>,
}

/// One parked message and what became of its replay.
#[derive(Debug, Clone)]
pub struct Replay {
    pub parked: Parked,
    pub fate: Fate,
    /// Its publisher's user id could not be kept.
    pub nameless: bool,
}

/// What became of a whole replay.
#[derive(Debug)]
pub struct Replayed {
    pub replays: Vec<Replay>,
    /// Why the rest was not replayed.
    pub broken: Option<anyhow::Error>,
}

/// The broker user of a URL.
#[must_use]
pub fn speaker(url: &SecretString) -> Option<String> {
    let uri: AMQPUri = url.expose_secret().parse().ok()?;
    Some(uri.authority.userinfo.username)
}

/// Looks at the first messages of the parking lot; gives how many more there are, too.
pub async fn list(
    connection: &Connection,
    topology: &Topology,
    max: usize,
) -> anyhow::Result<(Vec<Parked>, u32)> {
    let channel = connection.create_channel().await.context("open a channel")?;
    let (mut parked, mut more) = (Vec::new(), 0);
    while parked.len() < max {
        let Some(got) = get(&channel, topology).await? else { break };
        more = got.message_count;
        parked.push(describe(&got.delivery, topology));
    }
    close(&channel).await?;
    Ok((parked, more))
}

/// Replays messages, the oldest first, and stops at the first that the broker does not take.
pub async fn replay(
    connection: &Connection,
    topology: &Topology,
    wish: &ReplayWish,
) -> anyhow::Result<Replayed> {
    let channel = connection.create_channel().await.context("open a channel")?;
    let producer = Producer::open(connection, topology.exchange()).await?;
    let mut replays = Vec::new();
    let moved = async {
        let mut left = None;
        while replays.len() < wish.max && left != Some(0) {
            let Some(got) = get(&channel, topology).await? else { break };
            // What is parked again meanwhile is not replayed again.
            left = Some(left.map_or(got.message_count, |left: u32| left - 1));
            let parked = describe(&got.delivery, topology);
            if wish.only.is_some() && wish.only != parked.message_id {
                continue;
            }
            let (properties, nameless) = copied(&got.properties, wish.speaker.as_deref());
            let fate = producer.publish_one(&parked.routing_key, &got.data, properties).await?;
            let taken = fate == Fate::Confirmed;
            if taken {
                let acknowledged = channel.basic_ack(got.delivery_tag, BasicAckOptions::default()).await;
                acknowledged.context("acknowledge")?;
            }
            replays.push(Replay { parked, fate, nameless });
            if !taken || wish.only.is_some() {
                break;
            }
        }
        close(&channel).await
    };
    let broken = moved.await.err();
    Ok(Replayed { replays, broken })
}

async fn get(channel: &Channel, topology: &Topology) -> anyhow::Result<Option<BasicGetMessage>> {
    let queue = topology.parked();
    let got = channel.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: false }).await;
    got.with_context(|| format!("read queue {queue} (a worker makes it when it starts)"))
}

/// Only the broker's answer proves that acknowledgements came before and the rest is back.
async fn close(channel: &Channel) -> anyhow::Result<()> {
    channel.close(200, "seen".into()).await.context("close the channel")
}

fn describe(delivery: &Delivery, topology: &Topology) -> Parked {
    let headers = delivery.properties.headers().clone().unwrap_or_default();
    let death = death(&headers, &topology.requests());
    let text = |name: &str| Some(text(death.as_ref()?.inner().get(name)?)?.to_owned());
    Parked {
        message_id: delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned()),
        routing_key: death
            .as_ref()
            .and_then(first_key)
            .unwrap_or_else(|| delivery.routing_key.as_str().to_owned()),
        body_bytes: delivery.data.len(),
        reason: text("reason"),
        deaths: death.as_ref().and_then(|death| number(death.inner().get("count")?)),
        died_at: death.as_ref().and_then(|death| match death.inner().get("time")? {
            AMQPValue::Timestamp(secs) => DateTime::from_timestamp(i64::try_from(*secs).ok()?, 0),
            _ => None,
        }),
        deliveries: headers.inner().get("x-delivery-count").and_then(number).unwrap_or(0),
    }
}

/// The death in the requests' queue, else the latest.
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

fn text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}

pub(crate) fn number(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::LongLongInt(number) => Some(*number),
        AMQPValue::LongInt(number) => Some(i64::from(*number)),
        AMQPValue::LongUInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortShortUInt(number) => Some(i64::from(*number)),
        _ => None,
    }
}

/// The copy's properties, and whether its publisher's name had to go: the broker closes the channel of
/// whoever names another user than itself.
fn copied(properties: &BasicProperties, speaker: Option<&str>) -> (BasicProperties, bool) {
    let mut headers = FieldTable::default();
    for (name, value) in properties.headers().iter().flat_map(|headers| headers.inner()) {
        let word = name.as_str();
        let brokers =
            BROKERS_NOTES.contains(&word) || BROKERS_NOTES_PREFIXES.iter().any(|note| word.starts_with(note));
        if !brokers {
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
        Some(user) if Some(user.as_str()) == speaker => (copy.with_user_id(user.clone()), false),
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
    fn a_parked_message_tells_its_own_key_and_its_death_in_our_queue() {
        let parked = describe(&delivery(headers()), &Topology::new("postrider"));
        assert_eq!(parked.routing_key, "requests.acme");
        assert_eq!((parked.reason.as_deref(), parked.deaths), (Some("delivery_limit"), Some(2)));
        assert_eq!((parked.died_at, parked.deliveries), (DateTime::from_timestamp(60, 0), 4));
    }

    #[test]
    fn without_a_death_the_key_is_the_one_that_it_came_with() {
        let parked = describe(&delivery(FieldTable::default()), &Topology::new("postrider"));
        assert_eq!((parked.routing_key.as_str(), parked.deaths), ("now.here", None));
    }

    #[test]
    fn the_copy_keeps_the_message_id_and_drops_the_brokers_notes() {
        let (copy, _) = copied(&delivery(headers()).properties, Some("crm"));
        let names: Vec<String> =
            copy.headers().iter().flat_map(|table| table.inner()).map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["traceparent", REPLAY_OF]);
        assert_eq!(copy.message_id().as_ref().map(|id| id.as_str()), Some("m-1"));
        assert_eq!(copy.content_type().as_ref().map(|kind| kind.as_str()), Some("application/json"));
    }

    #[test]
    fn another_users_name_is_not_kept_because_the_broker_refuses_it() {
        let properties = delivery(headers()).properties;
        let (own, own_nameless) = copied(&properties, Some("crm"));
        assert!(own.user_id().is_some() && !own_nameless);
        let (other, nameless) = copied(&properties, Some("operator"));
        assert!(other.user_id().is_none() && nameless);
    }
}
