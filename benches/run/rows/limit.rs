//! The row `limit`: benches/limit, built as an example of this crate.
//!
//! `make bench` builds it; it makes its own table.

use std::process::Command;

use anyhow::ensure;

use crate::{report::Goal, workspace::Workspace};

pub fn programs(site: &Workspace) -> anyhow::Result<Vec<(String, Command)>> {
    let beside = site.programs.join("limit");
    ensure!(
        beside.exists(),
        "the limit is not built: cargo build --release -p postrider-benches --bin limit"
    );
    Ok(vec![("limit".to_owned(), site.command(&beside))])
}

pub fn reached(goal: Goal) -> &'static str {
    match goal {
        Goal::Sent => "request where state >= 1",
        Goal::Delivered => "request where state = 2",
    }
}
