//! Growth: the plan of the claim statement, and its time beside waiting requests.
//!
//! Shapes of the results and their section of the report; `run/growth/claims.rs` measures.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Sheet, delays::nearest, figures::grouped};

/// All claims beside one number of waiting requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    pub waiting: usize,
    /// Due rows beside them, and rows of one claim.
    pub due: usize,
    pub at_once: usize,
    /// Milliseconds of each claim, explaining included, in ascending order.
    pub millis: Vec<f64>,
    /// Pages from the buffers and from elsewhere, by the last claim.
    pub buffers_hit: i64,
    pub buffers_read: i64,
    /// How each table is read.
    pub reads: BTreeSet<String>,
}

impl Claims {
    /// The middle, the last but one percent, and the longest.
    pub fn percentiles(&self) -> [String; 3] {
        [0.5, 0.99, 1.0]
            .map(|share| nearest(&self.millis, share).map_or_else(String::new, |ms| format!("{ms:.2}")))
    }
}

pub fn sheet(all: &[Claims]) -> Sheet {
    let claims = all.first().map_or(0, |claims| claims.millis.len());
    let (at_once, due) = all.first().map_or((0, 0), |claims| (claims.at_once, claims.due));
    let mut sheet = Sheet::new(
        &format!("Growth: {claims} claims of {at_once} out of {} due, explained", grouped(due)),
        "The worker's own statement beside requests that wait for later dates, each time rolled back.",
        &["waiting", "p50 ms", "p99 ms", "max ms", "pages hit", "pages read", "plan"],
    );
    for claims in all {
        let mut line = vec![grouped(claims.waiting)];
        line.extend(claims.percentiles());
        line.extend([claims.buffers_hit.to_string(), claims.buffers_read.to_string()]);
        line.push(claims.reads.iter().cloned().collect::<Vec<_>>().join("; "));
        sheet.lines.push(line);
    }
    sheet
}
