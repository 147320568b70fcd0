//! What a run is asked to do: who, how often, how much, and where the results go.
//!
//! cargo's own `--bench` is taken and means nothing.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::Serialize;

use crate::parts::Further;

/// Compare what Postrider does with what the machine allows, and with others.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench", version)]
pub struct Arguments {
    /// Contestants by name: limit, postrider, and those of --external.
    #[arg(long, value_delimiter = ',', default_value = "limit,postrider")]
    pub rows: Vec<String>,
    /// How often each row runs; rows alternate.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Jobs of one run.
    #[arg(long, default_value_t = 30_000)]
    pub requests: usize,
    /// Only this medium; otherwise both.
    #[arg(long, value_enum)]
    pub medium: Option<Medium>,
    /// Further contestants (TOML; `rows/external.rs` says how).
    #[arg(long, value_name = "FILE")]
    pub external: Vec<PathBuf>,
    /// Write every figure of every run to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Where RESULTS.md and results.svg are written.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/benches"))]
    pub results: PathBuf,

    /// Folder of another build's programs: postrider, and examples/limit.
    #[arg(long, value_name = "FOLDER")]
    pub programs: Option<PathBuf>,

    #[command(flatten)]
    pub further: Further,

    #[arg(long, hide = true)]
    pub bench: bool,
}

/// What customers are asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    Sms,
    Email,
}

impl Medium {
    pub fn word(self) -> &'static str {
        match self {
            Medium::Sms => "sms",
            Medium::Email => "email",
        }
    }
}

impl Arguments {
    pub fn media(&self) -> Vec<Medium> {
        self.medium.map_or_else(|| vec![Medium::Sms, Medium::Email], |medium| vec![medium])
    }
}
