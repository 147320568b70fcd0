//! The order of everything: the peers' settings are tried; then, for each medium and each round, every row in
//! turn.
//!
//! Alternating within a round means that what the machine does meanwhile hits all rows alike. Before the first
//! round each row runs once through the relay that counts round trips: how many there are to a call is the same
//! without it, how large batches become is not. Later parts (latency, growth) take their place beside
//! `throughput` here.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::{Map, json};

use crate::{
    arguments::{Arguments, Medium},
    figures::Figures,
    machine::Machine,
    report::{self, Parts, Table},
    rows,
    servers::Servers,
    sweep::{self, Contestant, Sweep},
    targets,
    throughput::{self, Goal, Task},
};

/// Jobs of a slow row's run through the relay; it asks the same for each of them.
const RELAYED_REQUESTS: usize = 2_000;

/// One run's outcome.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Run {
    pub round: usize,
    pub medium: Medium,
    pub goal: Goal,
    pub row: String,
    pub requests: usize,
    pub figures: Figures,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let rows = rows::chosen(&arguments)?;
    let servers = Servers::start(&arguments).await?;
    let sweep = sweep::run(&arguments, &servers, rows).await;
    let machine = Machine::look(&servers, &sweep.versions).await?;
    let throughput = Throughput::measure(&arguments, &servers, &sweep.contestants).await?;
    let parts = parts(&arguments, &sweep, throughput)?;
    report::write(&arguments, &machine, &parts)
}

fn parts(arguments: &Arguments, sweep: &Sweep, throughput: Throughput) -> anyhow::Result<Parts> {
    let Throughput { runs, mut troubles } = throughput;
    let mut tables = Vec::new();
    for medium in arguments.media() {
        let of = |goal: &Goal| Table::of(&runs, &sweep.contestants, medium, *goal);
        tables.extend(Goal::of(medium).iter().map(of));
    }
    troubles.extend(sweep.left_out.iter().map(|(row, why)| format!("{row} is left out: {why}")));
    let mut json = Map::new();
    json.insert("runs".to_owned(), json!(runs));
    json.insert("sweep".to_owned(), json!(sweep.tried));
    Ok(Parts {
        targets: targets::sheet(&targets::list(&runs, &targets::Others::default())),
        throughput: tables,
        sheets: if sweep.tried.is_empty() { Vec::new() } else { vec![sweep.sheet()] },
        troubles,
        json,
    })
}

/// What the rounds gave.
#[derive(Debug, Default)]
struct Throughput {
    runs: Vec<Run>,
    troubles: Vec<String>,
}

impl Throughput {
    async fn measure(
        arguments: &Arguments,
        servers: &Servers,
        contestants: &[Contestant],
    ) -> anyhow::Result<Throughput> {
        let mut throughput = Throughput::default();
        for medium in arguments.media() {
            for goal in Goal::of(medium) {
                throughput.table(servers, contestants, (medium, *goal), arguments.rounds).await?;
            }
        }
        Ok(throughput)
    }

    async fn table(
        &mut self,
        servers: &Servers,
        contestants: &[Contestant],
        (medium, goal): (Medium, Goal),
        rounds: usize,
    ) -> anyhow::Result<()> {
        let mut per_call = BTreeMap::new();
        for round in 0..=rounds {
            for contestant in contestants.iter().filter(|contestant| round <= contestant.rounds) {
                let task = task(contestant, medium, goal, round);
                let row = contestant.row.name.clone();
                let Some(mut figures) = self.one(servers, contestant, task, round).await? else { continue };
                if task.relayed {
                    per_call.insert(row, figures.round_trips.map(|asked| asked / figures.statements));
                    continue;
                }
                let per_call = per_call.get(&row).copied().flatten();
                figures.round_trips = per_call.map(|per_call| per_call * figures.statements);
                self.runs.push(Run { round, medium, goal, row, requests: task.requests, figures });
            }
        }
        Ok(())
    }

    /// `None` where a peer failed: what the others gave in all these minutes is worth keeping.
    async fn one(
        &mut self,
        servers: &Servers,
        contestant: &Contestant,
        task: Task,
        round: usize,
    ) -> anyhow::Result<Option<Figures>> {
        let Task { medium, goal, .. } = task;
        let row = &contestant.row;
        let name = format!("{:<6}{:<10} round {round}  {:<16}", medium.word(), goal.word(), row.name);
        match throughput::measure(servers, row, task).await.with_context(|| name.clone()) {
            Ok(figures) => {
                println!("{name} {figures}");
                Ok(Some(figures))
            }
            Err(error) if row.external().is_some() => {
                println!("{error:#}");
                self.troubles.push(format!("{error:#}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Round 0 is the relay's.
fn task(contestant: &Contestant, medium: Medium, goal: Goal, round: usize) -> Task {
    let relayed = round == 0;
    let slow = relayed && contestant.row.external().is_some();
    let requests = if slow { contestant.requests.min(RELAYED_REQUESTS) } else { contestant.requests };
    Task { medium, goal, requests, relayed }
}

/// The runs of one table by row, in the order of rounds.
pub fn table(runs: &[Run], medium: Medium, goal: Goal) -> BTreeMap<&str, Vec<&Figures>> {
    let mut table: BTreeMap<&str, Vec<&Figures>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.medium == medium && run.goal == goal) {
        table.entry(&run.row).or_default().push(&run.figures);
    }
    table
}
