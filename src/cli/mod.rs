//! The command line: one file per subcommand.
//!
//! A subcommand parses its arguments, builds what it needs through `startup`, and runs until it is done
//! or told to stop. Nothing here decides anything about a request. Results go to standard output, for
//! people or, with `--json`, for programs; everything else goes to standard error.

pub mod blocks;
pub mod company;
pub mod customers;
pub mod dead_letters;
pub mod key;
pub mod migrate;
pub mod output;
pub mod publish;
pub mod quarantine;
pub mod rejected;
pub mod requests;
pub mod run;
pub mod simulate_providers;
pub mod simulate_rules;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{config::Config, telemetry::log};

/// Dispatcher of customer feedback requests: AMQP in, rules, Postgres, email and SMS out.
#[derive(Debug, Parser)]
#[command(name = "postrider", version, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    /// Configuration file (TOML); the environment goes before it. `postrider config` prints all keys.
    #[arg(long, global = true, env = "POSTRIDER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a worker: take jobs, send messages, take webhooks.
    Run(run::Run),
    /// Apply the migrations that the database is missing.
    Migrate(migrate::Migrate),
    /// Configure companies.
    #[command(subcommand)]
    Company(company::Company),
    /// Make, list and revoke the keys of the HTTP entrance.
    #[command(subcommand)]
    Key(key::Key),
    /// Look at requests, and pause, resume or cancel one.
    #[command(subcommand)]
    Requests(requests::Requests),
    /// Look at jobs that were refused, and replay one.
    #[command(subcommand)]
    Rejected(rejected::Rejected),
    /// Look at dead letters, and replay them.
    #[command(subcommand)]
    Parked(dead_letters::DeadLetters),
    /// Look at messages that killed their workers, and replay one.
    #[command(subcommand)]
    Quarantine(quarantine::Quarantine),
    /// Look at blocked addresses, block one, and lift a block.
    #[command(subcommand)]
    Blocks(blocks::Blocks),
    /// Bring in customers whom a company knows from elsewhere.
    #[command(subcommand)]
    Customers(customers::Customers),
    /// Publish a job, or a customer's response, to the broker.
    Publish(publish::Publish),
    /// Run simulated providers: Mailgun, Twilio and an SMTP relay.
    SimulateProviders(Box<simulate_providers::SimulateProviders>),
    /// Replay the last days' requests under a changed policy, and say what would have come out.
    SimulateRules(simulate_rules::SimulateRules),
    /// Print the default configuration with all keys.
    Config,
    /// Print the JSON Schema of a job, as it comes over AMQP or HTTP.
    Schema,
}

/// Parses, runs, and gives the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("postrider: the runtime could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(dispatch(arguments));
    log::flush();
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("postrider: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = || Config::load(arguments.config.as_deref());
    match arguments.command {
        Command::Run(run) => return run.run(config()?).await,
        Command::Migrate(migrate) => migrate.run(config()?).await?,
        Command::Company(company) => company.run(config()?).await?,
        Command::Key(key) => key.run(config()?).await?,
        Command::Requests(requests) => requests.run(config()?).await?,
        Command::Rejected(rejected) => rejected.run(config()?).await?,
        Command::Parked(parked) => parked.run(config()?).await?,
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
