//! The rounds of one rate as a table: a line a row, medians with their spread.
//!
//! No I/O.

use serde::Serialize;

use crate::{figures::Spread, report::Table};

use super::{Delays, Load, delays::Percentiles};

/// One run's outcome.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    pub round: usize,
    pub load: Load,
    pub row: String,
    pub delays: Delays,
}

type Part = fn(&Percentiles) -> f64;
const PARTS: [Part; 4] = [|all| all.p50, |all| all.p99, |all| all.p999, |all| all.max];

/// One table a rate.
pub fn tables(runs: &[Run], rows: &[&str], loads: &[Load]) -> Vec<Table> {
    loads.iter().map(|load| table(runs, rows, *load)).collect()
}

fn table(runs: &[Run], rows: &[&str], load: Load) -> Table {
    let mut lines = vec![head("row")];
    for row in rows {
        let of_row: Vec<&Delays> =
            runs.iter().filter(|run| run.load == load && run.row == *row).map(|run| &run.delays).collect();
        lines.push(std::iter::once((*row).to_owned()).chain(cells(&of_row)).collect());
    }
    let Load { per_sec, secs } = load;
    Table {
        title: format!(
            "Latency of SMS at {per_sec}/s over {secs} s: from the scheduled instant to the provider"
        ),
        lines,
        rates: Vec::new(),
    }
}

pub fn head(first: &str) -> Vec<String> {
    [
        first,
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "of it to the broker's confirm, p50 ms",
        "publisher late, p99 ms",
        "publisher late, max ms",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The columns after the first.
pub fn cells(delays: &[&Delays]) -> Vec<String> {
    let spread = |of: &dyn Fn(&Delays) -> f64| {
        Spread::of(delays.iter().map(|delays| of(delays))).map_or_else(String::new, |spread| spread.shown(2))
    };
    let fell_behind: Vec<&&Delays> = delays.iter().filter(|delays| delays.to_provider.is_none()).collect();
    let mut cells: Vec<String> = match fell_behind.iter().map(|delays| delays.behind).max() {
        None => {
            PARTS.map(|part| spread(&|delays| delays.to_provider.as_ref().map_or(f64::NAN, part))).to_vec()
        }
        Some(behind) => {
            let (times, of) = (fell_behind.len(), delays.len());
            let words = format!("did not keep up in {times} of {of} rounds ({behind} behind at the end)");
            vec![words, "–".to_owned(), "–".to_owned(), "–".to_owned()]
        }
    };
    cells.push(spread(&|delays| delays.to_confirm.p50));
    cells.push(spread(&|delays| delays.publisher_late.p99));
    cells.push(spread(&|delays| delays.publisher_late.max));
    cells
}
