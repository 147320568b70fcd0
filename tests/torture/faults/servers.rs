//! Faults of RabbitMQ and Postgres: restarted politely and not, connections and channels ended from inside,
//! answers lost on their way.
//!
//! One at a time. A server that is taken down is up again before the turn ends.

use std::{sync::Arc, time::Duration};

use anyhow::bail;
use tokio::sync::watch;

use super::{Tally, Turns, is_over};
use crate::{arguments::Emphasis, dice::Dice, support::wait::elapse, world::World};

pub const KINDS: [&str; 7] = [
    "broker_restarted",
    "broker_killed",
    "broker_connections_closed",
    "broker_channels_killed",
    "postgres_stopped_at_once",
    "postgres_backends_ended",
    "postgres_answers_lost",
];
/// The ones that hit the epoch.
const AIMED: [&str; 2] = ["postgres_backends_ended", "postgres_answers_lost"];

const QUEUES_SETTLE_FOR: Duration = Duration::from_secs(4);
const ROUNDS: u32 = 10;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(150);
const ANSWERS_LOST_FOR: (u32, u32) = (1_500, 3_000);

/// The kinds of faults in a run with this emphasis.
pub fn kinds(emphasis: Option<Emphasis>) -> &'static [&'static str] {
    match emphasis {
        Some(Emphasis::Epoch) => &AIMED,
        Some(Emphasis::Fence | Emphasis::Reservation) => &[],
        None => &KINDS,
    }
}

pub async fn run(world: Arc<World>, tally: Arc<Tally>, calm: watch::Receiver<bool>) -> anyhow::Result<()> {
    let kinds = kinds(world.arguments.emphasis);
    if kinds.is_empty() {
        return Ok(());
    }
    let mut dice = Dice::new(world.plan.seed, "servers");
    let mut turns = Turns::new(kinds, world.arguments.each, Dice::new(world.plan.seed, "servers' turns"));
    // A quorum queue that is killed within a second or two of its declaration can be lost by the broker
    // itself (seen with RabbitMQ 3.10): nothing was confirmed by it, and nothing comes of the run.
    elapse(QUEUES_SETTLE_FOR).await;
    while !is_over(&calm) {
        let fault = turns.next();
        tally.during(fault, strike(&world, fault, &mut dice)).await?;
        // When every kind had its turns, the load is what is waited for.
        let (least, most) = if turns.is_free() { (5_000, 12_000) } else { (3_000, 6_000) };
        elapse(dice.millis(least, most)).await;
    }
    Ok(())
}

async fn strike(world: &World, fault: &'static str, dice: &mut Dice) -> anyhow::Result<()> {
    match fault {
        "broker_restarted" => world.tell(&["restart-broker"]).await.map(drop),
        "broker_killed" => world.tell(&["restart-broker", "kill"]).await.map(drop),
        "broker_connections_closed" => {
            world.tell(&["rabbitmqctl", "close_all_connections", "torture"]).await.map(drop)
        }
        "broker_channels_killed" => {
            let kill = "[exit(Channel, kill) || Channel <- rabbit_channel:list()].";
            world.tell(&["rabbitmqctl", "eval", kill]).await.map(drop)
        }
        "postgres_stopped_at_once" => world.tell(&["restart-postgres", "immediate"]).await.map(drop),
        "postgres_backends_ended" => {
            end_backends(world).await;
            Ok(())
        }
        "postgres_answers_lost" => {
            world.answers.cut(*dice.pick(&[30, 100, 300]));
            elapse(dice.millis(ANSWERS_LOST_FOR.0, ANSWERS_LOST_FOR.1)).await;
            world.answers.cut(0);
            Ok(())
        }
        other => bail!("no such fault: {other}"),
    }
}

/// Ends the workers' busy connections, again and again.
async fn end_backends(world: &World) {
    let query = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where application_name = 'postrider' and (state = 'active' or random() < 0.2)";
    for _ in 0..ROUNDS {
        // An error says that the database is away: nothing is left to end.
        drop(sqlx::query(query).execute(&world.env.pool).await);
        elapse(BETWEEN_ROUNDS).await;
    }
}
