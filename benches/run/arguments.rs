//! The arguments of a run: parts, rows, repetitions, amounts, and the folder of the results.
//!
//! cargo's own `--bench` is taken and means nothing.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::report::{Load, Medium};

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/rows.toml");
const EVERYBODY: &str = "limit,postrider,node,celery-prefork,celery-threads";

/// Compare what Postrider does with what the machine allows, and with others.
///
/// A run replaces the parts that it measured in results.json (rates by medium, latency, entrances, each part of
/// growth) and writes RESULTS.md anew from all that stands there; other parts keep their last figures, commit and
/// date.
/// On 2 cores the rates take some 20 minutes, latency 20, growth 20.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench", version)]
pub struct Arguments {
    /// The parts to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "throughput,latency,entrance")]
    pub parts: Vec<What>,
    /// Contestants by name: limit, postrider, and those of --external.
    #[arg(long, value_delimiter = ',', default_value = EVERYBODY)]
    pub rows: Vec<String>,
    /// How often each of our own rows runs; rows alternate.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// In how many of these rounds the others take part.
    #[arg(long, default_value_t = 3)]
    pub peer_rounds: usize,
    /// Jobs of one run, at the most.
    #[arg(long, default_value_t = 30_000, value_parser = at_least_one)]
    pub requests: usize,
    /// Rates of only this medium; otherwise both.
    #[arg(long, value_enum)]
    pub medium: Option<Medium>,
    /// Further contestants (TOML; `rows/external.rs` says how).
    #[arg(long, value_name = "FILE", default_value = PEERS)]
    pub external: Vec<PathBuf>,

    /// Rates for the latency runs, in jobs per second.
    #[arg(long, value_delimiter = ',', default_value = "100,1000",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub latency_rates: Vec<u32>,
    /// How long each rate lasts.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub latency_secs: u32,
    /// How often each row runs at each rate.
    #[arg(long, default_value_t = 3)]
    pub latency_rounds: usize,

    /// Which of growth: rate and latency beside waiting requests, the claim's plan beside them, all of them due at
    /// once, and many sends beside an old snapshot.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "waiting,claims,drain,bloat")]
    pub growth: Vec<Share>,
    /// Numbers of requests that wait for later dates; each is made once, then copied for each run.
    #[arg(long, value_delimiter = ',', default_value = "0,100000,1000000")]
    pub growth_sizes: Vec<usize>,
    /// How often rate and latency are measured beside each size.
    #[arg(long, default_value_t = 2)]
    pub growth_rounds: usize,
    /// Messages that are due after an outage.
    #[arg(long, default_value_t = 1_000_000, value_parser = at_least_one)]
    pub drain: usize,
    /// Messages that are sent without an old snapshot, and as many with one.
    #[arg(long, default_value_t = 1_000_000, value_parser = at_least_one)]
    pub bloat_sends: usize,

    /// Where RESULTS.md, results.json and results.svg are.
    #[arg(long, value_name = "FOLDER", default_value = FOLDER)]
    pub results: PathBuf,
    /// Measure nothing; write RESULTS.md and results.svg anew from results.json.
    #[arg(long)]
    pub write_only: bool,
    /// Folder of another build's programs: postrider and limit.
    #[arg(long, value_name = "FOLDER")]
    pub programs: Option<PathBuf>,

    #[arg(long, hide = true)]
    pub bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    Throughput,
    Latency,
    /// Jobs by AMQP and by HTTP, of Postrider alone.
    Entrance,
    /// Of Postrider alone: others keep no later dates.
    Growth,
}

/// The parts of growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Share {
    Waiting,
    Claims,
    Drain,
    Bloat,
}

impl Arguments {
    pub fn does(&self, what: What) -> bool {
        self.parts.contains(&what)
    }

    pub fn grows(&self, share: Share) -> bool {
        self.does(What::Growth) && self.growth.contains(&share)
    }

    pub fn media(&self) -> Vec<Medium> {
        self.medium.map_or_else(|| vec![Medium::Sms, Medium::Email], |medium| vec![medium])
    }

    pub fn loads(&self) -> Vec<Load> {
        self.latency_rates.iter().map(|per_sec| Load { per_sec: *per_sec, secs: self.latency_secs }).collect()
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}
