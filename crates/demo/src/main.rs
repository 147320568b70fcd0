//! `make demo`: everything in one process, from jobs over real AMQP to receipts over real HTTP.
//!
//! `run` is the sequence of the demo. `environment` builds its database, broker name, simulated providers, companies
//! and worker; `jobs` and `seeds` are the jobs, `publisher` publishes them and keeps a journal; `live_table` draws
//! the progress; `checks` compares the records at the end, and `report` prints them.
//!
//! Invariant: the demo decides nothing about a request, and no count comes from the component that it checks:
//! publisher, providers and Postgres each keep their own records.

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
