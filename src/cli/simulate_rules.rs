//! `postrider simulate-rules`: replays the requests of the last days under a changed policy.
//!
//! Writes nothing to the database. Progress goes to standard error, the report to standard output.

use std::{io::Write as _, path::PathBuf, time::Duration};

use anyhow::{Context, bail};

use crate::{
    backtest::{BacktestError, BacktestLimits, BacktestQuery, DAYS_MAX, run_backtest},
    config::Config,
    worker,
};
use postrider_domain::{
    backtest::{
        BacktestReport,
        report::{BacktestOutcome, Counts, Standing},
    },
    company::{Policy, json},
    document::{node::Node, strict},
};

use crate::cli::{
    company, input, lookup,
    output::{self, Table},
};

const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Replay the requests of the last days under a changed policy, and print the difference.
#[derive(Debug, clap::Args)]
pub struct SimulateRules {
    /// The company's slug.
    company: String,
    /// Complete file of the changed company; its team members are ignored. Without --file and --changes the
    /// settings in force are replayed.
    #[arg(long, value_name = "FILE", conflicts_with = "changes")]
    file: Option<PathBuf>,
    /// Changes of the settings in force, as a JSON merge patch (RFC 7396): '{"suppression_days": 60}'.
    #[arg(long, value_name = "JSON")]
    changes: Option<String>,
    /// Days to go back.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: u32,
    /// Most requests to read, including those of the suppression period before the first day.
    #[arg(long, default_value_t = 2_000_000)]
    requests_max: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl SimulateRules {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = lookup::ledger(&config).await?;
        let keys = worker::keys(&config)?;
        let current = lookup::company(&ledger, &self.company).await?;
        let changed = self.changed(&current.policy)?;
        let limits =
            BacktestLimits { requests_max: self.requests_max, timeout: Duration::from_secs(24 * 3_600) };
        let mut printed_at = postrider_clock::monotonic();
        let progress = |requests, reached| {
            if postrider_clock::monotonic().saturating_duration_since(printed_at) >= PROGRESS_EVERY {
                printed_at = postrider_clock::monotonic();
                print_progress(&format!("{requests} requests replayed, up to {}", output::time(reached)));
            }
        };
        let question = BacktestQuery { current, changed, days: self.days };
        let report = match run_backtest(&ledger, &keys.identity, &question, limits, progress).await {
            Ok(report) => report,
            Err(error @ BacktestError::TooManyRequests { .. }) => {
                bail!("{error}; give fewer --days or a greater --requests-max")
            }
            Err(error) => return Err(error).context("run the backtest"),
        };
        if self.json { output::json(&report) } else { print(&report) }
    }

    fn changed(&self, current: &Policy) -> anyhow::Result<Policy> {
        let changed = match (&self.file, &self.changes) {
            (Some(file), _) => company::read(file)?.policy,
            (None, Some(patch)) => patched(current, patch)?,
            (None, None) => return Ok(current.clone()),
        };
        if changed.slug != current.slug {
            bail!("the file is of {}; give the changed file of {}", changed.slug, current.slug);
        }
        Ok(changed)
    }
}

/// The policy in force with a merge patch applied; the error lists every problem by its path.
fn patched(current: &Policy, patch: &str) -> anyhow::Result<Policy> {
    let patch: Node = serde_json::from_str(patch).context("read --changes as JSON")?;
    let duplicates = strict::check(&patch);
    let read =
        if duplicates.is_empty() { json::read_patched(current, None, &patch) } else { Err(duplicates) };
    read.map(|file| file.policy)
        .map_err(|problems| input::problems("--changes do not result in valid settings", &problems))
}

fn print_progress(line: &str) {
    // Standard error may be closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn print(report: &BacktestReport) -> anyhow::Result<()> {
    let changes = match report.changes.as_slice() {
        [] => "none: the policy in force".to_owned(),
        changes => changes.join("; "),
    };
    let excluded: u64 = report.not_replayable.iter().map(|one| one.requests).sum();
    output::put(&output::fields(&[
        ("company", format!("{}, version {} in force", report.company, report.policy_version)),
        ("changes", changes),
        ("period", format!("{} to {}", output::time(report.from), output::time(report.until))),
        ("requests", report.requests.to_string()),
        ("not replayable", excluded.to_string()),
        ("newly sent", report.changed.newly_sent.to_string()),
        ("no longer sent", report.changed.no_longer_sent.to_string()),
        ("other reason", report.changed.other_reason.to_string()),
        ("other medium", report.changed.other_medium.to_string()),
        ("other time", report.changed.other_time.to_string()),
        ("rejected jobs", format!("{}, not replayed", report.rejected_jobs)),
    ]))?;
    for one in &report.not_replayable {
        output::put(&format!("\n{} requests excluded, {}: {}\n", one.requests, one.why, one.explanation))?;
    }
    counts(report)?;
    samples(report)
}

fn counts(report: &BacktestReport) -> anyhow::Result<()> {
    let mut table =
        Table::new(["", "sent", "waiting", "not sent", "rejected", "sent before", "not sent before"]);
    let mut row = |name: String, before: &Counts, after: &Counts| {
        let [sent, waiting, not_sent, rejected] =
            [after.sent, after.waiting, after.not_sent, after.rejected].map(|count| count.to_string());
        let old = [before.sent + before.waiting, before.not_sent].map(|count| count.to_string());
        let [old_sent, old_not_sent] = old;
        table.row([name, sent, waiting, not_sent, rejected, old_sent, old_not_sent]);
    };
    row("all".to_owned(), &report.before, &report.after);
    report.by_brand.iter().for_each(|line| row(format!("brand {}", line.brand), &line.before, &line.after));
    report.by_week.iter().for_each(|line| row(format!("week of {}", line.week), &line.before, &line.after));
    output::put("\n")?;
    table.print()?;
    if report.by_reason.is_empty() {
        return Ok(());
    }
    let mut reasons = Table::new(["reason", "before", "after"]);
    for line in &report.by_reason {
        reasons.row([line.reason.clone(), line.before.to_string(), line.after.to_string()]);
    }
    output::put("\n")?;
    reasons.print()
}

fn samples(report: &BacktestReport) -> anyhow::Result<()> {
    if report.samples.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(["request", "accepted", "before", "after", "because"]);
    for sample in &report.samples {
        table.row([
            sample.request.to_string(),
            output::time(sample.accepted_at),
            outcome_label(&sample.before),
            outcome_label(&sample.after),
            sample.because.clone(),
        ]);
    }
    output::put("\n")?;
    table.print()
}

fn outcome_label(outcome: &BacktestOutcome) -> String {
    let standing = match outcome.standing {
        Standing::Sent => "sent",
        Standing::Waiting => "waiting",
        Standing::NotSent => "not sent",
        Standing::Rejected => "rejected",
    };
    let detail = match (&outcome.reason, outcome.medium) {
        (Some(reason), _) => format!(": {reason}"),
        (None, Some(medium)) => format!(" by {}", medium.as_str()),
        (None, None) => String::new(),
    };
    let due = outcome.due_at.map(|at| format!(" at {}", output::time(at))).unwrap_or_default();
    format!("{standing}{detail}{due}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_changes_its_part_or_every_problem_is_named() {
        let example = include_str!("../../deploy/example-company.toml");
        let current = postrider_domain::company::file::parse(example).expect("the example is valid").policy;
        let changed = patched(&current, r#"{"suppression_days": 60}"#).expect("is valid");
        assert_eq!(changed, Policy { suppression_days: 60, ..current.clone() });
        for (patch, named) in [
            ("{", "read --changes as JSON"),
            ("[]", "expected an object"),
            (r#"{"delay_secs": 60, "delay_secs": 1}"#, "delay_secs: the field is given twice"),
            (r#"{"suppression_days": -1, "color": "red"}"#, "color: "),
        ] {
            let error = format!("{:#}", patched(&current, patch).expect_err("is refused"));
            assert!(error.contains(named), "{patch}: {error}");
        }
    }
}
