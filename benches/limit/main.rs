//! The limit: the least that a program can do which does the durable work, as fast as we know how.
//!
//! A batch of jobs becomes one insert, then one ack; each job one HTTP call; the answers one update a batch;
//! the receipts, verified, another. No rules, no templates, no leases, no retries: any trouble ends it. It is
//! what `make bench` compares with, and never a worker. Settings come from the environment (`settings`).

mod batch;
mod calls;
mod intake;
mod journal;
mod receipts;
mod settings;
mod wire;

use std::sync::Arc;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use journal::Journal;
use settings::Settings;

/// Jobs that wait for a free connection to the provider, and answers that wait for their update.
const QUEUE_MAX: usize = 2_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Arc::new(Settings::from_environment()?);
    let journal = Journal::open(&settings.database_url).await?;
    let (to_call, jobs) = mpsc::channel(QUEUE_MAX);
    let (to_settle, answers) = mpsc::channel(QUEUE_MAX);
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::spawn(receipts::serve(Arc::clone(&settings), journal.clone())) => ended?,
        ended = tokio::spawn(intake::take(Arc::clone(&settings), journal.clone(), to_call)) => ended?,
        ended = tokio::spawn(calls::make(Arc::clone(&settings), jobs, to_settle)) => ended?,
        ended = tokio::spawn(calls::settle(journal, answers)) => ended?,
        _ = terminate.recv() => Ok(()),
    }
}
