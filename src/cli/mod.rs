//! The command line: one file per subcommand.
//!
//! A subcommand parses its arguments, opens what it needs (`lookup`, `worker`) and runs until it is done or stopped.
//! Decisions about requests are made elsewhere. Results go to standard output, for people or, with `--json`, for
//! programs (`output`); hints and errors go to standard error. docs/cli.md lists every subcommand; a test compares them.

mod blocks;
mod company;
mod customers;
mod dead_letters;
mod input;
mod key;
mod lookup;
mod migrate;
mod output;
mod publish;
mod quarantine;
mod rejected;
mod requests;
mod run;
mod simulate_providers;
mod simulate_rules;

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{config::Config, telemetry::log};

/// Dispatches customer feedback requests: jobs over AMQP and HTTP in, email and SMS out.
#[derive(Debug, Parser)]
#[command(name = "postrider", version, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    /// Configuration file (TOML); environment variables take precedence. `postrider config` prints all keys.
    #[arg(long, global = true, env = "POSTRIDER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// The definition of the command line, for the test of docs/cli.md.
#[must_use]
pub fn definition() -> clap::Command {
    Arguments::command()
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a worker: accept jobs, send messages, receive webhooks.
    Run(run::Run),
    /// Apply the missing database migrations.
    Migrate(migrate::Migrate),
    /// Apply and show the settings of companies.
    #[command(subcommand)]
    Company(company::Company),
    /// Create, list and revoke API keys.
    #[command(subcommand)]
    Key(key::Key),
    /// List and explain requests; pause, resume, cancel or retry one.
    #[command(subcommand)]
    Requests(requests::Requests),
    /// List rejected jobs and replay one.
    #[command(subcommand)]
    Rejected(rejected::Rejected),
    /// List dead letters of the broker and replay them.
    #[command(subcommand)]
    Parked(dead_letters::DeadLetters),
    /// List quarantined messages, which crashed their workers, and replay one.
    #[command(subcommand)]
    Quarantine(quarantine::Quarantine),
    /// List blocked addresses, block one, and lift a block.
    #[command(subcommand)]
    Blocks(blocks::Blocks),
    /// Import customers of a company.
    #[command(subcommand)]
    Customers(customers::Customers),
    /// Publish jobs, or responses of customers, to the broker.
    Publish(publish::Publish),
    /// Run simulated providers: Mailgun, Twilio and an SMTP relay.
    SimulateProviders(Box<simulate_providers::SimulateProviders>),
    /// Replay the requests of the last days under a changed policy, and print the difference.
    SimulateRules(simulate_rules::SimulateRules),
    /// Print the default configuration with all keys, as TOML.
    Config,
    /// Print the JSON Schema of a job.
    Schema,
}

/// Parses the command line, runs the command, and returns the exit status: 0 done, 1 failed, 2 wrong usage.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("postrider: start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(run_command(arguments));
    log::flush();
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("postrider: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_command(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = || Config::load(arguments.config.as_deref());
    match arguments.command {
        Command::Run(run) => return run.run(config()?).await,
        Command::Migrate(migrate) => migrate.run(config()?).await?,
        Command::Company(company) => company.run(config()?).await?,
        Command::Key(key) => key.run(config()?).await?,
        Command::Requests(requests) => requests.run(config()?).await?,
        Command::Rejected(rejected) => rejected.run(config()?).await?,
        Command::Parked(dead_letters) => dead_letters.run(config()?).await?,
        Command::Quarantine(quarantine) => quarantine.run(config()?).await?,
        Command::Blocks(blocks) => blocks.run(config()?).await?,
        Command::Customers(customers) => customers.run(config()?).await?,
        Command::Publish(publish) => publish.run(config()?).await?,
        Command::SimulateProviders(simulate) => simulate.run().await?,
        Command::SimulateRules(simulate) => simulate.run(config()?).await?,
        Command::Config => output::put(crate::config::DEFAULT)?,
        Command::Schema => output::json(&crate::api::submit::job::schema())?,
    }
    Ok(ExitCode::SUCCESS)
}
