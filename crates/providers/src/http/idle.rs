//! The lines of one account that wait for their next call.
//!
//! The one that was used last is taken first, so that those a quiet hour no longer needs grow old. A line
//! is never used after `POOL_IDLE`; one task per account, there only while lines wait, closes the old
//! ones. Never more lines than calls that were under way at once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Instant,
};

use super::{client::POOL_IDLE, line::HttpConnection};

/// As many as an account may have calls under way.
const IDLE_MAX: usize = 1_000;

#[derive(Default)]
pub(super) struct IdlePool {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// The oldest first.
    lines: VecDeque<(Instant, Box<HttpConnection>)>,
    /// Whether the task that closes old ones is there.
    swept: bool,
}

impl IdlePool {
    /// A line that was open just now.
    pub(super) async fn take(&self) -> Option<Box<HttpConnection>> {
        while let Some(mut line) = self.pop() {
            if line.rests().await {
                return Some(line);
            }
        }
        None
    }

    /// Keeps a line whose call is over, if it can serve another.
    pub(super) async fn keep(self: &Arc<IdlePool>, mut line: Box<HttpConnection>) {
        if !line.rests().await {
            return;
        }
        let mut waiting = self.lock();
        if waiting.lines.len() >= IDLE_MAX {
            return;
        }
        waiting.lines.push_back((postrider_clock::monotonic(), line));
        if !waiting.swept {
            waiting.swept = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn pop(&self) -> Option<Box<HttpConnection>> {
        let (since, line) = self.lock().lines.pop_back()?;
        // The youngest is too old, so all are: the sweep closes the others.
        (postrider_clock::monotonic().saturating_duration_since(since) < POOL_IDLE).then_some(line)
    }

    /// Closes what is too old; says when the next one will be, if any waits.
    pub(super) fn close_old(&self, now: Instant) -> Option<Instant> {
        let mut waiting = self.lock();
        let young = waiting.lines.partition_point(|(since, _)| *since + POOL_IDLE <= now);
        let old: Vec<_> = waiting.lines.drain(..young).collect();
        let next = waiting.lines.front().map(|(since, _)| *since + POOL_IDLE);
        waiting.swept = next.is_some();
        drop(waiting);
        // Outside of the lock: closing is a call to the system for each.
        drop(old);
        next
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends with the last line, or with the account.
async fn sweep(idle: Weak<IdlePool>) {
    while let Some(next) = idle.upgrade().and_then(|idle| idle.close_old(postrider_clock::monotonic())) {
        tokio::time::sleep_until(next.into()).await;
    }
}
