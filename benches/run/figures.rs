//! What is measured of one run, and how several runs become a median with its spread.
//!
//! Everything but rate and memory is per request. Adding a measure is adding a field here and a line to
//! `MEASURES`: reports follow.

use std::fmt;

use serde::Serialize;

/// One run of one row.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    pub per_sec: f64,
    pub worker_micros: f64,
    pub postgres_micros: f64,
    pub broker_micros: f64,
    pub wal_bytes: f64,
    pub round_trips: f64,
    pub peak_rss_mib: f64,
}

/// A column of the tables.
pub struct Measure {
    pub title: &'static str,
    pub of: fn(&Figures) -> f64,
    pub decimals: usize,
}

pub const MEASURES: [Measure; 7] = [
    Measure { title: "requests/s", of: |figures| figures.per_sec, decimals: 0 },
    Measure { title: "worker CPU µs", of: |figures| figures.worker_micros, decimals: 1 },
    Measure { title: "Postgres CPU µs", of: |figures| figures.postgres_micros, decimals: 1 },
    Measure { title: "RabbitMQ CPU µs", of: |figures| figures.broker_micros, decimals: 1 },
    Measure { title: "WAL bytes", of: |figures| figures.wal_bytes, decimals: 0 },
    Measure { title: "SQL round trips", of: |figures| figures.round_trips, decimals: 4 },
    Measure { title: "peak RSS MiB", of: |figures| figures.peak_rss_mib, decimals: 0 },
];

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Measure { title, of, decimals } in &MEASURES {
            write!(out, "{title} {:.*}  ", decimals, of(self))?;
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
        let spread = Spread::of(figures.iter().map(|one| (measure.of)(one)));
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
