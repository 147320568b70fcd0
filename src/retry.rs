//! Retries of a step inside the process, mostly of a ledger statement while the database is away.
//!
//! `retry_until` repeats the step with growing, varied pauses until it succeeds, its error is final, or the time
//! limit has passed. Attempts at providers are scheduled in the ledger instead (`postrider_domain::lifecycle`).

use std::{future::Future, time::Duration};

/// Pauses between two tries, and the time limit.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The first pause; each further one is twice as long. A pause is varied to 0.5 to 1.5 times its length.
    pub first: Duration,
    /// The longest pause.
    pub max: Duration,
    /// No try starts later than this after the first one; `None`: no limit.
    pub timeout: Option<Duration>,
}

impl Backoff {
    /// The same pause each time, without a limit.
    #[must_use]
    pub const fn constant(pause: Duration) -> Backoff {
        Backoff { first: pause, max: pause, timeout: None }
    }

    /// With a time limit.
    #[must_use]
    pub const fn within(self, timeout: Duration) -> Backoff {
        Backoff { timeout: Some(timeout), ..self }
    }
}

/// Repeats `step` until it succeeds. `is_transient` receives each error, logs it if that is of use, and returns
/// whether another try may help.
///
/// # Errors
/// The last error, if it is not transient or the time limit has passed.
pub async fn retry_until<T, E, F>(
    backoff: Backoff,
    mut step: impl FnMut() -> F,
    mut is_transient: impl FnMut(&E) -> bool,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let started_at = postrider_clock::monotonic();
    let mut pause = backoff.first;
    loop {
        let error = match step().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let elapsed = postrider_clock::monotonic() - started_at;
        if !is_transient(&error) || backoff.timeout.is_some_and(|timeout| elapsed >= timeout) {
            return Err(error);
        }
        tokio::time::sleep(pause.mul_f64(0.5 + postrider_clock::jitter())).await;
        pause = (pause * 2).min(backoff.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::constant(Duration::from_millis(1));

    /// Calls a step that fails `failures` times; returns the result and the number of calls.
    async fn calls(backoff: Backoff, failures: u32, is_transient: bool) -> (Result<u32, u32>, u32) {
        let mut calls = 0;
        let step = || {
            calls += 1;
            std::future::ready(if calls > failures { Ok(calls) } else { Err(calls) })
        };
        let result = retry_until(backoff, step, |_| is_transient).await;
        (result, calls)
    }

    #[tokio::test]
    async fn a_transient_error_is_retried_and_a_final_one_is_returned() {
        assert_eq!(calls(BACKOFF, 3, true).await, (Ok(4), 4));
        assert_eq!(calls(BACKOFF, 3, false).await, (Err(1), 1));
    }

    #[tokio::test]
    async fn the_time_limit_ends_the_retries_with_the_last_error() {
        assert_eq!(calls(BACKOFF.within(Duration::ZERO), 3, true).await, (Err(1), 1));
    }
}
