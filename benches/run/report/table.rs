//! The table of one medium and one goal: a line a row, a column a measure, each cell a median with its spread.
//!
//! No I/O. Ratios are to the row `limit`.

use crate::{
    arguments::Medium,
    figures::{Figures, MEASURES, Spread},
    rounds::{self, Run},
    rows::LIMIT,
    sweep::Contestant,
    throughput::Goal,
};

use super::Sheet;

pub struct Table {
    pub sheet: Sheet,
    /// Name, rate, and the rate's share of the limit's where both ran.
    pub rates: Vec<(String, Spread, Option<f64>)>,
}

impl Table {
    pub fn of(runs: &[Run], contestants: &[Contestant], medium: Medium, goal: Goal) -> Table {
        let by_row = rounds::table(runs, medium, goal);
        let medium = if medium == Medium::Sms { "SMS" } else { "Email" };
        let mut table = Table {
            sheet: Sheet::new(&format!("{medium}, to *{}*", goal.word()), "", &head()),
            rates: Vec::new(),
        };
        let limit = by_row.get(LIMIT);
        for Contestant { row, requests, .. } in contestants {
            let name = row.name.as_str();
            let Some(figures) = by_row.get(name) else { continue };
            let Some(rate) = Spread::of(figures.iter().map(|one| one.per_sec)) else { continue };
            let share = limit.and_then(|limit| share(figures, limit));
            let mut line = line(name, figures, share);
            line.push(format!("{} of {requests}", figures.len()));
            table.sheet.lines.push(line);
            table.rates.push((name.to_owned(), rate, share.map(|share| share.median)));
        }
        table
    }
}

fn head() -> Vec<&'static str> {
    let mut head = vec!["row"];
    head.extend(MEASURES.iter().map(|measure| measure.title));
    head.insert(2, "of the limit");
    head.push("runs");
    head
}

fn line(name: &str, figures: &[&Figures], share: Option<Spread>) -> Vec<String> {
    let cells = MEASURES.iter().map(|measure| {
        let spread = Spread::of(figures.iter().filter_map(|one| (measure.of)(one)));
        spread.map_or_else(String::new, |spread| spread.shown(measure.decimals))
    });
    let mut line: Vec<String> = std::iter::once(name.to_owned()).chain(cells).collect();
    line.insert(2, share.map_or_else(String::new, |share| share.shown(2)));
    line
}

/// Median of the rates over the limit's median; its spread is that of the rounds, each by itself.
fn share(figures: &[&Figures], limit: &[&Figures]) -> Option<Spread> {
    let rounds = figures.iter().zip(limit).map(|(one, limit)| one.per_sec / limit.per_sec);
    let rate = |figures: &[&Figures]| Spread::of(figures.iter().map(|one| one.per_sec));
    let median = rate(figures)?.median / rate(limit)?.median;
    Some(Spread { median, ..Spread::of(rounds)? })
}
