//! What Postrider is to reach, each line judged by the run's own figures.
//!
//! No I/O. What a run did not measure is said to be not measured, never left out.

use crate::{
    arguments::Medium,
    figures::{Figures, Spread},
    report::Sheet,
    rounds::Run,
    rows::{LIMIT, POSTRIDER},
    throughput::Goal,
};

/// What parts other than the throughput measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Others {
    /// 99th percentile from publishing to the call, at 1,000 requests/s.
    pub p99_millis: Option<f64>,
    /// The least of the peers' same figures.
    pub best_peer_p99_millis: Option<f64>,
    /// Rate with 1,000,000 requests waiting over the rate with none.
    pub waiting_ratio: Option<f64>,
    /// Of the worker, while they waited.
    pub waiting_peak_rss_mib: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

pub struct Target {
    what: &'static str,
    /// `None` where what it is compared with was not measured.
    bound: Option<Bound>,
    measured: Option<f64>,
    decimals: usize,
}

type Field = fn(&Figures) -> Option<f64>;

const RATE: Field = |figures| Some(figures.per_sec);

pub fn list(runs: &[Run], others: &Others) -> Vec<Target> {
    use Goal::{Delivered, Sent};
    use Medium::{Email, Sms};
    let median = |row: &str, medium, goal, field| median(runs, row, (medium, goal), field);
    let ours = |medium, goal, field| median(POSTRIDER, medium, goal, field);
    let of_limit =
        |medium, goal, field| Some(ours(medium, goal, field)? / median(LIMIT, medium, goal, field)?);
    let times = |other: Option<f64>| Some(ours(Sms, Sent, RATE)? / other?);
    let target = |what, bound, measured, decimals| Target { what, bound: Some(bound), measured, decimals };

    let best_peer = peers(runs).filter_map(|row| median(row, Sms, Sent, RATE)).max_by(f64::total_cmp);
    let rss = runs.iter().filter(|run| run.row == POSTRIDER).map(|run| run.figures.peak_rss_mib);
    let rss = rss.chain(others.waiting_peak_rss_mib).max_by(f64::total_cmp);
    vec![
        target("SMS to *sent*, of the limit", AtLeast(0.80), of_limit(Sms, Sent, RATE), 2),
        target(
            "SMS to *sent*, times Celery prefork",
            AtLeast(10.0),
            times(median("celery-prefork", Sms, Sent, RATE)),
            1,
        ),
        target("SMS to *sent*, times the best peer", AtLeast(5.0), times(best_peer), 1),
        target("email to *sent*, of the limit", AtLeast(0.60), of_limit(Email, Sent, RATE), 2),
        target("SMS to *delivered*, of the limit", AtLeast(0.85), of_limit(Sms, Delivered, RATE), 2),
        target(
            "worker CPU a request (SMS to *sent*), of the limit's",
            AtMost(1.5),
            of_limit(Sms, Sent, |figures| Some(figures.worker_micros)),
            2,
        ),
        target(
            "WAL bytes a request (SMS to *sent*), of the limit's",
            AtMost(1.2),
            of_limit(Sms, Sent, |figures| Some(figures.wal_bytes)),
            2,
        ),
        target(
            "SQL round trips a request (SMS to *sent*)",
            AtMost(0.05),
            ours(Sms, Sent, |figures| figures.round_trips),
            4,
        ),
        target("p99 at 1,000 requests/s, ms", AtMost(30.0), others.p99_millis, 1),
        Target {
            what: "p99 at 1,000 requests/s, ms, against the best peer's",
            bound: others.best_peer_p99_millis.map(AtMost),
            measured: others.p99_millis,
            decimals: 1,
        },
        target("rate with 1,000,000 waiting, of that with none", AtLeast(0.95), others.waiting_ratio, 2),
        target("worker's peak RSS, MiB", AtMost(100.0), rss, 0),
    ]
}

fn peers(runs: &[Run]) -> impl Iterator<Item = &str> {
    let names = runs.iter().map(|run| run.row.as_str());
    names.filter(|name| ![LIMIT, POSTRIDER].contains(name))
}

fn median(runs: &[Run], row: &str, (medium, goal): (Medium, Goal), field: Field) -> Option<f64> {
    let same = |run: &&Run| run.row == row && run.medium == medium && run.goal == goal;
    let values = runs.iter().filter(same).filter_map(|run| field(&run.figures));
    Spread::of(values).map(|spread| spread.median)
}

impl Target {
    fn line(&self) -> Vec<String> {
        let shown = |figure: f64| format!("{figure:.*}", self.decimals);
        let bound = match self.bound {
            Some(AtLeast(bound)) => format!("≥ {}", shown(bound)),
            Some(AtMost(bound)) => format!("≤ {}", shown(bound)),
            None => "–".to_owned(),
        };
        let measured = self.measured.map_or_else(|| "–".to_owned(), shown);
        vec![self.what.to_owned(), bound, measured, self.verdict()]
    }

    fn verdict(&self) -> String {
        let (Some(bound), Some(measured)) = (self.bound, self.measured) else {
            return "not measured".to_owned();
        };
        let missed = match bound {
            AtLeast(bound) => (bound - measured) / bound,
            AtMost(bound) => (measured - bound) / bound,
        };
        if missed <= 0.0 { "met".to_owned() } else { format!("**missed by {:.1} %**", missed * 100.0) }
    }
}

pub fn sheet(targets: &[Target]) -> Sheet {
    let words = "Judged by this run's medians; memory by its highest peak.";
    let mut sheet = Sheet::new("Targets", words, &["target", "wanted", "measured", ""]);
    sheet.lines.extend(targets.iter().map(Target::line));
    sheet
}
