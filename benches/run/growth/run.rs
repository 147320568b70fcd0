//! The order of the parts of growth, and what they come to.
//!
//! Sizes alternate within a round; the filled databases are made first and copied for each run.

use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;

use crate::{
    figures::{self, Figures},
    parts::Further,
    report::Table,
    rows::Row,
    servers::Servers,
};

use super::{
    bloat::{self, Bloat},
    claims::{self, Claims},
    drain,
    fill::{Dates, Filled},
    waiting::{self, Waiting},
};

/// What growth consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Share {
    Waiting,
    Claims,
    Drain,
    Bloat,
}

/// All figures; empty where a share was not asked for.
#[derive(Debug, Default, Serialize)]
pub struct Grown {
    waiting: Vec<Waiting>,
    claims: Vec<Claims>,
    drain: Option<(usize, Figures)>,
    bloat: Vec<Bloat>,
}

pub async fn run(
    asked: &Further,
    requests: usize,
    servers: &Servers,
    row: &Row,
) -> anyhow::Result<(Grown, Vec<Table>)> {
    let does = |share| asked.growth.contains(&share);
    let (mut grown, mut tables) = (Grown::default(), Vec::new());
    if does(Share::Waiting) || does(Share::Claims) {
        beside_waiting(asked, requests, (servers, row), &mut grown).await?;
    }
    if does(Share::Waiting) {
        tables.extend(waiting::tables(&grown.waiting, &asked.growth_sizes));
    }
    if does(Share::Claims) {
        tables.push(claims::table(&grown.claims));
    }
    if does(Share::Drain) {
        println!("growth: draining {} due messages", asked.drain);
        let figures = drain::measure(servers, row, asked.drain).await.context("drain")?;
        tables.push(drained(asked.drain, &figures));
        grown.drain = Some((asked.drain, figures));
    }
    if does(Share::Bloat) {
        for snapshot in [false, true] {
            println!("growth: {} sends, snapshot {snapshot}", asked.bloat_sends);
            let bloat = bloat::measure(servers, row, asked.bloat_sends, snapshot).await;
            grown.bloat.push(bloat.with_context(|| format!("bloat, snapshot {snapshot}"))?);
        }
        tables.extend(bloat::tables(&grown.bloat, asked.bloat_sends));
    }
    Ok((grown, tables))
}

async fn beside_waiting(
    asked: &Further,
    requests: usize,
    (servers, row): (&Servers, &Row),
    grown: &mut Grown,
) -> anyhow::Result<()> {
    let mut sizes = Vec::new();
    for size in &asked.growth_sizes {
        println!("growth: making a ledger with {size} requests waiting");
        sizes.push(Filled::make(servers, row, *size, Dates::NEXT_MONTH).await?);
    }
    if asked.growth.contains(&Share::Claims) {
        for filled in &sizes {
            let claims = claims::measure(servers, filled).await;
            grown.claims.push(claims.with_context(|| format!("claims beside {}", filled.waiting))?);
        }
    }
    let rounds = if asked.growth.contains(&Share::Waiting) { asked.growth_rounds } else { 0 };
    for round in 1..=rounds {
        for filled in &sizes {
            let one = waiting::measure(servers, row, filled, (round, requests, asked.latency_secs)).await;
            grown.waiting.push(one.with_context(|| format!("beside {} waiting", filled.waiting))?);
        }
    }
    for filled in sizes {
        filled.remove(servers).await?;
    }
    Ok(())
}

fn drained(messages: usize, figures: &Figures) -> Table {
    let lines = vec![figures::head("due"), figures::line(&messages.to_string(), &[figures])];
    let title = "SMS, to *sent*: messages that are due after an outage".to_owned();
    Table { title, lines, rates: Vec::new() }
}
