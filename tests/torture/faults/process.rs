//! Faults of workers: killed at any time, killed while they end, ended in order, frozen for longer than a
//! lease.
//!
//! Failpoints are armed by `fleet` when it starts a worker; a worker that dies of one is not handled here.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{Tally, is_over};
use crate::{
    dice::Dice,
    fleet::Blow,
    support::wait::elapse,
    world::{LEASE, World},
};

pub const FREEZE: &str = "worker_frozen";
pub const ROLLING: &str = "worker_ended_in_order";

/// Kills one worker after another until the calm.
pub async fn kill(world: Arc<World>, calm: watch::Receiver<bool>) {
    let mut dice = Dice::new(world.plan.seed, "kill");
    while !is_over(&calm) {
        elapse(dice.millis(1_500, 3_500)).await;
        let place = dice.below(world.fleet.len());
        let blow = if dice.falls(0.25) { Blow::TerminateThenKill } else { Blow::Kill };
        let between = dice.millis(0, 60);
        if !is_over(&calm) {
            world.fleet.strike(place, blow, between).await;
        }
    }
}

/// Ends workers in order, one at a time, as a rolling update does.
pub async fn roll(world: Arc<World>, tally: Arc<Tally>, calm: watch::Receiver<bool>) {
    let mut dice = Dice::new(world.plan.seed, "roll");
    while !is_over(&calm) {
        let place = dice.below(world.fleet.len());
        let struck = tally.during(ROLLING, world.fleet.strike(place, Blow::Terminate, Duration::ZERO));
        struck.await;
        elapse(dice.millis(4_000, 9_000)).await;
    }
}

/// Freezes one worker at a time for longer than its leases hold.
pub async fn freeze(world: Arc<World>, tally: Arc<Tally>, calm: watch::Receiver<bool>) {
    let mut dice = Dice::new(world.plan.seed, "freeze");
    while !is_over(&calm) {
        elapse(dice.millis(1_000, 5_000)).await;
        let place = dice.below(world.fleet.len());
        let time = LEASE + dice.millis(300, 2_500);
        // A worker that is just being killed cannot be frozen; the next one can.
        tally.during(FREEZE, world.fleet.freeze(place, time)).await;
    }
}
