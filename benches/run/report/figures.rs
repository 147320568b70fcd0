//! The figures of one run, and how several runs become a median with its spread.
//!
//! Everything but rate and memory is per request. Adding a measure is adding a field here and a line to
//! `MEASURES`: reports follow.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One run of one row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figures {
    pub per_sec: f64,
    pub worker_micros: f64,
    pub postgres_micros: f64,
    pub broker_micros: f64,
    pub wal_bytes: f64,
    /// Calls by Postgres' own count, `rollback` and the like included.
    pub statements: f64,
    /// Times that Postgres was asked and answered, pings and preparing too, which are no calls: counted on the
    /// wire (`relay`), or as many to a call as were counted there.
    pub round_trips: Option<f64>,
    pub peak_rss_mib: f64,
}

/// A column of the tables.
pub struct Measure {
    pub title: &'static str,
    pub of: fn(&Figures) -> Option<f64>,
    pub decimals: usize,
}

pub const MEASURES: [Measure; 8] = [
    Measure { title: "requests/s", of: |figures| Some(figures.per_sec), decimals: 0 },
    Measure { title: "worker CPU µs", of: |figures| Some(figures.worker_micros), decimals: 1 },
    Measure { title: "Postgres CPU µs", of: |figures| Some(figures.postgres_micros), decimals: 1 },
    Measure { title: "RabbitMQ CPU µs", of: |figures| Some(figures.broker_micros), decimals: 1 },
    Measure { title: "WAL bytes", of: |figures| Some(figures.wal_bytes), decimals: 0 },
    Measure { title: "SQL calls", of: |figures| Some(figures.statements), decimals: 4 },
    Measure { title: "SQL round trips", of: |figures| figures.round_trips, decimals: 4 },
    Measure { title: "peak RSS MiB", of: |figures| Some(figures.peak_rss_mib), decimals: 0 },
];

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Measure { title, of, decimals } in &MEASURES {
            if let Some(value) = of(self) {
                write!(out, "{title} {value:.decimals$}  ")?;
            }
        }
        Ok(())
    }
}

/// The titles of all measures, after that of a first column.
pub fn head(first: &str) -> Vec<String> {
    let titles = MEASURES.iter().map(|measure| measure.title);
    [first].into_iter().chain(titles).map(str::to_owned).collect()
}

/// The cells of several runs, each a median with its spread, after a name.
pub fn line(name: &str, figures: &[&Figures]) -> Vec<String> {
    let cells = MEASURES.iter().map(|measure| {
        let spread = Spread::of(figures.iter().filter_map(|one| (measure.of)(one)));
        spread.map_or_else(String::new, |spread| spread.shown(measure.decimals))
    });
    std::iter::once(name.to_owned()).chain(cells).collect()
}

/// Several runs' median and extremes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// `None` of nothing.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Spread { median: f64::midpoint(below, above), least, most })
    }

    pub fn shown(&self, decimals: usize) -> String {
        let Spread { median, least, most } = self;
        if least == most {
            return format!("{median:.decimals$}");
        }
        format!("{median:.decimals$} ({least:.decimals$}–{most:.decimals$})")
    }
}

/// In groups of three digits.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let group = |at: usize| if at > 0 && (digits.len() - at).is_multiple_of(3) { "," } else { "" };
    digits.chars().enumerate().map(|(at, digit)| format!("{}{digit}", group(at))).collect()
}

/// Groups values by row, in the order in which rows first come.
pub fn by_row<'a, T>(all: impl Iterator<Item = (&'a str, T)>) -> Vec<(&'a str, Vec<T>)> {
    let mut rows: Vec<(&str, Vec<T>)> = Vec::new();
    for (name, one) in all {
        match rows.iter_mut().find(|(row, _)| *row == name) {
            Some((_, of_row)) => of_row.push(one),
            None => rows.push((name, vec![one])),
        }
    }
    rows
}
