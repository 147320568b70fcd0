//! The entrances: rates of the same jobs by AMQP and by HTTP, a line a way, with what a call waited.
//!
//! No I/O. Ratios are of this table alone: jobs are made while the worker runs.

use serde::{Deserialize, Serialize};

use super::{
    Figures, Percentiles, Sheet, Spread,
    figures::{self, grouped},
};

/// How jobs come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    Amqp,
    Http,
}

/// One run by one way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entrance {
    pub round: usize,
    pub way: Way,
    pub requests: usize,
    pub figures: Figures,
    /// From a call to its answer, in milliseconds; none of AMQP.
    pub answers: Option<Percentiles>,
}

const WORDS: &str = "Jobs come while the worker runs: published with confirms, at most 1,000 unconfirmed, or \
posted one a call with 64 calls at once, each answered after the commit. What makes them takes its part of the \
machine.";

impl Way {
    pub fn as_str(self) -> &'static str {
        match self {
            Way::Amqp => "amqp",
            Way::Http => "http",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Way::Amqp => "AMQP",
            Way::Http => "HTTP, 64 calls at once",
        }
    }
}

impl Entrance {
    /// In a line.
    pub fn shown(&self) -> String {
        let answers = self.answers.as_ref();
        let answers = answers.map(|all| format!("answered in p50 {:.2} ms  p99 {:.2} ms", all.p50, all.p99));
        format!("{}{}", self.figures, answers.unwrap_or_default())
    }
}

pub fn sheet(runs: &[Entrance]) -> Sheet {
    let mut head = figures::head("entrance");
    head.insert(2, "of AMQP's".to_owned());
    head.extend(["answered in, p50 ms", "p99 ms"].map(str::to_owned));
    let mut lines = vec![head];
    let amqp = median(runs, Way::Amqp);
    for way in [Way::Amqp, Way::Http] {
        let same: Vec<&Entrance> = runs.iter().filter(|run| run.way == way).collect();
        if same.is_empty() {
            continue;
        }
        let mut line = figures::line(way.title(), &same.iter().map(|run| &run.figures).collect::<Vec<_>>());
        let share = median(runs, way).zip(amqp).map(|(rate, amqp)| format!("{:.2}", rate / amqp));
        line.insert(2, share.unwrap_or_default());
        for place in [|all: &Percentiles| all.p50, |all: &Percentiles| all.p99] {
            let times = Spread::of(same.iter().filter_map(|run| run.answers.as_ref().map(place)));
            line.push(times.map_or_else(String::new, |times| times.shown(2)));
        }
        lines.push(line);
    }
    let requests = runs.first().map_or(0, |run| run.requests);
    let title = format!("Entrances: {} SMS, to *sent*, by AMQP and by HTTP", grouped(requests));
    Sheet { title, words: WORDS.to_owned(), lines }.without_empty_columns()
}

fn median(runs: &[Entrance], way: Way) -> Option<f64> {
    let same = runs.iter().filter(|run| run.way == way);
    Spread::of(same.map(|run| run.figures.per_sec)).map(|spread| spread.median)
}
