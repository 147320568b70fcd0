//! The rate of each setting of each peer before the rounds, and the setting that was kept.
//!
//! Shapes of the results and their section of the report; `run/sweep.rs` measures.

use serde::{Deserialize, Serialize};

use super::{Figures, Sheet, figures::grouped};

/// One run of one setting.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tried {
    pub row: String,
    pub setting: String,
    pub requests: usize,
    pub kept: bool,
    /// The reason, in plain words, where it did not work.
    pub figures: Result<Figures, String>,
}

pub fn sheet(all: &[Tried]) -> Sheet {
    let mut sheet = Sheet::new(
        "How the peers were tuned",
        "Each setting ran once, SMS to *sent*; the fastest of each family took part in what that run measured.",
        &["row", "setting", "requests", "requests/s", "worker CPU µs", "peak RSS MiB", ""],
    );
    for Tried { row, setting, requests, kept, figures } in all {
        let mut line = vec![row.clone(), setting.clone(), grouped(*requests)];
        match figures {
            Ok(Figures { per_sec, worker_micros, peak_rss_mib, .. }) => {
                line.extend([per_sec, worker_micros, peak_rss_mib].map(|figure| format!("{figure:.0}")));
                line.push(if *kept { "**kept**".to_owned() } else { String::new() });
            }
            Err(error) => {
                line.extend(["–", "–", "–"].map(str::to_owned));
                line.push(format!("failed: {error}"));
            }
        }
        sheet.lines.push(line);
    }
    sheet
}
