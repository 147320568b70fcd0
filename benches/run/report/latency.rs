//! Latency: a table for each rate, a line for each row, medians of the rounds with their spread.
//!
//! Shapes of the results and their section of the report; `run/latency/measure.rs` measures.

use serde::{Deserialize, Serialize};

use super::{
    Delays, Percentiles, Sheet, Spread,
    bars::{Bar, Bars},
    figures::by_row,
};

/// How much, for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    pub per_sec: u32,
    pub secs: u32,
}

/// One run of one row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Latency {
    pub round: usize,
    pub load: Load,
    pub row: String,
    pub delays: Delays,
}

const WORDS: &str = "Jobs are published at instants fixed in advance, whatever comes back; counted is from a \
job's instant to the provider's receipt of the call. A row whose backlog grows has no latency.";

type Place = fn(&Percentiles) -> f64;
const PLACES: [Place; 4] = [|all| all.p50, |all| all.p99, |all| all.p999, |all| all.max];

/// One table a rate, each with what the picture shows of it.
pub fn tables(runs: &[Latency]) -> Vec<(Sheet, Bars)> {
    let mut loads: Vec<Load> = Vec::new();
    for run in runs {
        if !loads.contains(&run.load) {
            loads.push(run.load);
        }
    }
    loads.into_iter().map(|load| table(runs, load)).collect()
}

fn table(runs: &[Latency], load: Load) -> (Sheet, Bars) {
    let Load { per_sec, secs } = load;
    let title = format!("Latency of SMS at {per_sec}/s over {secs} s");
    let mut sheet = Sheet { title: title.clone(), words: WORDS.to_owned(), lines: vec![head("row")] };
    let mut bars =
        Bars { title: format!("Latency of SMS at {per_sec}/s: 99th percentile, ms"), bars: Vec::new() };
    let of_load = runs.iter().filter(|run| run.load == load);
    for (row, delays) in by_row(of_load.map(|run| (run.row.as_str(), &run.delays))) {
        let mut line = vec![row.to_owned()];
        line.extend(cells(&delays));
        line.push(delays.len().to_string());
        sheet.lines.push(line);
        let spread =
            Spread::of(delays.iter().map(|delays| p99(delays))).filter(|spread| spread.most.is_finite());
        let words =
            spread.map_or_else(|| "did not keep up".to_owned(), |spread| format!("{:.1}", spread.median));
        bars.bars.push(Bar { name: row.to_owned(), spread, words });
    }
    sheet.lines[0].push("rounds".to_owned());
    (sheet, bars)
}

/// The median over one row's rounds at this rate; infinite where it did not keep up in half of them.
pub fn median_p99(runs: &[Latency], row: &str, per_sec: u32) -> Option<f64> {
    let same = runs.iter().filter(|run| run.row == row && run.load.per_sec == per_sec);
    Spread::of(same.map(|run| p99(&run.delays))).map(|spread| spread.median)
}

fn p99(delays: &Delays) -> f64 {
    delays.to_provider.as_ref().map_or(f64::INFINITY, |all| all.p99)
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
            let place = |place: Place| spread(&|delays| delays.to_provider.as_ref().map_or(f64::NAN, place));
            PLACES.map(place).to_vec()
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
