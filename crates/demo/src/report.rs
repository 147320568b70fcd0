//! The demo's report after the end: the seeds, the totals, the checks, and commands to try.
//!
//! Text and columns only; the numbers come from `checks` and from the ledger's counts.

use std::fmt::Write;

use secrecy::ExposeSecret;

use super::{
    checks::{Check, JobResult},
    environment::{Environment, SECRET, has_receipts},
    live_table::Paint,
    seeds::Seed,
};
use postrider_domain::lifecycle::State;
use postrider_ledger::counts::RequestCount;

/// The worker's command line in a checkout; the demo's binary has none of its commands.
const COMMAND: &str = "cargo run --quiet --package postrider --";

/// Each request of the seeds with its end.
pub fn seeds(paint: Paint, seeds: &[Seed], results: &[JobResult]) -> String {
    let rows = seeds.iter().zip(results).map(|(seed, result)| {
        let end = result.end.as_deref().unwrap_or("unknown to Postgres");
        let (status, reason) = end.split_once(": ").unwrap_or((end, ""));
        let reason =
            if result.detail.is_empty() { reason.to_owned() } else { format!("{reason}: {}", result.detail) };
        vec![
            mark(paint, result.is_expected()),
            seed.job.company.clone(),
            seed.job.key.clone(),
            seed.shows.to_owned(),
            status.to_owned(),
            reason,
        ]
    });
    let heads = ["", "company", "seed", "what it shows", "status", "reason"];
    format!("\nThe requests of the seeds\n\n{}", columns(paint, &heads, rows.collect()))
}

/// Requests by company, medium and reason.
pub fn totals(paint: Paint, counts: &[RequestCount], rejected: &[(String, String, u64)]) -> String {
    let requests = counts.iter().map(|row| {
        let waits_for_no_receipt = row.state == State::Sent && !has_receipts(row.account.as_deref());
        let note = if waits_for_no_receipt { "the relay sends no receipts: this is its end" } else { "" };
        let medium = row.medium.map_or("-", |medium| medium.as_str());
        let through = row.account.as_deref().and_then(|account| account.rsplit('-').next()).unwrap_or("-");
        let reason = row.reason.as_deref().unwrap_or(note);
        [&row.company, medium, through, row.state.status().as_str(), reason]
            .map(str::to_owned)
            .into_iter()
            .chain([row.count.to_string()])
            .collect()
    });
    let rejected = rejected.iter().map(|(company, code, count)| {
        [company.as_str(), "-", "-", "rejected", code]
            .map(str::to_owned)
            .into_iter()
            .chain([count.to_string()])
            .collect()
    });
    let heads = ["company", "medium", "through", "status", "reason", "count"];
    format!("\nTotals\n\n{}", columns(paint, &heads, requests.chain(rejected).collect()))
}

/// Each check with its two numbers.
pub fn sums(paint: Paint, checks: &[Check]) -> String {
    let rows = checks.iter().map(|check| {
        let sign = if check.holds() { "=" } else { "≠" };
        let (one, other) = (check.one, check.other);
        vec![
            mark(paint, check.holds()),
            one.0.to_owned(),
            format!("{:>5}", one.1),
            sign.to_owned(),
            format!("{:>5}", other.1),
            other.0.to_owned(),
        ]
    });
    format!(
        "\nThe sums: what was published, what Postgres says, what the providers took\n\n{}",
        columns(paint, &["", "", "", "", "", ""], rows.collect())
    )
}

/// Jobs with another end than expected.
pub fn unexpected_results(results: &[JobResult]) -> String {
    let mut text = String::new();
    for result in results.iter().filter(|result| !result.is_expected()) {
        let request = result.request.map_or("-".to_owned(), |id| id.to_string());
        let (end, wanted) =
            (result.end.as_deref().unwrap_or("unknown to Postgres"), result.job.ends.join(" or "));
        let _ = writeln!(
            text,
            "  {} {} (request {request}): {end}, not {wanted}",
            result.job.company, result.job.key
        );
    }
    text
}

/// Commands to try while the demo keeps running.
pub fn next_commands(environment: &Environment, failed: Option<uuid::Uuid>) -> String {
    let (database, broker) = (&environment.config.database.url, &environment.config.amqp.url);
    let id = failed.map_or("ID".to_owned(), |id| id.to_string());
    let mut text = format!(
        "\nEverything keeps running until Ctrl-C. In another terminal:\n\n  \
         export DATABASE_URL='{}'\n  export AMQP_URL='{}'\n  export POSTRIDER_SECRET='{SECRET}' POSTRIDER__AMQP__NAME='{}'\n",
        database.expose_secret(),
        broker.expose_secret(),
        environment.name(),
    );
    for words in ["requests list", &format!("requests why {id}"), "rejected list", "company list"] {
        let _ = writeln!(text, "  {COMMAND} {words}");
    }
    if let Some(address) = environment.worker.private_addr {
        let _ = writeln!(text, "  curl http://{address}/metrics");
    }
    text
}

fn mark(paint: Paint, good: bool) -> String {
    if good { paint.colour("32", "✓") } else { paint.colour("31", "✗") }
}

/// Left-aligned columns; the width of a cell does not count its colours.
fn columns(paint: Paint, heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let width = |text: &str| {
        let mut inside = false;
        text.chars()
            .filter(|c| {
                let shown = !inside && *c != '\u{1b}';
                inside = (inside || *c == '\u{1b}') && !(inside && *c == 'm');
                shown
            })
            .count()
    };
    let widest = |place: usize| {
        let cells = rows.iter().filter_map(|row| row.get(place)).map(|cell| width(cell));
        cells.chain([width(heads[place])]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(widest).collect();
    let mut text = String::new();
    let mut write_row = |cells: &[String], head: bool| {
        let padded =
            cells.iter().zip(&widths).map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
        let line = padded.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        let line = if head { paint.colour("1", line) } else { line.to_owned() };
        let _ = writeln!(text, "  {line}");
    };
    if heads.iter().any(|head| !head.is_empty()) {
        write_row(&heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>(), true);
    }
    for row in &rows {
        write_row(row, false);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { terminal: false, colours: false };

    #[test]
    fn columns_line_up_also_where_cells_are_coloured() {
        let coloured = Paint { terminal: true, colours: true };
        let rows = vec![vec![mark(coloured, true), "a".to_owned()], vec!["long".to_owned(), "b".to_owned()]];
        let text = columns(PLAIN, &["", "head"], rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1].replace("\u{1b}[32m", "").replace("\u{1b}[0m", ""), "  ✓     a");
        assert_eq!(lines[2], "  long  b");
    }

    #[test]
    fn a_check_shows_both_numbers_and_whether_they_agree() {
        let check = |right| Check { one: ("jobs", 3), other: ("requests", right) };
        let text = sums(PLAIN, &[check(3), check(4)]);
        assert!(text.contains("✓  jobs      3  =      3  requests"), "{text}");
        assert!(text.contains("✗  jobs      3  ≠      4  requests"), "{text}");
    }
}
