//! Faults of providers and of the delivery of their webhooks: each kind for a while, above a little of
//! everything all the time.
//!
//! The simulator throws the dice for each call; here only the rates change.

use std::{sync::Arc, time::Duration};

use postrider_provider_simulator::{Behaviour, Provider};
use tokio::sync::watch;

use super::{Tally, Turns, is_over};
use crate::{
    arguments::Emphasis,
    dice::Dice,
    support::wait::elapse,
    world::{World, unhurried},
};

pub const KINDS: [&str; 12] = [
    "provider_hangs",
    "provider_accepts_yet_errs",
    "provider_accepts_then_resets",
    "provider_resets",
    "provider_errs",
    "provider_busy",
    "provider_slow",
    "provider_outage",
    "webhooks_lost",
    "webhooks_doubled",
    "webhooks_reordered",
    "webhooks_late",
];

/// The kinds of faults in a run with this emphasis.
pub fn kinds(emphasis: Option<Emphasis>) -> &'static [&'static str] {
    if emphasis.is_none() { &KINDS } else { &[] }
}

pub async fn run(world: Arc<World>, tally: Arc<Tally>, mut calm: watch::Receiver<bool>) {
    let kinds = kinds(world.arguments.emphasis);
    let mut dice = Dice::new(world.plan.seed, "providers");
    world.env.simulator.set_behaviour(base(&world, dice.next()));
    if kinds.is_empty() {
        // No value can be lost: the task that ends the faults holds the sender.
        drop(calm.wait_for(|calm| *calm).await);
        return;
    }
    let mut turns = Turns::new(kinds, world.arguments.each, Dice::new(world.plan.seed, "providers' turns"));
    while !is_over(&calm) {
        let fault = turns.next();
        let (least, most) = if world.arguments.is_long() { (2_000, 4_000) } else { (1_200, 2_400) };
        let doing = async {
            if fault == "provider_outage" {
                // In a long run for minutes, and each time another's: what the others do goes on.
                let all = dice.falls(0.3);
                let away = if all { Provider::ALL.to_vec() } else { vec![*dice.pick(&Provider::ALL)] };
                let outage = match world.arguments.is_long() {
                    true if !all => (60_000, 150_000),
                    true => (10_000, 20_000),
                    false => (3_000, 4_000),
                };
                away.iter().for_each(|one| world.env.simulator.set_outage_of(*one, true));
                elapse(dice.millis(outage.0, outage.1)).await;
                away.iter().for_each(|one| world.env.simulator.set_outage_of(*one, false));
            } else {
                world.env.simulator.set_behaviour(worse(base(&world, dice.next()), fault));
                elapse(dice.millis(least, most)).await;
                world.env.simulator.set_behaviour(base(&world, dice.next()));
            }
        };
        tally.during(fault, doing).await;
        elapse(dice.millis(100, 600)).await;
    }
}

/// A little of everything.
fn base(world: &World, seed: u64) -> Behaviour {
    let calm = unhurried(seed);
    match world.arguments.emphasis {
        // Busy for a moment and slow then: what a repeated word of an earlier attempt would harm.
        Some(Emphasis::Epoch) => Behaviour {
            latency: (Duration::from_millis(50), Duration::from_millis(900)),
            busy_rate: 0.5,
            ..calm
        },
        Some(Emphasis::Fence | Emphasis::Reservation) => calm,
        None => Behaviour {
            error_rate: 0.001,
            hang_rate: 0.001,
            accept_error_rate: 0.001,
            accept_reset_rate: 0.001,
            reset_rate: 0.001,
            busy_rate: 0.01,
            slow_rate: 0.01,
            duplicate_webhook_rate: 0.02,
            webhook_loss_rate: 0.005,
            webhook_reorder_rate: 0.05,
            webhook_late_rate: 0.005,
            ..calm
        },
    }
}

fn worse(base: Behaviour, fault: &str) -> Behaviour {
    match fault {
        "provider_hangs" => Behaviour { hang_rate: 0.2, ..base },
        "provider_accepts_yet_errs" => Behaviour { accept_error_rate: 0.3, ..base },
        "provider_accepts_then_resets" => Behaviour { accept_reset_rate: 0.3, ..base },
        "provider_resets" => Behaviour { reset_rate: 0.3, ..base },
        "provider_errs" => Behaviour { error_rate: 0.3, ..base },
        "provider_busy" => Behaviour { busy_rate: 0.8, ..base },
        "provider_slow" => Behaviour { slow_rate: 0.5, ..base },
        "webhooks_lost" => Behaviour { webhook_loss_rate: 0.5, ..base },
        "webhooks_doubled" => Behaviour { duplicate_webhook_rate: 0.8, ..base },
        "webhooks_reordered" => Behaviour { webhook_reorder_rate: 0.9, ..base },
        "webhooks_late" => Behaviour { webhook_late_rate: 0.5, ..base },
        _ => base,
    }
}
