//! Runs a simulation over the ledger: pages in, progress out, within bounds.
//!
//! The command line and the API share it. It reads through the ledger that it is given, one page at a
//! time, and computes on a thread of its own, so that neither hot pools nor the async workers wait for it.
//! The rules of the replay are in `simulation`.

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
/// Ids come from the workers' clocks, times of acceptance from the database's.
const CLOCKS_APART_SECS: i64 = 300;
/// Most days that a simulation may go back.
pub const DAYS_MAX: u32 = 366;

/// How much one simulation may take.
#[derive(Debug, Clone, Copy)]
pub struct BacktestLimits {
    /// Those before the period included.
    pub requests_max: u64,
    pub within: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the period and the suppression period before it have more than {max} requests")]
    TooMany { max: u64 },
    #[error("the answer took longer than {secs} s; {requests} requests were replayed by then")]
    TooSlow { secs: u64, requests: u64 },
}

/// What is asked: the last `days` days of a company under a changed policy.
#[derive(Debug, Clone)]
pub struct BacktestQuery {
    pub current: Company,
    pub changed: Policy,
    pub days: u32,
}

/// Answers; `progress` is told of every page: requests so far, and the time they have come to.
pub async fn run_backtest(
    ledger: &Ledger,
    keys: &IdentityKey,
    question: &BacktestQuery,
    bounds: BacktestLimits,
    mut progress: impl FnMut(u64, DateTime<Utc>),
) -> Result<BacktestReport, BacktestError> {
    let begun = postrider_clock::monotonic();
    let BacktestQuery { current, changed, days } = question;
    let start = ledger.history_start(current.id).await?;
    let longest = start.longest_days.max(changed.suppression_days);
    let from = start.now - chrono::Duration::days(i64::from(*days));
    let read_from = from - chrono::Duration::days(i64::from(longest));
    let span = Period { read_from, from, until: start.now };
    let mut simulation = Backtest::new(keys, current, changed.clone(), longest, span);
    let margin = chrono::Duration::seconds(CLOCKS_APART_SECS);
    let (mut after, before) = (lowest_id_at(read_from - margin), lowest_id_at(start.now + margin));
    let mut read = 0;
    loop {
        let rows = ledger.history_page(current.id, after, before, PAGE).await?;
        let whole = rows.len() as i64 == PAGE;
        read += rows.len() as u64;
        if read > bounds.requests_max {
            return Err(BacktestError::TooMany { max: bounds.requests_max });
        }
        if let Some(last) = rows.last() {
            after = last.id;
        }
        for (version, policy) in ledger.policies(current.id, &simulation.wants(&rows)).await? {
            simulation.learn(current, version, policy);
        }
        simulation = apart(move || {
            simulation.push(rows);
            simulation
        })
        .await;
        let (requests, reached) = simulation.progress();
        progress(requests, reached);
        in_time(begun, bounds, requests)?;
        if !whole {
            break;
        }
    }
    let rejected = ledger.rejected_between(current.id, lowest_id_at(from), before).await?;
    Ok(apart(move || simulation.finish(rejected)).await)
}

fn in_time(begun: Instant, bounds: BacktestLimits, requests: u64) -> Result<(), BacktestError> {
    if postrider_clock::monotonic().saturating_duration_since(begun) > bounds.within {
        return Err(BacktestError::TooSlow { secs: bounds.within.as_secs(), requests });
    }
    Ok(())
}

/// On a thread for work that does not wait.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
