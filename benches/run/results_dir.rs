//! The results' folder: what earlier runs measured, what this one adds, and the page and picture of all.
//!
//! Written after each part, so that nothing measured is lost where a later one fails.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::report::{Parts, page, picture, target_sheet};

/// Written by people; goes into RESULTS.md as it is.
const NOTES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/NOTES.md");

pub struct ResultsDir {
    folder: PathBuf,
    parts: Parts,
}

impl ResultsDir {
    pub fn open(folder: &Path) -> anyhow::Result<ResultsDir> {
        fs::create_dir_all(folder).context("create the results' folder")?;
        let file = folder.join("results.json");
        let mut parts = Parts::default();
        if file.exists() {
            let text = fs::read_to_string(&file).context("read results.json")?;
            parts = serde_json::from_str(&text).with_context(|| {
                format!("understand {}: without it, all parts begin anew", file.display())
            })?;
        }
        Ok(ResultsDir { folder: folder.to_owned(), parts })
    }

    pub fn keep(&mut self, fresh: Parts) -> anyhow::Result<()> {
        for sheet in fresh.shown().iter().flat_map(|part| &part.sheets) {
            println!("\n{}", sheet.aligned());
        }
        self.parts.take(fresh);
        // In two steps: a run that is interrupted must not leave half a file.
        let (next, file) = (self.folder.join("results.json.next"), self.folder.join("results.json"));
        let json = serde_json::to_string_pretty(&self.parts)?;
        fs::write(&next, format!("{json}\n")).context("write the results")?;
        fs::rename(next, file).context("replace results.json")?;
        self.write()
    }

    pub fn write(&self) -> anyhow::Result<()> {
        let notes = fs::read_to_string(NOTES).context("read the notes")?;
        let page = page(&self.parts, &notes);
        fs::write(self.folder.join("RESULTS.md"), page).context("write RESULTS.md")?;
        fs::write(self.folder.join("results.svg"), picture(&self.parts)).context("write results.svg")
    }

    pub fn print_targets(&self) {
        println!("\n{}", target_sheet(&self.parts).aligned());
    }
}
