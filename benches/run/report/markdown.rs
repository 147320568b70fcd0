//! RESULTS.md: how it was measured, on what, and the tables.
//!
//! No I/O. What the tables do not meet, and what was tried, is for people to write elsewhere: this file is
//! written anew by each run.

use crate::{arguments::Arguments, machine::Machine};

use super::Table;

const HOW: &str = "Every row does the same work on the same private RabbitMQ and Postgres (quorum queue, \
persistent and confirmed messages, `synchronous_commit = on`): the same jobs wait in its queue before its \
worker starts, and the same simulated provider takes its calls over HTTP at once. To *sent*: the provider \
took it and the row's table says so, without webhooks; to *delivered*: with two signed webhooks a message, \
answered after the commit. Rates are those of the steady part (10 to 90 %). Figures but rate and memory are \
per request; CPU is that of all processes until the last row is written, of \
the row's programs from the first call on, so that no start-up counts. Medians of the rounds, in \
brackets the least and the most; the rows alternate within a round. Only ratios within one table mean \
something: all programs, the servers and the provider share the machine's cores.";

pub fn page(arguments: &Arguments, machine: &Machine, tables: &[Table]) -> String {
    let mut page = format!("# What it costs\n\nWritten by `make bench`.\n\n{HOW}\n\n");
    let Machine { commit, date, processor, cores, memory_gib, kernel, versions } = machine;
    page.push_str("| | |\n|---|---|\n");
    page.push_str(&format!("| commit | {commit} |\n| date | {date} |\n"));
    page.push_str(&format!("| machine | {cores} cores of {processor}, {memory_gib} GiB, Linux {kernel} |\n"));
    for (name, version) in versions {
        page.push_str(&format!("| {name} | {version} |\n"));
    }
    page.push_str(&format!("| rounds | {} of {} requests |\n", arguments.rounds, arguments.requests));
    page.push_str("\n![rates](results.svg)\n");
    for table in tables {
        page.push_str(&format!("\n## {}\n\n", table.title));
        for (number, line) in table.lines.iter().enumerate() {
            page.push_str(&format!("| {} |\n", line.join(" | ")));
            if number == 0 {
                page.push_str(&format!("|{}\n", "---|".repeat(line.len())));
            }
        }
    }
    page
}
