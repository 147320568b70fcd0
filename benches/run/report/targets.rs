//! Postrider's targets, each line judged by the figures of one part.
//!
//! A missing measurement is shown as not measured, never left out. Only memory is the highest of several parts:
//! it is compared with nothing that was measured.

use super::{
    Figures, Goal, LIMIT, Latency, Medium, POSTRIDER, Part, Parts, Rate, Sheet,
    figures::{by_row, grouped},
    latency::median_p99,
    rates::{Field, PER_SEC, median},
    waiting,
};

const LATENCY_PER_SEC: u32 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub what: String,
    /// `None` where what it is compared with was not measured.
    pub bound: Option<Bound>,
    /// Infinite where it was tried and did not end.
    pub measured: Option<f64>,
    pub decimals: usize,
    /// Of the part that it is judged by.
    pub commit: Option<String>,
}

pub fn targets(parts: &Parts) -> Vec<Target> {
    let mut all = rates(parts);
    all.extend(latency(parts.latency.as_ref()));
    all.push(beside_waiting(parts));
    all.push(memory(parts));
    all
}

/// Of both media.
fn rates(parts: &Parts) -> Vec<Target> {
    use Goal::{Delivered, Sent};
    use Medium::{Email, Sms};
    let part = |medium| if medium == Sms { parts.sms.as_ref() } else { parts.email.as_ref() };
    let of = |medium, row: &str, goal, field| median(&part(medium)?.runs, row, goal, field);
    let of_limit = |medium, goal, field: Field| {
        Some(of(medium, POSTRIDER, goal, field)? / of(medium, LIMIT, goal, field)?)
    };
    let times = |other: Option<f64>| Some(of(Sms, POSTRIDER, Sent, PER_SEC)? / other?);
    let best_peer = parts.sms.as_ref().and_then(|part| best_peer(&part.runs));
    let target = |medium, what, bound, measured, decimals| {
        Target::of(part(medium), what, Some(bound), measured, decimals)
    };
    let worker: Field = |figures| Some(figures.worker_micros);
    let wal: Field = |figures| Some(figures.wal_bytes);
    let asked = of(Sms, POSTRIDER, Sent, |figures: &Figures| figures.round_trips);
    let prefork = of(Sms, "celery-prefork", Sent, PER_SEC);
    vec![
        target(Sms, "SMS to *sent*, of the limit", AtLeast(0.80), of_limit(Sms, Sent, PER_SEC), 2),
        target(Sms, "SMS to *sent*, times Celery prefork", AtLeast(10.0), times(prefork), 1),
        target(Sms, "SMS to *sent*, times the best peer", AtLeast(5.0), times(best_peer), 1),
        target(Email, "email to *sent*, of the limit", AtLeast(0.60), of_limit(Email, Sent, PER_SEC), 2),
        target(Sms, "SMS to *delivered*, of the limit", AtLeast(0.85), of_limit(Sms, Delivered, PER_SEC), 2),
        target(
            Sms,
            "worker CPU a request (SMS to *sent*), of the limit's",
            AtMost(1.5),
            of_limit(Sms, Sent, worker),
            2,
        ),
        target(
            Sms,
            "WAL bytes a request (SMS to *sent*), of the limit's",
            AtMost(1.2),
            of_limit(Sms, Sent, wal),
            2,
        ),
        target(Sms, "SQL round trips a request (SMS to *sent*)", AtMost(0.05), asked, 4),
    ]
}

fn best_peer(rates: &[Rate]) -> Option<f64> {
    let rows = by_row(rates.iter().map(|rate| (rate.row.as_str(), ())));
    let peers = rows.into_iter().map(|(row, _)| row).filter(|row| is_peer(row));
    peers.filter_map(|row| median(rates, row, Goal::Sent, PER_SEC)).max_by(f64::total_cmp)
}

fn is_peer(row: &str) -> bool {
    ![LIMIT, POSTRIDER].contains(&row)
}

fn latency(part: Option<&Part<Vec<Latency>>>) -> [Target; 2] {
    let runs = part.map_or(&[][..], |part| &part.runs);
    let rows = by_row(runs.iter().map(|run| (run.row.as_str(), ())));
    let peers = rows.into_iter().map(|(row, _)| row).filter(|row| is_peer(row));
    let best = peers.filter_map(|row| median_p99(runs, row, LATENCY_PER_SEC)).min_by(f64::total_cmp);
    let ours = median_p99(runs, POSTRIDER, LATENCY_PER_SEC);
    [
        Target::of(part, "p99 at 1,000 requests/s, ms", Some(AtMost(30.0)), ours, 1),
        Target::of(part, "p99 at 1,000 requests/s, ms, against the best peer's", best.map(AtMost), ours, 1),
    ]
}

fn beside_waiting(parts: &Parts) -> Target {
    let part = parts.waiting.as_ref();
    let ratio = part.and_then(|part| waiting::ratio(&part.runs));
    let waiting = ratio.map_or(1_000_000, |(waiting, _)| waiting);
    let what = format!("rate with {} requests waiting, of that with none", grouped(waiting));
    Target::of(part, &what, Some(AtLeast(0.95)), ratio.map(|(_, ratio)| ratio), 2)
}

fn memory(parts: &Parts) -> Target {
    let mut all: Vec<(f64, &str)> = Vec::new();
    for part in [&parts.sms, &parts.email].into_iter().flatten() {
        let ours = part.runs.iter().filter(|rate| rate.row == POSTRIDER);
        all.extend(ours.map(|rate| (rate.figures.peak_rss_mib, part.origin.commit.as_str())));
    }
    if let Some(Part { origin, runs, .. }) = &parts.entrance {
        all.extend(runs.iter().map(|run| (run.figures.peak_rss_mib, origin.commit.as_str())));
    }
    if let Some(Part { origin, runs, .. }) = &parts.waiting {
        all.extend(runs.iter().map(|run| (run.figures.peak_rss_mib, origin.commit.as_str())));
    }
    if let Some(Part { origin, runs, .. }) = &parts.drain {
        all.extend(runs.iter().map(|run| (run.figures.peak_rss_mib, origin.commit.as_str())));
    }
    if let Some(Part { origin, runs, .. }) = &parts.bloat {
        all.extend(runs.iter().map(|run| (run.figures.peak_rss_mib, origin.commit.as_str())));
    }
    let most = all.into_iter().max_by(|one, other| one.0.total_cmp(&other.0));
    Target {
        what: "worker's peak RSS in any part, MiB".to_owned(),
        bound: Some(AtMost(100.0)),
        measured: most.map(|(mib, _)| mib),
        decimals: 0,
        commit: most.map(|(_, commit)| commit.to_owned()),
    }
}

impl Target {
    fn of<T>(
        part: Option<&Part<T>>,
        what: &str,
        bound: Option<Bound>,
        measured: Option<f64>,
        decimals: usize,
    ) -> Target {
        let commit = part.filter(|_| measured.is_some()).map(|part| part.origin.commit.clone());
        Target { what: what.to_owned(), bound, measured, decimals, commit }
    }

    fn line(&self) -> Vec<String> {
        let shown = |figure: f64| match figure.is_finite() {
            true => format!("{figure:.*}", self.decimals),
            false => "did not keep up".to_owned(),
        };
        let bound = match self.bound {
            Some(AtLeast(bound)) => format!("≥ {}", shown(bound)),
            Some(AtMost(bound)) if bound.is_infinite() => shown(bound),
            Some(AtMost(bound)) => format!("≤ {}", shown(bound)),
            None => "–".to_owned(),
        };
        let measured = self.measured.map_or_else(|| "–".to_owned(), shown);
        let commit = self.commit.clone().unwrap_or_else(|| "–".to_owned());
        vec![self.what.clone(), bound, measured, self.verdict(), commit]
    }

    /// In a word or two.
    pub fn verdict(&self) -> String {
        let (Some(bound), Some(measured)) = (self.bound, self.measured) else {
            return "not measured".to_owned();
        };
        let missed = match bound {
            _ if measured.is_infinite() => return "**missed**".to_owned(),
            AtLeast(bound) => (bound - measured) / bound,
            AtMost(bound) if bound.is_infinite() => return "met".to_owned(),
            AtMost(bound) => (measured - bound) / bound,
        };
        if missed <= 0.0 { "met".to_owned() } else { format!("**missed by {:.1} %**", missed * 100.0) }
    }
}

pub fn sheet(parts: &Parts) -> Sheet {
    let words = "Judged by the medians of one part each; memory by the highest peak.";
    let mut sheet = Sheet::new("Targets", words, &["target", "wanted", "measured", "", "at commit"]);
    sheet.lines.extend(targets(parts).iter().map(Target::line));
    sheet
}
