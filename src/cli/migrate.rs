//! `postrider migrate`: applies the missing database migrations.
//!
//! A command of its own: replicas that all migrate at their start would wait for each other.

use anyhow::Context;

use crate::{cli::output, config::Config, worker};

/// Apply the missing database migrations.
#[derive(Debug, clap::Args)]
pub struct Migrate {}

impl Migrate {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = worker::admin_ledger(&config)?;
        ledger.migrate().await.context("apply migrations")?;
        ledger.check_schema().await?;
        output::put("the schema is up to date\n")
    }
}
