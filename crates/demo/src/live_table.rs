//! The live table: counts by status until everything has ended, or the unfinished requests at the deadline.
//!
//! On a terminal it is redrawn in place; elsewhere a line is printed every other second. Colours only on
//! a terminal and without NO_COLOR.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use anyhow::bail;

use super::environment::{Environment, has_receipts};
use postrider_domain::lifecycle::{State, Status};
use postrider_ledger::counts::{Leftovers, RequestCount};

const LOOK_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(2);
const BAR_CELLS: usize = 40;
/// Most rejections that are read.
pub const ROWS_MAX: i64 = 100_000;

/// The capabilities of the output.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    pub terminal: bool,
    pub colours: bool,
}

impl Paint {
    pub fn of_stdout() -> Paint {
        let terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Paint { terminal, colours: terminal && !plain }
    }

    /// `text` in a colour of the ANSI table.
    pub fn colour(self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The counts at one time.
#[derive(Debug, Clone)]
pub struct ProgressCounts {
    pub counts: Vec<RequestCount>,
    pub rejected: u64,
    pub left: Leftovers,
}

impl ProgressCounts {
    pub async fn take(environment: &Environment) -> anyhow::Result<ProgressCounts> {
        let rejected = environment.ledger.rejected_ends(ROWS_MAX).await?.len() as u64;
        let left = environment.ledger.leftovers().await?;
        Ok(ProgressCounts { counts: environment.ledger.request_counts().await?, rejected, left })
    }

    fn of(&self, wanted: impl Fn(&RequestCount) -> bool) -> u64 {
        self.counts.iter().filter(|row| wanted(row)).map(|row| row.count.unsigned_abs()).sum()
    }

    /// Requests at their end, and rejected jobs. Over the relay `sent` is the end.
    pub fn ended(&self) -> u64 {
        let sent = |row: &RequestCount| row.state == State::Sent && !has_receipts(row.account.as_deref());
        self.of(|row| row.state.is_terminal() || sent(row)) + self.rejected
    }

    fn is_all(&self, jobs: u64) -> bool {
        self.ended() >= jobs && self.left == Leftovers { leases: 0, dues: 0, queued: 0 }
    }

    fn status(&self, status: Status) -> u64 {
        self.of(|row| row.state.status() == status)
    }

    /// `waiting 3, sending 2`
    fn queued_detail(&self) -> String {
        let details = State::ALL
            .into_iter()
            .filter_map(|state| Some((state.detail()?, self.of(|row| row.state == state))));
        details
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| format!("{word} {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The unfinished requests by company, account, state and reason.
    fn stuck(&self) -> Vec<String> {
        let rows = self.counts.iter().filter(|row| !row.state.is_terminal());
        let lines =
            rows.filter(|row| row.state != State::Sent || has_receipts(row.account.as_deref())).map(|row| {
                let (account, reason) =
                    (row.account.as_deref().unwrap_or("-"), row.reason.as_deref().unwrap_or("-"));
                let word = row.state.detail().unwrap_or(row.state.status().as_str());
                format!("  {} of {} through {account}: {word}, reason {reason}", row.count, row.company)
            });
        lines.collect()
    }
}

/// Draws the progress.
pub struct LiveTable {
    paint: Paint,
    since: Instant,
    deadline: Duration,
    lines_drawn: usize,
    said_at: Option<Instant>,
}

impl LiveTable {
    pub fn new(paint: Paint, deadline: Duration) -> LiveTable {
        LiveTable { paint, since: postrider_clock::monotonic(), deadline, lines_drawn: 0, said_at: None }
    }

    pub fn secs(&self) -> f64 {
        (postrider_clock::monotonic() - self.since).as_secs_f64()
    }

    /// Draws until `jobs` distinct jobs have ended and nothing is left over; the bar shows `total`.
    pub async fn until_ended(
        &mut self,
        environment: &Environment,
        jobs: u64,
        total: u64,
    ) -> anyhow::Result<()> {
        loop {
            let progress = ProgressCounts::take(environment).await?;
            let done = progress.is_all(jobs);
            self.draw(&progress, total, done && jobs == total)?;
            if done {
                return Ok(());
            }
            if self.since + self.deadline < postrider_clock::monotonic() {
                self.report_stuck(environment, &progress, jobs).await?;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn report_stuck(
        &self,
        environment: &Environment,
        progress: &ProgressCounts,
        jobs: u64,
    ) -> anyhow::Result<()> {
        let waiting = match environment.publisher.left_in_queues().await {
            Ok(count) => count.to_string(),
            Err(error) => format!("an unknown number of ({error:#})"),
        };
        let Leftovers { leases, dues, .. } = progress.left;
        bail!(
            "after {} s {} of {jobs} jobs have ended; stuck:\n{}\n  {leases} leases, {dues} due rows, {waiting} messages in the broker's queues",
            self.deadline.as_secs(),
            progress.ended(),
            progress.stuck().join("\n")
        )
    }

    fn draw(&mut self, progress: &ProgressCounts, total: u64, last: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.paint.terminal {
            let table = self.table(progress, total);
            if self.lines_drawn > 0 {
                write!(out, "\u{1b}[{}A\u{1b}[J", self.lines_drawn)?;
            }
            self.lines_drawn = table.len();
            writeln!(out, "{}", table.join("\n"))?;
        } else {
            let now = postrider_clock::monotonic();
            if last || self.said_at.is_none_or(|said| now - said >= LINE_EVERY) {
                self.said_at = Some(now);
                writeln!(out, "{}", self.line(progress, total))?;
            }
        }
        out.flush()?;
        Ok(())
    }

    fn line(&self, progress: &ProgressCounts, total: u64) -> String {
        let mut words: Vec<String> = Vec::new();
        for status in Status::ALL {
            words.push(format!("{} {}", status.as_str(), progress.status(status)));
            let detail = progress.queued_detail();
            if status == Status::Queued && !detail.is_empty() {
                words.push(format!("({detail})"));
            }
        }
        format!(
            "{:>4.0} s  {:>4} of {total} ended  {}  rejected {}",
            self.secs(),
            progress.ended(),
            words.join("  "),
            progress.rejected
        )
    }

    fn table(&self, progress: &ProgressCounts, total: u64) -> Vec<String> {
        let colours: BTreeMap<Status, &str> = BTreeMap::from([
            (Status::Queued, "33"),
            (Status::Sent, "36"),
            (Status::Delivered, "32"),
            (Status::Failed, "31"),
            (Status::Suppressed, "35"),
            (Status::Canceled, "90"),
        ]);
        let mut lines = vec![String::new()];
        for status in Status::ALL {
            let detail = if status == Status::Queued { progress.queued_detail() } else { String::new() };
            let word = self.paint.colour(colours[&status], &format!("{:<11}", status.as_str()));
            lines.push(format!("  {word} {:>5}  {detail}", progress.status(status)));
        }
        lines.push(format!(
            "  {} {:>5}",
            self.paint.colour("31", &format!("{:<11}", "rejected")),
            progress.rejected
        ));
        let ended = progress.ended().min(total);
        let full = (ended as usize * BAR_CELLS).checked_div(total as usize).unwrap_or(0);
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR_CELLS - full));
        lines.push(format!(
            "  {} {ended} of {total} ended, {:.0} s",
            self.paint.colour("32", &bar),
            self.secs()
        ));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(rows: &[(State, &str, i64)], left: Leftovers) -> ProgressCounts {
        let row = |(state, account, count): &(State, &str, i64)| RequestCount {
            company: "demo".to_owned(),
            account: Some((*account).to_owned()),
            medium: None,
            state: *state,
            reason: None,
            count: *count,
        };
        ProgressCounts { counts: rows.iter().map(row).collect(), rejected: 1, left }
    }

    const NOTHING: Leftovers = Leftovers { leases: 0, dues: 0, queued: 0 };

    #[test]
    fn sent_is_an_end_only_where_no_receipt_comes() {
        let through =
            |account| progress(&[(State::Sent, account, 2), (State::Delivered, "demo-mail", 3)], NOTHING);
        assert_eq!((through("demo-relay").ended(), through("demo-mail").ended()), (6, 4));
        assert!(through("demo-relay").is_all(6) && !through("demo-mail").is_all(6));
        assert!(through("demo-relay").stuck().is_empty());
        assert!(through("demo-mail").stuck()[0].contains("2 of demo through demo-mail: sent"));
    }

    #[test]
    fn a_lease_that_is_left_keeps_the_watch_going() {
        let left = Leftovers { leases: 1, ..NOTHING };
        assert!(!progress(&[(State::Delivered, "demo-mail", 5)], left).is_all(6));
    }
}
