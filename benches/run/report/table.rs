//! One table: a line a row, a column a measure, each cell a median with its spread.
//!
//! No I/O. `markdown` and the terminal show the same cells.

use crate::{
    arguments::Medium,
    figures::{self, Figures, Spread},
    rounds::{self, Run},
    throughput::Goal,
};

const LIMIT: &str = "limit";

#[derive(Debug, Clone)]
pub struct Table {
    pub title: String,
    pub lines: Vec<Vec<String>>,
    /// Name, rate, and the rate's share of the limit's where both ran.
    pub rates: Vec<(String, Spread, Option<f64>)>,
}

impl Table {
    pub fn of(runs: &[Run], rows: &[&str], medium: Medium, goal: Goal) -> Table {
        let by_row = rounds::table(runs, medium, goal);
        let medium = if medium == Medium::Sms { "SMS" } else { "Email" };
        let mut table = Table {
            title: format!("{medium}, to *{}*", goal.word()),
            lines: vec![head()],
            rates: Vec::new(),
        };
        let limit = by_row.get(LIMIT);
        for name in rows {
            let Some(figures) = by_row.get(name) else { continue };
            let Some(rate) = Spread::of(figures.iter().map(|one| one.per_sec)) else { continue };
            let share = limit.and_then(|limit| share(figures, limit));
            table.lines.push(line(name, figures, share));
            table.rates.push(((*name).to_owned(), rate, share.map(|share| share.median)));
        }
        table
    }

    /// In columns, for a terminal.
    pub fn aligned(&self) -> String {
        let columns = self.lines.first().map_or(0, Vec::len);
        let cell = |line: &[String], column: usize| line[column].chars().count();
        let width = |column| self.lines.iter().map(|line| cell(line, column)).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for line in &self.lines {
            for (word, width) in line.iter().zip(&widths) {
                text.push_str(&format!("  {word:<width$}"));
            }
            text.push('\n');
        }
        text
    }
}

fn head() -> Vec<String> {
    let mut head = figures::head("row");
    head.insert(2, "of the limit".to_owned());
    head
}

fn line(name: &str, figures: &[&Figures], share: Option<Spread>) -> Vec<String> {
    let mut line = figures::line(name, figures);
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
