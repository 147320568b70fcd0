//! Rate to *sent*, and latency, beside requests that wait for later dates; and the claim's plan beside them.
//!
//! Sizes alternate within a round; the filled databases are made first and copied for each run.

use anyhow::Context;

use crate::{
    arguments::{Arguments, Share},
    latency,
    report::{Claims, Goal, Load, Medium, Waiting},
    rows::Row,
    servers::Servers,
    throughput::{self, Task},
};

use super::{
    claims,
    fill::{Dates, Filled},
};

const LOAD_PER_SEC: u32 = 1_000;
/// Of an ordinary run's jobs. A copied database begins with a checkpoint, after which each page that is touched
/// first is logged whole: a run of some seconds would measure little else.
const TIMES_THE_REQUESTS: usize = 4;

/// Inputs that all parts of growth need.
pub struct Grower<'a> {
    pub arguments: &'a Arguments,
    pub servers: &'a Servers,
    pub row: &'a Row,
}

/// Each is empty where it was not asked for.
pub async fn beside_waiting(grower: &Grower<'_>) -> anyhow::Result<(Vec<Waiting>, Vec<Claims>)> {
    let Grower { arguments, servers, row } = *grower;
    let (mut all, mut explained, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for size in &arguments.growth_sizes {
        println!("growth: making a database with {size} requests waiting");
        sizes.push(Filled::make(servers, row, *size, Dates::NEXT_MONTH).await?);
    }
    if arguments.grows(Share::Claims) {
        for filled in &sizes {
            let claims = claims::measure(servers, filled).await;
            explained.push(claims.with_context(|| format!("claims beside {}", filled.waiting))?);
        }
    }
    let rounds = if arguments.grows(Share::Waiting) { arguments.growth_rounds } else { 0 };
    for round in 1..=rounds {
        for filled in &sizes {
            let one = measure(grower, filled, round).await;
            all.push(one.with_context(|| format!("beside {} waiting", filled.waiting))?);
        }
    }
    for filled in sizes {
        filled.remove(servers).await?;
    }
    Ok((all, explained))
}

async fn measure(grower: &Grower<'_>, filled: &Filled, round: usize) -> anyhow::Result<Waiting> {
    let Grower { arguments, servers, row } = *grower;
    let requests = arguments.requests * TIMES_THE_REQUESTS;
    let task = Task { medium: Medium::Sms, goal: Goal::Sent, requests, relayed: false };
    let figures = throughput::measure(servers, row, task, Some(&filled.template())).await?;
    let load = Load { per_sec: LOAD_PER_SEC, secs: arguments.latency_secs };
    let delays = latency::measure(servers, row, load, Some(&filled.template())).await?;
    println!("growth round {round}  {} waiting  {figures}{}", filled.waiting, delays.shown());
    Ok(Waiting { waiting: filled.waiting, round, requests, figures, load, delays })
}
