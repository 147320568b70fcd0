//! The pause between the rounds of a background task: the interval, varied so that workers do not query in step.
//!
//! Rounds follow each other at once while the last one found more work. `Ticker` knows no work of its own; the
//! task's loop is `while ticker.tick(more).await { … }`. Next: the loops in `dispatch` and `connectors`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Rounds at an interval of 0.8 to 1.2 times the given one, until the token is cancelled.
#[derive(Debug, Clone)]
pub struct Ticker {
    interval: Duration,
    stop: CancellationToken,
}

impl Ticker {
    #[must_use]
    pub fn new(interval: Duration, stop: CancellationToken) -> Ticker {
        Ticker { interval, stop }
    }

    /// Resolves when the next round is due; `false` once the worker stops. `at_once` skips the pause. Dropping
    /// the future is harmless.
    pub async fn tick(&self, at_once: bool) -> bool {
        if !at_once {
            let pause = self.interval.mul_f64(0.8 + 0.4 * postrider_clock::jitter());
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        !self.stop.is_cancelled()
    }

    /// The token that ends the rounds, for a round that waits itself.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cancelled_token_ends_the_rounds_at_once() {
        let stop = CancellationToken::new();
        let ticker = Ticker::new(Duration::from_secs(3_600), stop.clone());
        assert!(ticker.tick(true).await, "the first round needs no pause");
        let waiting = tokio::spawn(async move { ticker.tick(false).await });
        stop.cancel();
        assert!(!waiting.await.expect("ends"), "a pause ends with the token");
    }
}
