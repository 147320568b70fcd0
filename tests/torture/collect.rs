//! From the three journals (publishers', ledger's, providers') to the facts that are judged.
//!
//! Reads only, when everything stands still; what is in the queues is taken out of them. The ledger's part
//! is read over one connection, so that the audit's own trial can read what it has spoilt and not
//! committed. Read `audit` next.

use std::{collections::HashMap, time::Duration};

use anyhow::Context;
use chrono::{DateTime, Utc};
use lapin::options::BasicGetOptions;
use postrider_provider_simulator::{Call, Provider};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    facts::{Acceptance, AttemptFact, CallFact, Due, Facts, Fate, JobFact, MessageFact, Move, ReceiptFact},
    plan::{Job, Kind, Lane},
    publish::Published,
    support::{audit::BREACHES, sql::with_states},
    world::World,
};

const WITHIN: Duration = Duration::from_secs(30);

/// The publishers' part.
pub fn jobs(world: &World, published: &Published) -> Vec<JobFact> {
    let fact = |job: &Job| JobFact {
        key: world.plan.key(job.index),
        person: job.person,
        fate: match published.fate(job.index) {
            (_, true) => Fate::Confirmed,
            (true, false) => Fate::Unknown,
            (false, false) => Fate::Never,
        },
        due: match job.kind {
            Kind::Invalid(_) => Due::Rejection,
            Kind::DoNotSend => Due::Silence,
            Kind::Plain | Kind::Overtaken | Kind::Overtaker => Due::Ask,
        },
        provider: provider(job.lane).as_str(),
        address: world.plan.address(job.lane, job.person),
        block: world.block_key(job.lane, job.person),
    };
    world.plan.jobs.iter().map(fact).collect()
}

pub fn provider(lane: Lane) -> Provider {
    match lane {
        Lane::Mail => Provider::Mailgun,
        Lane::Text => Provider::Twilio,
        Lane::Relay => Provider::Smtp,
    }
}

/// The providers' part.
pub fn providers(world: &World, facts: &mut Facts) {
    let simulator = &world.env.simulator;
    let mut told: HashMap<String, Vec<(&'static str, bool)>> = HashMap::new();
    for receipt in simulator.receipts() {
        told.entry(receipt.provider_id).or_default().push((receipt.status, receipt.acknowledged));
    }
    let accepted = simulator.accepted().into_iter().map(|one| Acceptance {
        message: one.correlation.as_deref().and_then(|id| id.parse().ok()),
        attempt: one.attempt,
        provider: one.provider.as_str(),
        recipient: one.recipient,
        accepted_at: one.accepted_at,
        told: told.remove(&one.provider_id).unwrap_or_default(),
    });
    facts.acceptances = accepted.collect();
    let call = |call: Call| {
        let message = call.correlation.as_deref()?.parse().ok()?;
        Some(CallFact { message, attempt: call.attempt?, doubtful: call.doubtful })
    };
    facts.calls = simulator.calls().into_iter().filter_map(call).collect();
}

type MessageRow = (Uuid, String, i16, Option<String>, bool);
type MoveRow = (Uuid, i16, i16, i32, i32, Option<Uuid>);
type AttemptRow = (Uuid, i16, Option<DateTime<Utc>>, Option<i16>, Option<String>);

/// The ledger's part.
pub async fn ledger(connection: &mut PgConnection, facts: &mut Facts) -> anyhow::Result<()> {
    let rows: Vec<MessageRow> = sqlx::query_as(
        "select m.id, coalesce(r.ext_interaction_id, ''), m.state, m.reason, m.may_have_been_sent
            from message m left join request r on r.id = m.request order by m.id",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut attempts = attempts(connection).await?;
    let message = |(id, key, state, reason, may_have_been_sent): MessageRow| MessageFact {
        id,
        key,
        state,
        reason,
        may_have_been_sent,
        attempts: attempts.remove(&id).unwrap_or_default(),
    };
    facts.messages = rows.into_iter().map(message).collect();
    let kept: Vec<(Option<String>, bool)> = sqlx::query_as(
        "select message_key, coalesce(problems->0->>'code' = 'quarantined', false) from rejected_job",
    )
    .fetch_all(&mut *connection)
    .await?;
    let (quarantined, rejected): (Vec<_>, Vec<_>) = kept.into_iter().partition(|(_, held)| *held);
    let key = |(key, _): (Option<String>, bool)| key.unwrap_or_default();
    facts.rejected = rejected.into_iter().map(key).collect();
    facts.quarantined = quarantined.into_iter().map(key).collect();
    let receipts: Vec<(Uuid, String, bool)> =
        sqlx::query_as("select message, kind, looked_up from receipt where message is not null order by at")
            .fetch_all(&mut *connection)
            .await?;
    let receipt = |(message, kind, looked_up)| ReceiptFact { message, kind, looked_up };
    facts.receipts = receipts.into_iter().map(receipt).collect();
    let moves: Vec<MoveRow> = sqlx::query_as(
        "select message, previous_state, state, epoch_was, epoch, worker from torture_move order by number",
    )
    .fetch_all(&mut *connection)
    .await?;
    let step = |(message, previous_state, state, epoch_was, epoch, worker): MoveRow| Move {
        message,
        previous_state,
        state,
        epoch_was,
        epoch,
        worker,
    };
    facts.moves = moves.into_iter().map(step).collect();
    facts.breaches.clear();
    for (what, query) in BREACHES {
        let found: Vec<(Uuid,)> = sqlx::query_as(with_states(query)).fetch_all(&mut *connection).await?;
        facts.breaches.extend(found.into_iter().map(|(id,)| ((*what).to_owned(), id)));
    }
    let (leases,): (i64,) = sqlx::query_as("select count(*) from lease").fetch_one(&mut *connection).await?;
    facts.leases = usize::try_from(leases)?;
    let due: Vec<(Uuid,)> = sqlx::query_as("select message from due").fetch_all(connection).await?;
    facts.due = due.into_iter().map(|(id,)| id).collect();
    Ok(())
}

async fn attempts(connection: &mut PgConnection) -> anyhow::Result<HashMap<Uuid, Vec<AttemptFact>>> {
    let rows: Vec<AttemptRow> = sqlx::query_as(
        "select message, attempt, begun_at, outcome, code from attempt_past
            union all select id, attempt, begun_at, outcome, code from message where attempt > 0
            order by 1, 2",
    )
    .fetch_all(connection)
    .await?;
    let mut attempts: HashMap<Uuid, Vec<AttemptFact>> = HashMap::new();
    for (message, number, begun_at, outcome, code) in rows {
        let begun_at = begun_at.context("an attempt has its time")?;
        attempts.entry(message).or_default().push(AttemptFact { number, begun_at, outcome, code });
    }
    Ok(attempts)
}

/// Takes whatever is still in the queues out of them; gives keys with their queue.
pub async fn queues(world: &World) -> anyhow::Result<Vec<(String, String)>> {
    let (url, name) = (&world.env.amqp_url, &world.env.amqp_name);
    let connect = lapin::Connection::connect(url, lapin::ConnectionProperties::default());
    let connection = tokio::time::timeout(WITHIN, connect).await.context("the broker does not answer")??;
    let channel = connection.create_channel().await?;
    let mut found = Vec::new();
    for queue in ["requests", "parked", "unrouted"] {
        let full = format!("{name}.{queue}");
        while let Some(got) =
            channel.basic_get(full.as_str().into(), BasicGetOptions { no_ack: true }).await?
        {
            let key = got.properties.message_id().as_ref().map_or("", |id| id.as_str()).to_owned();
            found.push((key, queue.to_owned()));
        }
    }
    connection.close(200, "counted".into()).await?;
    Ok(found)
}
