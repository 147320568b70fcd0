//! RESULTS.md: how it was measured, on what, the tables, and the notes.
//!
//! No I/O. What people have to say stands in NOTES.md and is put at the end: this page is written anew by each
//! run.

use crate::{arguments::Arguments, machine::Machine};

use super::Parts;

const HOW: &str = "Every row does the same work on the same private RabbitMQ and Postgres (quorum queue, \
persistent and confirmed messages, `synchronous_commit = on`): the same jobs wait in its queue before its \
worker starts, and the same simulated provider takes its calls over HTTP at once. To *sent*: the provider \
took it and the row's table says so, without webhooks; to *delivered*: with two signed webhooks a message, \
answered after the commit. Rates are those of the steady part (10 to 90 %). Figures but rate and memory are \
per request; CPU is that of all processes until the last row is written, of \
the row's programs from the first call on, so that no start-up counts; of Postgres and RabbitMQ from the \
programs' start on, which for Celery has about 0.3 s of RabbitMQ's in it (28 queues for delays). Medians of the rounds, in \
brackets the least and the most; the rows alternate within a round. Only ratios within one table mean \
something: all programs, the servers and the provider share the machine's cores.

SQL calls are what Postgres counts (`pg_stat_statements`, with `rollback` and the like). It counts no pings \
and no preparing; round trips are these calls times what a relay on the wire counted to a call, in a run of \
its own. Memory is \
the peak of all processes of a row added up, so what forked processes share counts for each. A row that \
cannot do all jobs in about 8 s gets as many as it can, at least 2,000.";

pub fn page(arguments: &Arguments, machine: &Machine, parts: &Parts, notes: &str) -> String {
    let mut page = format!("# What it costs\n\nWritten by `make bench`.\n\n{HOW}\n\n");
    let Machine { commit, date, processor, cores, memory_gib, kernel, versions } = machine;
    page.push_str("| | |\n|---|---|\n");
    page.push_str(&format!("| commit | {commit} |\n| date | {date} |\n"));
    page.push_str(&format!("| machine | {cores} cores of {processor}, {memory_gib} GiB, Linux {kernel} |\n"));
    for (name, version) in versions {
        page.push_str(&format!("| {name} | {version} |\n"));
    }
    let Arguments { rounds, peer_rounds, requests, .. } = arguments;
    page.push_str(&format!("| rounds | {rounds} of {requests} requests; {peer_rounds} of the peers |\n"));
    page.push_str("\n![rates](results.svg)\n");
    page.push_str(&parts.targets.markdown());
    for sheet in parts.throughput.iter().map(|table| &table.sheet).chain(&parts.sheets) {
        page.push_str(&sheet.markdown());
    }
    if !parts.troubles.is_empty() {
        page.push_str("\n## What did not work\n\n");
    }
    for trouble in &parts.troubles {
        page.push_str(&format!("- {trouble}\n"));
    }
    page.push_str(&format!("\n{notes}"));
    page
}
