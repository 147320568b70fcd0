//! The simulated provider as a process of its own, with no latency, and what it has taken.
//!
//! It answers at once and tells by its own journal when it took each message: the rate to *sent* is read from there
//! after the run, so that nothing is polled for it.

use std::{
    collections::HashMap,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::{children::Program, report::Goal, support, workspace::Workspace};

/// Receipts come this much after the call was taken: after its answer, as at a real provider.
const RECEIPT_MILLIS: &str = "100";
const START_WITHIN: Duration = Duration::from_secs(10);

pub struct Provider {
    program: Program,
    /// `host:port`
    pub address: String,
    seen: AtomicUsize,
}

/// Counts of the simulated provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Messages taken.
    pub taken: usize,
    /// Calls that were answered otherwise.
    pub refused: usize,
    /// Webhooks answered.
    pub posted: usize,
    /// Messages with receipts still to be sent.
    pub pending: usize,
}

impl Provider {
    pub async fn start(site: &Workspace, goal: Goal) -> anyhow::Result<Provider> {
        let mut command = Command::new(site.programs.join("postrider"));
        command.args(["simulate-providers", "--http-listen", "127.0.0.1:0", "--smtp-listen", "127.0.0.1:0"]);
        command.args(["--webhook-delay-min-millis", RECEIPT_MILLIS]);
        command.args(["--webhook-delay-max-millis", RECEIPT_MILLIS]);
        command.args(["--raw-bytes-max", "0"]);
        if goal == Goal::Sent {
            command.args(["--webhook-loss-rate", "1"]);
        }
        let program = Program::start("provider", command, &site.folder)?;
        let address = tokio::time::timeout(START_WITHIN, async {
            loop {
                if let Some(address) = address(&program.printed()) {
                    return address;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let address = address.await.context("the provider does not start")?;
        Ok(Provider { program, address, seen: AtomicUsize::new(0) })
    }

    pub async fn counts(&self) -> anyhow::Result<Counts> {
        let stats: Stats = self.ask("stats").await?.json().await?;
        let calls = [stats.calls.mailgun, stats.calls.twilio];
        let taken = calls.iter().map(|calls| calls.journal).sum();
        self.seen.store(taken, Ordering::Relaxed);
        Ok(Counts {
            taken,
            refused: calls.iter().map(|calls| calls.refused).sum(),
            posted: stats.webhooks.posted,
            pending: stats.webhooks.pending,
        })
    }

    /// When each message was taken, in seconds since the first, in order.
    ///
    /// # Errors
    /// When a recipient got two messages.
    pub async fn times(&self) -> anyhow::Result<Vec<f64>> {
        let mut times: Vec<DateTime<Utc>> = self.taken().await?.into_values().collect();
        times.sort_unstable();
        let Some(&first) = times.first() else { bail!("no message was taken") };
        Ok(times.iter().map(|time| (*time - first).as_seconds_f64()).collect())
    }

    /// Acceptance time of each recipient's message.
    ///
    /// # Errors
    /// When a recipient got two messages.
    pub async fn taken(&self) -> anyhow::Result<HashMap<String, DateTime<Utc>>> {
        let text = self.ask("journal").await?.text().await?;
        let mut taken = HashMap::new();
        for line in text.lines() {
            let Entry { recipient, accepted_at } = serde_json::from_str(line)?;
            let before = taken.insert(recipient, accepted_at);
            ensure!(before.is_none(), "a recipient was sent two messages");
        }
        Ok(taken)
    }

    /// How many messages it had taken at the last look.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::Relaxed)
    }

    async fn ask(&self, what: &str) -> anyhow::Result<reqwest::Response> {
        let url = format!("http://{}/_simulator/{what}", self.address);
        Ok(support::http().get(url).send().await.context("ask the provider")?.error_for_status()?)
    }

    pub async fn end(self) -> anyhow::Result<()> {
        self.program.end().await
    }
}

fn address(printed: &str) -> Option<String> {
    let line = printed.lines().find(|line| line.starts_with("Mailgun and Twilio"))?;
    Some(line.rsplit_once("http://")?.1.trim().to_owned())
}

#[derive(Deserialize)]
struct Stats {
    calls: Calls,
    webhooks: Webhooks,
}

#[derive(Deserialize)]
struct Calls {
    mailgun: CallStats,
    twilio: CallStats,
}

#[derive(Deserialize)]
struct CallStats {
    refused: usize,
    journal: usize,
}

#[derive(Deserialize)]
struct Webhooks {
    posted: usize,
    pending: usize,
}

#[derive(Deserialize)]
struct Entry {
    recipient: String,
    accepted_at: DateTime<Utc>,
}
