//! The parts of a run beside throughput: what is asked of them, and what comes of them.
//!
//! `latency` is for every row, `growth` for Postrider alone. Both give tables and figures for the JSON file.

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::{
    growth::{self, Grown, Share},
    latency::{self, Load, Run},
    report::Table,
    rows::Row,
    servers::Servers,
};

const ALL_OF_GROWTH: [Share; 4] = [Share::Waiting, Share::Claims, Share::Drain, Share::Bloat];
/// The row that growth is about.
const GROWING: &str = "postrider";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Throughput,
    Latency,
    Growth,
}

#[derive(Debug, Clone, Args)]
pub struct Further {
    /// What to measure; growth takes half an hour.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "throughput,latency")]
    pub parts: Vec<Part>,
    /// Jobs a second whose latency is measured.
    #[arg(long, value_delimiter = ',', default_value = "100,1000", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub latency_rates: Vec<u32>,
    /// How long each rate lasts.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub latency_secs: u32,
    #[arg(long, default_value_t = 3)]
    pub latency_rounds: usize,
    /// Which of growth.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = ALL_OF_GROWTH)]
    pub growth: Vec<Share>,
    /// Requests that wait for later dates.
    #[arg(long, value_delimiter = ',', default_value = "0,100000,1000000")]
    pub growth_sizes: Vec<usize>,
    #[arg(long, default_value_t = 3)]
    pub growth_rounds: usize,
    /// Messages that are due after an outage.
    #[arg(long, default_value_t = 1_000_000)]
    pub drain: usize,
    /// Messages that are sent with and without an old snapshot.
    #[arg(long, default_value_t = 1_000_000)]
    pub bloat_sends: usize,
}

impl Further {
    pub fn does(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    fn loads(&self) -> Vec<Load> {
        self.latency_rates.iter().map(|per_sec| Load { per_sec: *per_sec, secs: self.latency_secs }).collect()
    }
}

/// What came of them.
#[derive(Default)]
pub struct Outcome {
    pub tables: Vec<Table>,
    pub latency: Vec<Run>,
    pub growth: Option<Grown>,
}

/// `requests`: jobs of a run that measures a rate.
pub async fn run(
    asked: &Further,
    requests: usize,
    servers: &Servers,
    rows: &[Row],
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    if asked.does(Part::Latency) {
        outcome.latency = latencies(asked, servers, rows).await?;
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        outcome.tables.extend(latency::tables(&outcome.latency, &names, &asked.loads()));
    }
    if asked.does(Part::Growth) {
        let row = rows.iter().find(|row| row.name == GROWING);
        let row = row.with_context(|| format!("growth is about the row {GROWING}, which was not named"))?;
        let (grown, tables) = growth::run(asked, requests, servers, row).await?;
        outcome.growth = Some(grown);
        outcome.tables.extend(tables);
    }
    Ok(outcome)
}

async fn latencies(asked: &Further, servers: &Servers, rows: &[Row]) -> anyhow::Result<Vec<Run>> {
    let mut runs = Vec::new();
    for load in asked.loads() {
        for round in 1..=asked.latency_rounds {
            for row in rows {
                let Load { per_sec, secs } = load;
                let delays = latency::measure(servers, row, load, None).await;
                let delays =
                    delays.with_context(|| format!("latency at {per_sec}/s, {}, round {round}", row.name))?;
                println!(
                    "latency at {per_sec}/s, {secs} s, round {round}  {:<20} {}",
                    row.name,
                    delays.shown()
                );
                runs.push(Run { round, load, row: row.name.clone(), delays });
            }
        }
    }
    Ok(runs)
}
