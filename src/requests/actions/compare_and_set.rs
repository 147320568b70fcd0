//! The loop of every action: read a request, decide, change it only if it is still as it was read.
//!
//! A concurrent change makes the loop read again, a bounded number of times; `pause` and `cancel` are examples.

use uuid::Uuid;

/// Each try fails only because another process changed the request in between: more often than any does.
const TRIES_MAX: usize = 5;

/// Repeats `step` until it returns a result. `None`: the request changed between the step's read and its write.
///
/// # Errors
/// Those of the step; a request that changes at every try.
pub(super) async fn compare_and_set<T, F>(id: Uuid, mut step: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    for _ in 0..TRIES_MAX {
        if let Some(result) = step().await? {
            return Ok(result);
        }
    }
    anyhow::bail!("request {id} kept changing meanwhile; try again")
}
