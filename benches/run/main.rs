//! `make bench`: the limit, Postrider and the other named rows do the same work, one after the other.
//!
//! Each run has a fresh database, a fresh quorum queue and a fresh simulated provider on the same private
//! servers; rows alternate within a round. Start reading at `run`: `throughput` and `latency` are one run each,
//! `ingress` compares AMQP with HTTP, `growth` is about a database with many requests, `rows` are the
//! contestants, `report` makes tables of the figures, `results_dir` stores them.

mod arguments;
mod children;
mod cpu;
mod db_stats;
mod fixture;
mod growth;
mod ingress;
mod jobs;
mod latency;
mod machine;
mod progress;
mod provider;
mod publish;
mod relay;
mod report;
mod results_dir;
mod rounds;
mod rows;
mod run;
mod servers;
#[expect(dead_code, reason = "shared with the integration tests, which use all of it")]
#[path = "../../tests/it/support/mod.rs"]
mod support;
mod sweep;
mod throughput;
mod workspace;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use arguments::Arguments;

const INTERRUPTED: u8 = 130;
const LAST_TASKS_WITHIN: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // An error says that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bench: the runtime could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(until_told(arguments));
    // Tasks hold the servers and the children; with the last of them everything is taken down.
    runtime.shutdown_timeout(LAST_TASKS_WITHIN);
    code
}

async fn until_told(arguments: Arguments) -> ExitCode {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            eprintln!("bench: SIGTERM cannot be heard: {error}");
            return ExitCode::FAILURE;
        }
    };
    tokio::select! {
        done = tokio::spawn(run::run(arguments)) => match done {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(error)) => {
                eprintln!("bench: {error:#}");
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("bench: {error}");
                ExitCode::FAILURE
            }
        },
        _ = tokio::signal::ctrl_c() => ExitCode::from(INTERRUPTED),
        _ = terminate.recv() => ExitCode::from(INTERRUPTED),
    }
}
