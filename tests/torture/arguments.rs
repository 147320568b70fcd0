//! The arguments of a run: its sizes, its seed, and how to repeat it.
//!
//! Without arguments it is the small form that `cargo test` runs. The harness's own arguments are taken
//! and mean what they can mean here. Read `main` next.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use clap::{Parser, ValueEnum};

/// Everything fails at once, and afterwards every job must be accounted for.
#[derive(Debug, Clone, Parser)]
#[command(name = "torture", version)]
pub struct Arguments {
    /// Jobs to publish, each one to three times.
    #[arg(long, default_value_t = 2_000)]
    pub requests: u32,
    /// Workers to kill, at least.
    #[arg(long, default_value_t = 12)]
    pub kills: u32,
    /// How often each other kind of fault comes, at least. At 1, as in the small form, a kind that never met
    /// its moment is named; above, it fails the run.
    #[arg(long, default_value_t = 1)]
    pub each: u32,
    /// Repeats the schedule of an earlier run.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Worker processes at a time.
    #[arg(long, default_value_t = 4)]
    pub workers: usize,
    /// Publishing connections.
    #[arg(long, default_value_t = 4)]
    pub publishers: usize,
    /// Let the companies send once more where a provider looked up twice knows nothing of a message.
    #[arg(long)]
    pub resend_if_absent: bool,
    /// Load and faults that hit one guard more often than the others.
    #[arg(long, value_enum)]
    pub emphasis: Option<Emphasis>,
    /// Another build of the worker to torture.
    #[arg(long, value_name = "FILE")]
    pub worker: Option<PathBuf>,
    /// Write the whole report to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Keep the workers' logs when everything adds up, too.
    #[arg(long)]
    pub keep_logs: bool,

    // Filters, which `cargo test` may hand to every test binary.
    #[arg(hide = true)]
    pub filters: Vec<String>,
    #[arg(long, hide = true)]
    pub list: bool,
    #[arg(long, hide = true)]
    pub exact: bool,
    #[arg(long, hide = true)]
    pub nocapture: bool,
    #[arg(long, hide = true, value_name = "WORD")]
    pub format: Option<String>,
    #[arg(long, hide = true, value_name = "WORD")]
    pub skip: Vec<String>,
    #[arg(long, hide = true, value_name = "WORD")]
    pub test_threads: Option<String>,
}

/// Which guard a run aims at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Emphasis {
    /// Wishes of people against messages about to be begun.
    Fence,
    /// Answers of the database lost while calls are slow.
    Epoch,
    /// Many requests for one person at the same instant.
    Reservation,
}

impl Arguments {
    /// Whether the harness's filters leave this test out.
    pub fn is_filtered_out(&self) -> bool {
        let named = |word: &String| "torture".contains(word.as_str());
        self.list
            || (!self.filters.is_empty() && !self.filters.iter().any(named))
            || self.skip.iter().any(named)
    }

    /// The command that repeats this run's schedule.
    pub fn again(&self, seed: u64) -> String {
        let built = Path::new(env!("CARGO_BIN_EXE_postrider")).parent().and_then(Path::file_name);
        let profile = match built.and_then(OsStr::to_str) {
            None | Some("debug") => String::new(),
            Some(profile) => format!(" --profile {profile}"),
        };
        let mut command = format!(
            "cargo test --locked{profile} --test torture -- --seed {seed} --requests {} --kills {} --each {} --workers {} --publishers {}",
            self.requests, self.kills, self.each, self.workers, self.publishers
        );
        if self.resend_if_absent {
            command.push_str(" --resend-if-absent");
        }
        if let Some(worker) = &self.worker {
            command.push_str(&format!(" --worker {}", worker.display()));
        }
        if let Some(emphasis) = self.emphasis.and_then(|emphasis| emphasis.to_possible_value()) {
            command.push_str(&format!(" --emphasis {}", emphasis.get_name()));
        }
        command
    }

    /// Whether a kind of fault that came too rarely fails the run.
    pub fn is_demanding(&self) -> bool {
        self.each > 1
    }

    /// A long run has the time for long outages.
    pub fn is_long(&self) -> bool {
        self.requests >= 20_000
    }
}
