//! What comes of a run: tables in the terminal and in RESULTS.md, a picture of the rates, and JSON.
//!
//! Every table stands for one medium and one goal; ratios are to the row `limit`, by medians.

mod markdown;
mod picture;
mod table;

use std::fs;

use anyhow::Context;
use serde_json::json;

use crate::{arguments::Arguments, machine::Machine, parts::Outcome, rounds::Run, throughput::Goal};

pub use table::Table;

pub fn write(
    arguments: &Arguments,
    machine: &Machine,
    (rows, runs): (&[&str], &[Run]),
    further: &Outcome,
) -> anyhow::Result<()> {
    let mut tables = Vec::new();
    for medium in arguments.media() {
        tables.extend(Goal::of(medium).iter().map(|goal| Table::of(runs, rows, medium, *goal)));
    }
    // Where throughput was not asked for.
    tables.retain(|table| !table.rates.is_empty());
    let rates = picture::bars(&tables);
    tables.extend_from_slice(&further.tables);
    for table in &tables {
        println!("\n{}\n{}", table.title, table.aligned());
    }
    let folder = &arguments.results;
    fs::create_dir_all(folder).context("create the results' folder")?;
    let text = markdown::page(arguments, machine, &tables);
    fs::write(folder.join("RESULTS.md"), text).context("write RESULTS.md")?;
    fs::write(folder.join("results.svg"), rates).context("write results.svg")?;
    if let Some(file) = &arguments.json {
        let all = json!({ "machine": machine, "requests": arguments.requests, "runs": runs,
            "latency": further.latency, "growth": further.growth });
        fs::write(file, format!("{all:#}\n")).context("write the JSON file")?;
    }
    Ok(())
}
