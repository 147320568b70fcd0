//! Helpers of all statements: array parameters, stored states, and the repeat after a lost race.
//!
//! Only what several verbs share; classification of errors is in `error`.

use std::{future::Future, time::Duration};

use super::LedgerError;
use postrider_domain::lifecycle::State;

/// Counter of statements that were repeated after a lost race.
pub const RETRIES_METRIC: &str = "postrider_ledger_retries_total";

/// Executions of a statement at most, the first one included.
const TRIES_MAX: u32 = 6;

/// One value of each row, in order: an array parameter.
pub(crate) fn column<'a, R, T>(rows: &'a [R], pick: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(pick).collect()
}

/// Reads a stored state.
///
/// # Errors
/// `Broken` for an unknown number: the schema is newer than this binary.
pub(crate) fn stored_state(code: i16) -> Result<State, LedgerError> {
    State::from_code(code)
        .ok_or_else(|| LedgerError::Broken(format!("state {code} is not known to this version")))
}

/// Repeats a statement that lost a race and therefore changed nothing: a serialization failure or deadlock (40001,
/// 40P01), or a receipt that another worker stores at the same time. Waits up to 2, 4, 8, 16, 32 ms in between.
pub(crate) async fn retrying<T, F>(statement: impl Fn() -> F) -> Result<T, LedgerError>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let mut tries = 1;
    loop {
        match statement().await.map_err(LedgerError::from) {
            Err(error) if tries < TRIES_MAX && error.is_a_lost_race() => {
                metrics::counter!(RETRIES_METRIC).increment(1);
                let wait = 2.0_f64.powi(tries as i32) * postrider_clock::jitter();
                tokio::time::sleep(Duration::from_secs_f64(wait / 1_000.0)).await;
                tries += 1;
            }
            result => return result,
        }
    }
}
