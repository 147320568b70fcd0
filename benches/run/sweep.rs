//! Each peer at its best: every setting of a family runs once, SMS to *sent*, and the fastest stays.
//!
//! A row's rate here also decides how many jobs its runs of the rounds get: slow rows would take minutes for
//! those of the fast. A row that cannot be installed, or does not work, is left out and reported.

use anyhow::Context;

use crate::{
    arguments::Arguments,
    report::{Goal, Medium, Tried, plain},
    rows::{External, Row},
    servers::Servers,
    throughput::{self, Task},
};

/// About so long is a run of a row that cannot do all jobs in this time.
const RUN_SECS: f64 = 8.0;
const REQUESTS_MIN: usize = 2_000;

/// A row as it takes part in the rounds.
#[derive(Debug)]
pub struct Contestant {
    pub row: Row,
    /// Jobs of each of its runs.
    pub requests: usize,
    pub rounds: usize,
}

#[derive(Debug, Default)]
pub struct Sweep {
    pub contestants: Vec<Contestant>,
    pub tried: Vec<Tried>,
    /// Rows that do not take part, with the reason.
    pub left_out: Vec<String>,
    /// Name and version of what the peers run on.
    pub versions: Vec<(String, String)>,
}

pub async fn run(arguments: &Arguments, servers: &Servers, rows: Vec<Row>) -> Sweep {
    let mut sweep = Sweep::default();
    for row in rows {
        let Some(external) = row.external() else {
            let Arguments { requests, rounds, .. } = *arguments;
            sweep.contestants.push(Contestant { row, requests, rounds });
            continue;
        };
        if let Err(error) = sweep.tune(arguments, servers, &row, external).await {
            println!("{} is left out: {error:#}", row.name);
            sweep.left_out.push(plain(&format!("{} is left out: {error:#}", row.name)));
        }
    }
    sweep
}

impl Sweep {
    /// Each peer that takes part, with the setting that was kept.
    pub fn peers(&self) -> Vec<String> {
        let kept = self.tried.iter().filter(|tried| tried.kept);
        kept.map(|tried| format!("{} {}", tried.row, tried.setting)).collect()
    }

    async fn tune(
        &mut self,
        arguments: &Arguments,
        servers: &Servers,
        row: &Row,
        external: &External,
    ) -> anyhow::Result<()> {
        println!("installing what {} needs, where it is not there yet", row.name);
        external.install().await.context("install")?;
        for pair in external.versions().await.context("ask for versions")? {
            if !self.versions.contains(&pair) {
                self.versions.push(pair);
            }
        }
        let requests = external.sweep_requests().min(arguments.requests);
        let mut best: Option<(f64, usize, Row)> = None;
        for external in external.settings() {
            let setting = external.setting();
            let row = row.with(external);
            let task = Task { medium: Medium::Sms, goal: Goal::Sent, requests, relayed: false };
            let figures = throughput::measure(servers, &row, task, None).await;
            let figures = figures.map_err(|error| format!("{error:#}"));
            match &figures {
                Ok(figures) => println!("sweep  {:<16} {setting:<44} {figures}", row.name),
                Err(error) => println!("sweep  {:<16} {setting:<44} failed: {error}", row.name),
            }
            let per_sec = figures.as_ref().map_or(0.0, |figures| figures.per_sec);
            if per_sec > best.as_ref().map_or(0.0, |(most, ..)| *most) {
                best = Some((per_sec, self.tried.len(), row.clone()));
            }
            self.tried.push(Tried {
                row: row.name,
                setting,
                requests,
                kept: false,
                figures: figures.map_err(|error| plain(&error)),
            });
        }
        let (per_sec, place, row) = best.context("no setting worked")?;
        self.tried[place].kept = true;
        let requests = ((per_sec * RUN_SECS) as usize).max(REQUESTS_MIN).min(arguments.requests);
        self.contestants.push(Contestant { row, requests, rounds: arguments.peer_rounds });
        Ok(())
    }
}
