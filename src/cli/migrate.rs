//! `postrider migrate`: applies missing migrations, apart from the workers' start.
//!
//! A job of its own: many replicas that migrate at their start would wait for each other.

use anyhow::Context;

use crate::{config::Config, worker};

/// Apply the migrations that the database is missing.
#[derive(Debug, clap::Args)]
pub struct Migrate {}

impl Migrate {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = worker::admin_ledger(&config)?;
        ledger.migrate().await.context("apply migrations")?;
        ledger.check_schema().await?;
        println!("the schema is up to date");
        Ok(())
    }
}
