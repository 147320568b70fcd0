//! Rate to *sent*, and latency, beside requests that wait for later dates.
//!
//! Sizes alternate within a round; each run begins with a copy of the filled database.

use serde::Serialize;

use crate::{
    arguments::Medium,
    figures::{self, Figures},
    latency::{self, Delays, Load},
    report::Table,
    rows::Row,
    servers::Servers,
    throughput::{self, Goal, Task},
};

use super::fill::Filled;

const LOAD_PER_SEC: u32 = 1_000;

/// One round of one size.
#[derive(Debug, Serialize)]
pub struct Waiting {
    waiting: usize,
    round: usize,
    figures: Figures,
    delays: Delays,
}

pub async fn measure(
    servers: &Servers,
    row: &Row,
    filled: &Filled,
    (round, requests, secs): (usize, usize, u32),
) -> anyhow::Result<Waiting> {
    let task = Task { medium: Medium::Sms, goal: Goal::Sent, requests };
    let figures = throughput::measure(servers, row, task, Some(filled)).await?;
    let load = Load { per_sec: LOAD_PER_SEC, secs };
    let delays = latency::measure(servers, row, load, Some(filled)).await?;
    println!("growth round {round}  {} waiting  {figures}{}", filled.waiting, delays.shown());
    Ok(Waiting { waiting: filled.waiting, round, figures, delays })
}

/// Rates, and latencies.
pub fn tables(all: &[Waiting], sizes: &[usize]) -> Vec<Table> {
    let (mut rates, mut delays) = (vec![figures::head("waiting")], vec![latency::head("waiting")]);
    for size in sizes {
        let of_size = || all.iter().filter(|one| one.waiting == *size);
        let figures: Vec<&Figures> = of_size().map(|one| &one.figures).collect();
        rates.push(figures::line(&size.to_string(), &figures));
        let of_size: Vec<&Delays> = of_size().map(|one| &one.delays).collect();
        delays.push([size.to_string()].into_iter().chain(latency::cells(&of_size)).collect());
    }
    let table = |title: &str, lines| Table { title: title.to_owned(), lines, rates: Vec::new() };
    vec![
        table("SMS, to *sent*, beside requests that wait for later dates", rates),
        table(
            &format!("Latency of SMS at {LOAD_PER_SEC}/s beside requests that wait for later dates"),
            delays,
        ),
    ]
}
