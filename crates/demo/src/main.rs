//! `postrider demo`: everything in one process, from jobs over real AMQP to receipts over real HTTP.
//!
//! `run` tells the story; `world` builds what it happens in (a database and a broker name of its own,
//! simulated providers, companies, a worker); `jobs` is what is published, `publisher` publishes it and
//! keeps its own ledger; `watch` draws the live table; `verdict` does the sums at the end, and `report`
//! prints them. Invariant: nothing here decides anything about a request, and nothing is counted by what
//! it checks: publisher, providers and Postgres each have a ledger of their own.

mod checks;
mod database;
mod environment;
mod jobs;
mod live_table;
mod publisher;
mod report;
mod run;
mod seeds;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use postrider::{config::Config, telemetry::log};

/// Postrider at work with simulated providers, in the terminal.
#[derive(Debug, Parser)]
#[command(name = "postrider-demo", version)]
struct Arguments {
    /// Configuration file (TOML) of the servers; the environment takes precedence.
    #[arg(long, env = "POSTRIDER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    demo: run::Demo,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("postrider-demo: the runtime could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        let config = Config::load(arguments.config.as_deref())?;
        arguments.demo.run(config).await
    });
    log::flush();
    done.unwrap_or_else(|error| {
        eprintln!("postrider-demo: {error:#}");
        ExitCode::FAILURE
    })
}
