//! Growth: rate and latency beside requests that wait for later dates, and when all of them are due at once.
//!
//! Shapes of the results and their section of the report; `run/growth/waiting.rs` measures.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Delays, Figures, Load, Sheet, Spread,
    figures::{self, grouped, line},
    latency,
};

/// One round of one size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Waiting {
    pub waiting: usize,
    pub round: usize,
    pub requests: usize,
    pub figures: Figures,
    pub load: Load,
    pub delays: Delays,
}

/// After an outage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Drain {
    pub due: usize,
    pub figures: Figures,
}

/// Rates, and latencies.
pub fn sheets(all: &[Waiting]) -> Vec<Sheet> {
    let Some(Waiting { requests, load: Load { per_sec, secs }, .. }) = all.first() else { return Vec::new() };
    let (mut rates, mut delays) = (vec![figures::head("waiting")], vec![latency::head("waiting")]);
    for size in sizes(all) {
        let of_size: Vec<&Waiting> = all.iter().filter(|one| one.waiting == size).collect();
        rates.push(line(&grouped(size), &of_size.iter().map(|one| &one.figures).collect::<Vec<_>>()));
        let cells = latency::cells(&of_size.iter().map(|one| &one.delays).collect::<Vec<_>>());
        delays.push([grouped(size)].into_iter().chain(cells).collect());
    }
    let rounds = all.iter().map(|one| one.round).max().unwrap_or_default();
    let words = format!("Medians of {rounds} rounds; sizes alternate within a round.");
    let sheet = |title: String, lines| Sheet { title, words: words.clone(), lines }.without_empty_columns();
    vec![
        sheet(
            format!(
                "Growth: {} SMS, to *sent*, beside requests that wait for later dates",
                grouped(*requests)
            ),
            rates,
        ),
        sheet(format!("Growth: latency of SMS at {per_sec}/s over {secs} s beside such requests"), delays),
    ]
}

fn sizes(all: &[Waiting]) -> BTreeSet<usize> {
    all.iter().map(|one| one.waiting).collect()
}

/// The largest size, and its rate over that with nothing waiting; `None` where either was not measured.
pub fn ratio(all: &[Waiting]) -> Option<(usize, f64)> {
    let rate = |size: usize| {
        let of_size = all.iter().filter(|one| one.waiting == size);
        Spread::of(of_size.map(|one| one.figures.per_sec)).map(|spread| spread.median)
    };
    let largest = *sizes(all).last().filter(|size| **size > 0)?;
    Some((largest, rate(largest)? / rate(0)?))
}

pub fn drained(all: &[Drain]) -> Sheet {
    let mut lines = vec![figures::head("due")];
    lines.extend(all.iter().map(|Drain { due, figures }| line(&grouped(*due), &[figures])));
    let title = "Growth: SMS, to *sent*, of messages that are all due after an outage".to_owned();
    Sheet { title, words: "One run; nothing new comes meanwhile.".to_owned(), lines }.without_empty_columns()
}
