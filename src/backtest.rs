//! Runs a backtest over the ledger: pages in, progress out, within limits.
//!
//! The command line and the API share it. It reads one page at a time through the caller's ledger and computes on a
//! blocking thread, so that neither hot pools nor async tasks wait for it. The replay is in `domain::backtest`.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use postrider_domain::{
    backtest::{Backtest, BacktestReport, Period},
    company::{Company, Policy},
    hash_keys::IdentityKey,
    ids::lowest_id_at,
};
use postrider_ledger::{Ledger, LedgerError};

const PAGE: i64 = 1_000;
/// Margin between ids (workers' clocks) and times of acceptance (the database's clock).
const CLOCKS_APART_SECS: i64 = 300;
/// Most days that a backtest may go back.
pub const DAYS_MAX: u32 = 366;

/// Limits of one backtest.
#[derive(Debug, Clone, Copy)]
pub struct BacktestLimits {
    /// Most requests to read, those before the period included.
    pub requests_max: u64,
    pub timeout: Duration,
}

/// A backtest without a report.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the period and the suppression period before it have more than {max} requests")]
    TooManyRequests { max: u64 },
    #[error("the backtest took longer than {secs} s; {requests} requests were replayed by then")]
    TooSlow { secs: u64, requests: u64 },
}

/// The last `days` days of a company under a changed policy.
#[derive(Debug, Clone)]
pub struct BacktestQuery {
    pub current: Company,
    pub changed: Policy,
    pub days: u32,
}

/// Runs a backtest; `progress` is called for every page with the requests so far and their last time of acceptance.
///
/// # Errors
/// When the ledger fails, or `limits` are exceeded.
pub async fn run_backtest(
    ledger: &Ledger,
    keys: &IdentityKey,
    question: &BacktestQuery,
    limits: BacktestLimits,
    mut progress: impl FnMut(u64, DateTime<Utc>),
) -> Result<BacktestReport, BacktestError> {
    let begun = postrider_clock::monotonic();
    let BacktestQuery { current, changed, days } = question;
    let start = ledger.history_start(current.id).await?;
    let longest = start.longest_days.max(changed.suppression_days);
    let from = start.now - chrono::Duration::days(i64::from(*days));
    let read_from = from - chrono::Duration::days(i64::from(longest));
    let span = Period { read_from, from, until: start.now };
    let mut backtest = Backtest::new(keys, current, changed.clone(), longest, span);
    let margin = chrono::Duration::seconds(CLOCKS_APART_SECS);
    let (mut after, before) = (lowest_id_at(read_from - margin), lowest_id_at(start.now + margin));
    let mut read = 0;
    loop {
        let rows = ledger.history_page(current.id, after, before, PAGE).await?;
        let whole = rows.len() as i64 == PAGE;
        read += rows.len() as u64;
        if read > limits.requests_max {
            return Err(BacktestError::TooManyRequests { max: limits.requests_max });
        }
        if let Some(last) = rows.last() {
            after = last.id;
        }
        for (version, policy) in ledger.policies(current.id, &backtest.missing_versions(&rows)).await? {
            backtest.add_policy(current, version, policy);
        }
        backtest = run_blocking(move || {
            backtest.push(rows);
            backtest
        })
        .await;
        let (requests, reached) = backtest.progress();
        progress(requests, reached);
        check_deadline(begun, limits, requests)?;
        if !whole {
            break;
        }
    }
    let rejected = ledger.rejected_between(current.id, lowest_id_at(from), before).await?;
    Ok(run_blocking(move || backtest.finish(rejected)).await)
}

fn check_deadline(begun: Instant, limits: BacktestLimits, requests: u64) -> Result<(), BacktestError> {
    if postrider_clock::monotonic().saturating_duration_since(begun) > limits.timeout {
        return Err(BacktestError::TooSlow { secs: limits.timeout.as_secs(), requests });
    }
    Ok(())
}

/// Runs on a thread for blocking work.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
