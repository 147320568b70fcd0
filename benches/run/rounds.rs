//! The order of everything: for each medium and each round, every row in turn.
//!
//! Alternating within a round means that what the machine does meanwhile hits all rows alike. Latency and growth
//! come after: `parts`.

use std::collections::BTreeMap;

use anyhow::Context;

use crate::{
    arguments::{Arguments, Medium},
    figures::Figures,
    machine::Machine,
    parts::{self, Part},
    report,
    rows::{self, Row},
    servers::Servers,
    throughput::{self, Goal},
};

/// One run's outcome.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Run {
    pub round: usize,
    pub medium: Medium,
    pub goal: Goal,
    pub row: String,
    pub figures: Figures,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let rows = rows::chosen(&arguments)?;
    let servers = Servers::start(&arguments).await?;
    let machine = Machine::look(&servers).await?;
    let mut runs = Vec::new();
    let rounds = if arguments.further.does(Part::Throughput) { arguments.rounds } else { 0 };
    for medium in arguments.media() {
        for round in 1..=rounds {
            for row in &rows {
                run_row(&arguments, &servers, (medium, round), row, &mut runs).await?;
            }
        }
    }
    let further = parts::run(&arguments.further, arguments.requests, &servers, &rows).await?;
    let rows: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    report::write(&arguments, &machine, (&rows, &runs), &further)
}

async fn run_row(
    arguments: &Arguments,
    servers: &Servers,
    (medium, round): (Medium, usize),
    row: &Row,
    runs: &mut Vec<Run>,
) -> anyhow::Result<()> {
    for goal in Goal::of(medium) {
        let task = throughput::Task { medium, goal: *goal, requests: arguments.requests };
        let figures = throughput::measure(servers, row, task, None)
            .await
            .with_context(|| format!("{} to {}, {}, round {round}", medium.word(), goal.word(), row.name))?;
        println!("{:<6}{:<10} round {round}  {:<20} {figures}", medium.word(), goal.word(), row.name);
        runs.push(Run { round, medium, goal: *goal, row: row.name.clone(), figures });
    }
    Ok(())
}

/// The runs of one table by row, in the order of rounds.
pub fn table(runs: &[Run], medium: Medium, goal: Goal) -> BTreeMap<&str, Vec<&Figures>> {
    let mut table: BTreeMap<&str, Vec<&Figures>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.medium == medium && run.goal == goal) {
        table.entry(&run.row).or_default().push(&run.figures);
    }
    table
}
