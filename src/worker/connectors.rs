//! The inbox of recipes: started where intake is, rung by the public door of the same process.
//! Read `intake::recipes::inbox` for what it does.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::sync::Notify;

use crate::worker::Ledgers;
use crate::{
    config::Config,
    connectors::{Inbox, kustomer::client::KustomerClient},
    intake::Acceptor,
    worker::stages::{Stage, Worker},
};

/// Works notices off until intake ends.
pub(super) fn start(
    config: &Config,
    ledgers: &Ledgers,
    acceptor: &Acceptor,
    bell: Arc<Notify>,
    worker: &mut Worker,
) -> anyhow::Result<()> {
    let within = Duration::from_secs_f64(config.recipes.look_up_timeout_secs);
    let inbox = Inbox {
        ledger: ledgers.intake.clone(),
        acceptor: acceptor.clone(),
        asking: KustomerClient::new(within).context("set up questions to other systems")?,
        patience: config.recipes_patience(),
        bell,
    };
    worker.add(Stage::Intake, tokio::spawn(inbox.run(worker.stop_of(Stage::Intake))));
    Ok(())
}
