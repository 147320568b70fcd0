//! What comes of a run: tables in the terminal and in RESULTS.md, a picture of the rates, and JSON.
//!
//! A further part of the benchmark adds a sheet and a field to `Parts`; nothing else here knows it.

mod markdown;
mod picture;
mod sheet;
mod table;

use std::{fs, path::Path};

use anyhow::Context;
use serde_json::{Map, Value};

use crate::{arguments::Arguments, machine::Machine};

pub use sheet::Sheet;
pub use table::Table;

/// What the parts of a run hand in.
pub struct Parts {
    /// Evaluated from all the others; comes first.
    pub targets: Sheet,
    /// The rates, which the picture shows too.
    pub throughput: Vec<Table>,
    /// Whatever else was measured, in the order of the page.
    pub sheets: Vec<Sheet>,
    /// What did not work, in sentences.
    pub troubles: Vec<String>,
    /// Every figure, by part.
    pub json: Map<String, Value>,
}

/// Written by people; goes into RESULTS.md as it is.
const NOTES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/NOTES.md");

pub fn write(arguments: &Arguments, machine: &Machine, parts: &Parts) -> anyhow::Result<()> {
    let throughput = parts.throughput.iter().map(|table| &table.sheet);
    for sheet in throughput.chain(&parts.sheets).chain([&parts.targets]) {
        println!("\n{}", sheet.aligned());
    }
    let folder = &arguments.results;
    fs::create_dir_all(folder).context("create the results' folder")?;
    let notes = fs::read_to_string(Path::new(NOTES)).context("read the notes")?;
    let text = markdown::page(arguments, machine, parts, &notes);
    fs::write(folder.join("RESULTS.md"), text).context("write RESULTS.md")?;
    fs::write(folder.join("results.svg"), picture::bars(&parts.throughput)).context("write results.svg")?;
    if let Some(file) = &arguments.json {
        let mut all = parts.json.clone();
        all.insert("machine".to_owned(), serde_json::to_value(machine)?);
        fs::write(file, format!("{:#}\n", Value::Object(all))).context("write the JSON file")?;
    }
    Ok(())
}
