//! The only place of the tests that waits: for a condition, with a deadline that fails loudly.
//!
//! The ledger has no signal for everything, so conditions are asked again every few milliseconds.

use std::{future::Future, time::Duration};

/// Long enough for a busy machine; a test that needs longer says so.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until `condition` gives something.
pub async fn until_some<T, F>(what: &str, condition: impl Fn() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    until_some_within(TIMEOUT, what, condition).await
}

/// The same with another deadline.
pub async fn until_some_within<T, F>(timeout: Duration, what: &str, condition: impl Fn() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let asked = tokio::time::timeout(timeout, async {
        loop {
            if let Some(found) = condition().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    asked.await.unwrap_or_else(|_| panic!("waited {timeout:?} in vain until {what}"))
}

/// Waits until `condition` holds.
pub async fn until<F>(what: &str, condition: impl Fn() -> F)
where
    F: Future<Output = bool>,
{
    until_some(what, || {
        let asked = condition();
        async move { asked.await.then_some(()) }
    })
    .await;
}

/// A fault that is time itself: a delay on the wire, a freeze, the pause between two faults. Never a substitute for
/// a condition: `tests/it` shows that nothing happens by waiting for something later that does.
pub async fn elapse(duration: Duration) {
    tokio::time::sleep(duration).await;
}
