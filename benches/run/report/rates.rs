//! Rates of one medium: a table a goal, a line a row, a column a measure, each cell a median with its spread.
//!
//! Ratios are to the row `limit` of the same run.

use serde::{Deserialize, Serialize};

use super::{
    Figures, Goal, LIMIT, Medium, Sheet, Spread,
    bars::{Bar, Bars},
    figures::{self, by_row, grouped},
};

/// One run of one row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rate {
    pub round: usize,
    pub medium: Medium,
    pub goal: Goal,
    pub row: String,
    pub requests: usize,
    pub figures: Figures,
}

/// Of these figures one; `None` where it was not measured.
pub type Field = fn(&Figures) -> Option<f64>;

pub const PER_SEC: Field = |figures| Some(figures.per_sec);

/// The median of one row's runs to one goal.
pub fn median(rates: &[Rate], row: &str, goal: Goal, field: Field) -> Option<f64> {
    let same = rates.iter().filter(|rate| rate.row == row && rate.goal == goal);
    Spread::of(same.filter_map(|rate| field(&rate.figures))).map(|spread| spread.median)
}

/// One medium's tables, each with what the picture shows of it.
pub fn tables(rates: &[Rate]) -> Vec<(Sheet, Bars)> {
    let goals = [Goal::Sent, Goal::Delivered].into_iter();
    goals
        .filter_map(|goal| table(&rates.iter().filter(|rate| rate.goal == goal).collect::<Vec<_>>()))
        .collect()
}

/// `None` of nothing.
fn table(rates: &[&Rate]) -> Option<(Sheet, Bars)> {
    let Rate { medium, goal, .. } = *rates.first()?;
    let title = format!("{}, to *{}*", medium.title(), goal.as_str());
    let mut sheet = Sheet { title: title.clone(), words: String::new(), lines: vec![head()] };
    let mut bars = Bars { title: format!("{}: requests/s", title.replace('*', "")), bars: Vec::new() };
    let rows = by_row(rates.iter().map(|rate| (rate.row.as_str(), *rate)));
    let limit = rows.iter().find(|(row, _)| *row == LIMIT).map(|(_, rates)| rates);
    for (row, rates) in &rows {
        let all: Vec<&Figures> = rates.iter().map(|rate| &rate.figures).collect();
        let share = limit.and_then(|limit| share(rates, limit));
        let mut line = figures::line(row, &all);
        line.insert(2, share.map_or_else(String::new, |share| share.shown(2)));
        line.push(format!("{} of {}", rates.len(), grouped(rates[0].requests)));
        sheet.lines.push(line);
        let spread = Spread::of(all.iter().map(|one| one.per_sec));
        let shown = spread.map_or_else(String::new, |rate| format!("{:.0}", rate.median));
        let of_limit = share.map_or_else(String::new, |share| format!(" ({:.2} of the limit)", share.median));
        bars.bars.push(Bar { name: (*row).to_owned(), spread, words: format!("{shown}{of_limit}") });
    }
    Some((sheet, bars))
}

fn head() -> Vec<String> {
    let mut head = figures::head("row");
    head.insert(2, "of the limit".to_owned());
    head.push("runs".to_owned());
    head
}

/// Median of the rates over the limit's median; its spread is that of the rounds, each by itself.
fn share(rates: &[&Rate], limit: &[&Rate]) -> Option<Spread> {
    let per_sec = |rates: &[&Rate]| Spread::of(rates.iter().map(|rate| rate.figures.per_sec));
    let rounds = rates.iter().filter_map(|rate| {
        let limit = limit.iter().find(|limit| limit.round == rate.round)?;
        Some(rate.figures.per_sec / limit.figures.per_sec)
    });
    Some(Spread { median: per_sec(rates)?.median / per_sec(limit)?.median, ..Spread::of(rounds)? })
}
