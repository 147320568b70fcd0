//! Jobs published at instants fixed in advance, one every n-th of a second, whatever comes back.
//!
//! A thread of its own keeps the time, because the runtime's timer is good for a millisecond only. How late
//! each job was handed over all the same is part of the result: delays count from the schedule, so a publisher
//! that fell behind makes the row look worse, and must be seen.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use lapin::PublisherConfirm;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{spawn, spawn_blocking},
    time::timeout,
};

use crate::{fixture::Fixture, jobs::job, publish::confirm};

/// Time to get everything ready.
const FIRST_AFTER: Duration = Duration::from_millis(50);
/// The broker confirms by then, or something is broken.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(60);
/// The clock that the provider writes down may go this much otherwise than ours during a run.
const CLOCKS_APART_MAX: f64 = 0.005;

/// The jobs to publish: `jobs` of them from number `first` on.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub first: usize,
    pub jobs: usize,
    pub every: Duration,
}

/// Times by job, in seconds after its scheduled instant.
pub struct Published {
    /// The first job's instant.
    pub began: DateTime<Utc>,
    pub handed_over: Vec<f64>,
    pub confirmed: Vec<f64>,
}

/// The instants, on the clock that knows no leaps.
#[derive(Debug, Clone, Copy)]
struct Instants {
    first: Instant,
    every: Duration,
}

impl Instants {
    fn of(self, n: usize) -> Instant {
        self.first + self.every.mul_f64(n as f64)
    }

    fn since(self, n: usize) -> f64 {
        postrider_clock::monotonic().saturating_duration_since(self.of(n)).as_secs_f64()
    }
}

/// Returns when all are published and confirmed.
pub async fn publish(scene: &Fixture, plan: Plan) -> anyhow::Result<Published> {
    let began = postrider_clock::wall() + FIRST_AFTER;
    let instants = Instants { first: postrider_clock::monotonic() + FIRST_AFTER, every: plan.every };
    let (tick, mut ticks) = unbounded_channel();
    let clockwork = spawn_blocking(move || keep_time(instants, plan.jobs, &tick));
    let (unconfirmed, confirms) = unbounded_channel();
    let confirmed = spawn(confirm_all(instants, confirms));
    let mut handed_over = Vec::with_capacity(plan.jobs);
    while let Some(n) = ticks.recv().await {
        let job = job(plan.first + n, scene.site.medium);
        let published = scene.publisher.publish(&scene.site, &scene.envelope, &job).await?;
        handed_over.push(instants.since(n));
        unconfirmed.send(published).ok().context("confirms are awaited until the last")?;
    }
    drop(unconfirmed);
    clockwork.await?;
    let confirmed =
        timeout(CONFIRMED_WITHIN, confirmed).await.context("the broker confirms no more")???;
    ensure!(handed_over.len() == plan.jobs && confirmed.len() == plan.jobs, "the schedule lost jobs");
    let leap = (postrider_clock::wall() - began).as_seconds_f64() - instants.since(0);
    ensure!(leap.abs() < CLOCKS_APART_MAX, "the machine's clock was set by {leap} s meanwhile");
    Ok(Published { began, handed_over, confirmed })
}

/// Ends early when the receiver is dropped.
fn keep_time(instants: Instants, jobs: usize, tick: &UnboundedSender<usize>) {
    for n in 0..jobs {
        thread::sleep(instants.of(n).saturating_duration_since(postrider_clock::monotonic()));
        if tick.send(n).is_err() {
            return;
        }
    }
}

/// In the order of jobs: a confirm is seen only after those before it.
async fn confirm_all(
    instants: Instants,
    mut confirms: UnboundedReceiver<PublisherConfirm>,
) -> anyhow::Result<Vec<f64>> {
    let mut confirmed = Vec::new();
    while let Some(one) = confirms.recv().await {
        confirm(Some(one)).await?;
        confirmed.push(instants.since(confirmed.len()));
    }
    Ok(confirmed)
}
