//! Torture: a fleet under load while workers are killed, servers restarted, answers lost, providers and
//! webhooks misbehave; then calm; then every job must be accounted for, and no customer may have been asked
//! twice.
//!
//! Its small form runs with `cargo test`; `make torture` runs the large one. The schedule follows from the
//! seed, timings do not. Start reading at `run`; `audit` is what it is all for.

mod answers;
mod arguments;
mod audit;
mod balancer;
mod calm;
mod collect;
mod dice;
mod facts;
mod faults;
mod fleet;
mod guard;
mod people;
mod plan;
mod publish;
mod report;
mod run;
mod summary;
#[expect(dead_code, reason = "shared with the integration tests, which use all of it")]
#[path = "../it/support/mod.rs"]
mod support;
mod trial;
mod world;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use arguments::Arguments;

/// Something does not add up; told apart from a run that could not be made.
const NOT_SOUND: u8 = 1;
const NOT_RUN: u8 = 2;
const INTERRUPTED: u8 = 130;
const LAST_TASKS_WITHIN: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        println!("torture: test");
        return ExitCode::SUCCESS;
    }
    if arguments.is_filtered_out() {
        return ExitCode::SUCCESS;
    }
    let seed =
        arguments.seed.unwrap_or_else(|| postrider_clock::random_id().as_u128() as u64 % 1_000_000_000);
    println!("seed {seed}; the same schedule again:\n  {}", arguments.again(seed));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("torture: the runtime could not be started: {error}");
            return ExitCode::from(NOT_RUN);
        }
    };
    let code = runtime.block_on(until_told(arguments, seed));
    // Tasks hold the world; with the last of them goes the guard, and with it everything else.
    runtime.shutdown_timeout(LAST_TASKS_WITHIN);
    code
}

async fn until_told(arguments: Arguments, seed: u64) -> ExitCode {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            eprintln!("torture: SIGTERM cannot be heard: {error}");
            return ExitCode::from(NOT_RUN);
        }
    };
    tokio::select! {
        done = tokio::spawn(run::run(arguments, seed)) => match done {
            Ok(Ok(true)) => ExitCode::SUCCESS,
            Ok(Ok(false)) => ExitCode::from(NOT_SOUND),
            Ok(Err(error)) => {
                eprintln!("torture: {error:#}");
                ExitCode::from(NOT_RUN)
            }
            Err(error) => {
                eprintln!("torture: {error}");
                ExitCode::from(NOT_RUN)
            }
        },
        _ = tokio::signal::ctrl_c() => ExitCode::from(INTERRUPTED),
        _ = terminate.recv() => ExitCode::from(INTERRUPTED),
    }
}
