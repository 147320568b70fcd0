//! RESULTS.md: how it was measured, on what, the targets, the tables of each part, and the notes.
//!
//! Remarks by people are in NOTES.md and are put at the end: this page is written anew by each run, from its
//! figures and from those that earlier runs left in results.json.

use super::{Origin, Parts, Sheet, parts::Shown, targets};

const HOW: &str = "Every row does the same work on the same private RabbitMQ and Postgres (quorum queue, \
persistent and confirmed messages, `synchronous_commit = on`): the same jobs wait in its queue before its \
worker starts, and the same simulated provider takes its calls over HTTP at once. To *sent*: the provider \
took it and the row's table says so, without webhooks; to *delivered*: with two signed webhooks a message, \
answered after the commit. Rates are those of the steady part (10 to 90 %). Figures but rate and memory are \
per request; CPU is that of all processes until the last row is written, of \
the row's programs from the first call on, so that no start-up counts; of Postgres and RabbitMQ from the \
programs' start on, which for Celery has about 0.3 s of RabbitMQ's in it (28 queues for delays). Medians of \
the rounds, in brackets the least and the most; the rows alternate within a round. Only ratios within one \
table mean something: all programs, the servers and the provider share the machine's cores.

SQL calls are what Postgres counts (`pg_stat_statements`, with `rollback` and the like). It counts no pings \
and no preparing; round trips are these calls times what a relay on the wire counted to a call, in a run of \
its own. Memory is the peak of all processes of a row added up, so what forked processes share counts for \
each. A row that cannot do all jobs in about 8 s gets as many as it can, at least 2,000.

Each part stands here as it was last measured, at the commit that it names (the last one that changed the \
program or the benchmark); nothing is compared across parts.";

pub fn page(parts: &Parts, notes: &str) -> String {
    let shown = parts.shown();
    let mut page = format!("# What it costs\n\nWritten by `make bench`.\n\n{HOW}\n");
    if let Some(newest) = newest(&shown) {
        page.push_str(&origin(newest, &shown));
        page.push_str("\n![rates and latency](results.svg)\n");
        page.push_str(&targets::sheet(parts).markdown());
        for part in &shown {
            for sheet in &part.sheets {
                page.push_str(&dated(sheet, part, newest).markdown());
            }
        }
    }
    let troubles: Vec<&String> = shown.iter().flat_map(|part| &part.troubles).collect();
    if !troubles.is_empty() {
        page.push_str("\n## What did not work\n\n");
    }
    for trouble in troubles {
        page.push_str(&format!("- {trouble}\n"));
    }
    page.push_str(&format!("\n{notes}"));
    page
}

fn newest(shown: &[Shown]) -> Option<&Origin> {
    shown.iter().map(|part| &part.origin).max_by_key(|origin| origin.at)
}

/// Of the newest run; versions that only other parts know are theirs.
fn origin(newest: &Origin, shown: &[Shown]) -> String {
    let Origin { commit, at, machine } = newest;
    let mut text = format!(
        "\n| newest part | |\n|---|---|\n| commit | {commit} |\n| date | {} |\n| machine | {} |\n",
        at.format("%Y-%m-%d"),
        machine.words()
    );
    let mut versions = machine.versions.clone();
    for (name, version) in shown.iter().flat_map(|part| &part.origin.machine.versions) {
        if !versions.iter().any(|(known, _)| known == name) {
            versions.push((name.clone(), version.clone()));
        }
    }
    for (name, version) in versions {
        text.push_str(&format!("| {name} | {version} |\n"));
    }
    text
}

fn dated(sheet: &Sheet, part: &Shown, newest: &Origin) -> Sheet {
    let mut words = format!("{} {}", sheet.words, part.origin.words(newest));
    if !part.peers.is_empty() {
        words.push_str(&format!(" Other settings than those kept below: {}.", part.peers.join("; ")));
    }
    Sheet { words: words.trim_start().to_owned(), ..sheet.clone() }
}
