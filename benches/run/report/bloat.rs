//! Growth: the size of the tables after many sends, with and without an old snapshot that keeps dead rows.
//!
//! Shapes of the results and their section of the report; `run/growth/bloat.rs` measures.

use serde::{Deserialize, Serialize};

use super::{
    Figures, Sheet,
    figures::{self, grouped},
};

/// Sizes and dead rows after all the sends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bloat {
    pub sends: usize,
    pub snapshot: bool,
    pub figures: Figures,
    pub tables: Vec<Size>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Size {
    pub table: String,
    /// Indexes and all.
    pub mib: f64,
    pub dead: i64,
    pub updates: i64,
    /// Of them those that changed no index.
    pub hot: i64,
    pub vacuums: i64,
}

/// Cost of the sends and the remaining sizes; a line, or a column, for each of the two.
pub fn sheets(all: &[Bloat]) -> Vec<Sheet> {
    let Some(Bloat { sends, tables, .. }) = all.first() else { return Vec::new() };
    let mut cost = vec![figures::head("old snapshot")];
    cost.extend(all.iter().map(|bloat| figures::line(bloat.as_str(), &[&bloat.figures])));
    let mut head = vec!["after it".to_owned()];
    for bloat in all {
        let titles = ["MiB", "dead rows", "HOT of updates", "vacuums"];
        head.extend(titles.map(|title| format!("{title} ({})", bloat.as_str())));
    }
    let mut left = vec![head];
    for Size { table, .. } in tables {
        let sizes = all.iter().flat_map(|bloat| bloat.tables.iter().filter(|size| size.table == *table));
        left.push(std::iter::once(table.clone()).chain(sizes.flat_map(Size::cells)).collect());
    }
    let sheet = |title: String, words: &str, lines| Sheet { title, words: words.to_owned(), lines };
    vec![
        sheet(
            format!("Growth: {} SMS, to *sent*, beside an old snapshot", grouped(*sends)),
            "One run each. Jobs are published meanwhile, so the rate is less than that of a full queue.",
            cost,
        )
        .without_empty_columns(),
        sheet(format!("Growth: tables after these {}", grouped(*sends)), "Sizes with all indexes.", left),
    ]
}

impl Bloat {
    fn as_str(&self) -> &'static str {
        if self.snapshot { "held" } else { "none" }
    }
}

impl Size {
    fn cells(&self) -> [String; 4] {
        let Size { mib, dead, updates, hot, vacuums, .. } = self;
        let share =
            if *updates == 0 { "–".to_owned() } else { format!("{:.2}", *hot as f64 / *updates as f64) };
        [format!("{mib:.1}"), dead.to_string(), share, vacuums.to_string()]
    }
}
