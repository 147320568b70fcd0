//! One run: a row's programs on an empty queue, warmed by some jobs, then jobs at a steady rate.
//!
//! The provider writes down when it got each call, on the same machine's clock as the schedule's. Each customer
//! must have got exactly one message, or the run fails; a row that is too slow does not fail it, is waited for
//! no longer than `LAST_WITHIN`, and is shown as such.

use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use tokio::time::sleep;

use crate::{
    children::Program,
    fixture::{Fixture, Template},
    jobs::phone,
    provider::Provider,
    report::{Delays, Goal, Load, Medium, Percentiles, kept_up},
    rows::Row,
    servers::Servers,
    throughput,
};

use super::schedule::{self, Plan, Published};

/// Warm-up jobs, which do not count, and how long they may take.
const WARM_UP: usize = 500;
const WARM_WITHIN: Duration = Duration::from_secs(60);
/// After the warm-up and before the first that counts.
const CALM: Duration = Duration::from_secs(1);
/// How long after the last job's instant the provider may get it.
const LAST_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// By SMS, to *sent*. `template`: a database with waiting requests to begin with. Takes away what the run made, also where it
/// failed.
pub async fn measure(
    servers: &Servers,
    row: &Row,
    load: Load,
    template: Option<&Template>,
) -> anyhow::Result<Delays> {
    let scene = Fixture::make(servers, row, (Medium::Sms, Goal::Sent), template).await?;
    let delays = at(row, load, &scene).await;
    scene.take_down(servers, delays).await
}

async fn at(row: &Row, load: Load, scene: &Fixture) -> anyhow::Result<Delays> {
    let plan = Plan {
        first: WARM_UP,
        jobs: (load.per_sec * load.secs) as usize,
        every: Duration::from_secs(1) / load.per_sec,
    };
    let mut programs = scene.programs(row).await?;
    scene.publisher.fill(&scene.site, &scene.envelope, 0..WARM_UP).await.context("publish")?;
    let warm = arrive(&scene.provider, WARM_UP, WARM_WITHIN, &mut programs).await?;
    ensure!(warm, "the warm-up's {WARM_UP} jobs were not sent within {WARM_WITHIN:?}");
    sleep(CALM).await;

    let published = schedule::publish(scene, plan).await?;
    let all = arrive(&scene.provider, WARM_UP + plan.jobs, LAST_WITHIN, &mut programs).await?;
    let delays = delays(&scene.provider, plan, published).await?;
    ensure!(!all || delays.missing == 0, "the provider counts more than its journal has");
    // With much still to do they would take long to end: those are killed.
    if all {
        throughput::end(row, programs).await?;
    }
    Ok(delays)
}

/// Waits until the provider has so many; false when it takes longer.
async fn arrive(
    provider: &Provider,
    messages: usize,
    within: Duration,
    programs: &mut [Program],
) -> anyhow::Result<bool> {
    let since = postrider_clock::monotonic();
    loop {
        for program in programs.iter_mut() {
            program.must_run()?;
        }
        let counts = provider.counts().await?;
        ensure!(counts.refused == 0, "the provider refused {} calls", counts.refused);
        if counts.taken >= messages {
            return Ok(true);
        }
        if postrider_clock::monotonic() - since > within {
            return Ok(false);
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn delays(provider: &Provider, plan: Plan, published: Published) -> anyhow::Result<Delays> {
    let Published { began, handed_over, confirmed } = published;
    let every = plan.every.as_secs_f64();
    let mut accepted_at = provider.taken().await?;
    let mut delay = |n: usize| -> anyhow::Result<Option<f64>> {
        let Some(at) = accepted_at.remove(&phone(plan.first + n)) else { return Ok(None) };
        let delay = since(began, at) - n as f64 * every;
        ensure!(delay >= 0.0, "job {n} was sent {} ms before its instant", delay * -1e3);
        Ok(Some(delay))
    };
    let taken = (0..plan.jobs).map(&mut delay).collect::<anyhow::Result<Vec<Option<f64>>>>()?;
    ensure!(
        accepted_at.len() == WARM_UP,
        "{} messages were sent to others",
        accepted_at.len().abs_diff(WARM_UP)
    );
    let (behind, kept_up) = kept_up(&taken, every);
    let missing = taken.iter().filter(|delay| delay.is_none()).count();
    let percentiles = |seconds| Percentiles::of(seconds).context("a schedule has jobs");
    Ok(Delays {
        jobs: plan.jobs,
        behind,
        missing,
        to_provider: Percentiles::of(taken.into_iter().flatten().collect()).filter(|_| kept_up),
        to_confirm: percentiles(confirmed)?,
        publisher_late: percentiles(handed_over)?,
    })
}

fn since(began: DateTime<Utc>, at: DateTime<Utc>) -> f64 {
    (at - began).as_seconds_f64()
}
