//! The second half of a run: no faults any more, healthy workers, and everything must come to its end.
//!
//! A system that survives everything and then stands still has not survived. The wait ends when nothing is
//! on its way, or when nothing has moved for a minute, which is a failure that the audit then names.

use crate::support::sql::with_states;
use std::{sync::Arc, time::Duration};

use anyhow::Context;
use lapin::options::QueueDeclareOptions;
use postrider::amqp::{dead_letters, session, topology::Topology};

use crate::{
    fleet::Blow,
    people,
    support::wait::elapse,
    world::{World, unhurried},
};

const NOTHING_MOVES_FOR: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// So many looks in a row must find the same nothing.
const LOOKS: u32 = 5;
const REPLAYED_AT_ONCE: usize = 10_000;

/// Takes every fault away and gives every worker a healthy start.
pub async fn heal(world: &World) -> anyhow::Result<()> {
    world.answers.cut(0);
    world.env.simulator.set_outage(false);
    world.env.simulator.set_behaviour(unhurried(world.plan.seed));
    world.env.simulator.release_hung();
    world.tell(&["start-postgres"]).await?;
    world.tell(&["start-broker"]).await?;
    world.fleet.arm(false);
    for place in 0..world.fleet.len() {
        world.fleet.strike(place, Blow::Terminate, Duration::ZERO).await;
    }
    Ok(())
}

/// Work that is still on its way.
#[derive(Debug, Clone, PartialEq)]
struct Rest {
    /// Requests and rejections: what has arrived.
    arrived: i64,
    on_their_way: i64,
    due: i64,
    leases: i64,
    ready: u32,
}

impl Rest {
    fn is_nothing(&self) -> bool {
        (self.on_their_way, self.due, self.leases, self.ready) == (0, 0, 0, 0)
    }
}

/// Waits until nothing moves any more; gives the parked jobs that were replayed.
pub async fn settle(world: &Arc<World>) -> anyhow::Result<usize> {
    let mut replayed = 0;
    let (mut last, mut since, mut looks) = (None, postrider_clock::monotonic(), 0);
    while looks < LOOKS {
        elapse(LOOK_EVERY).await;
        resume_all(world).await;
        replayed += replay(world).await.unwrap_or(0);
        let rest = look(world).await?;
        looks = if rest.is_nothing() && last.as_ref() == Some(&rest) { looks + 1 } else { 0 };
        if last.as_ref() != Some(&rest) {
            last = Some(rest);
            since = postrider_clock::monotonic();
        } else if postrider_clock::monotonic() - since > NOTHING_MOVES_FOR {
            eprintln!("nothing has moved for {NOTHING_MOVES_FOR:?}: {rest:?}");
            break;
        }
    }
    let settled = world.env.simulator.webhooks_settled();
    drop(tokio::time::timeout(NOTHING_MOVES_FOR, settled).await);
    Ok(replayed)
}

async fn look(world: &World) -> anyhow::Result<Rest> {
    let (arrived, on_their_way, due, leases): (i64, i64, i64, i64) = world
        .ask(
            "select (select count(*) from request) + (select count(*) from rejected_job),
                (select count(*) from message where state in ({Waiting}, {Sending}, {Unknown})),
                (select count(*) from due), (select count(*) from lease)",
        )
        .await?;
    // A broker that does not say is one more thing that is not at rest.
    let ready = ready(world, "requests").await.unwrap_or(u32::MAX);
    Ok(Rest { arrived, on_their_way, due, leases, ready })
}

async fn ready(world: &World, queue: &str) -> anyhow::Result<u32> {
    let connection = session::connect(&world.config.amqp, "torture-look").await?;
    let channel = connection.create_channel().await?;
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let name = format!("{}.{queue}", world.env.amqp_name);
    let queue = channel.queue_declare(name.into(), passive, Default::default()).await?;
    let ready = queue.message_count();
    session::close(&connection).await;
    Ok(ready)
}

/// Resumes all paused requests, as the company's operators would.
async fn resume_all(world: &World) {
    let paused: Result<Vec<(uuid::Uuid,)>, _> = sqlx::query_as(with_states(
        "select id from message where paused_at is not null and state in ({Waiting}, {Sending}, {Unknown})",
    ))
    .fetch_all(&world.env.pool)
    .await;
    for (message,) in paused.unwrap_or_default() {
        drop(people::resume_one(world, message).await);
    }
}

/// Parked jobs get another chance, as the operator would give them.
async fn replay(world: &World) -> anyhow::Result<usize> {
    if ready(world, "parked").await? == 0 {
        return Ok(0);
    }
    let connection = session::connect(&world.config.amqp, "torture-replay").await?;
    let wish = dead_letters::ReplayQuery { max: REPLAYED_AT_ONCE, ..Default::default() };
    let topology = Topology::new(&world.env.amqp_name);
    let replayed = dead_letters::replay(&connection, &topology, &wish).await.context("replay parked jobs")?;
    session::close(&connection).await;
    Ok(replayed.replays.len())
}
