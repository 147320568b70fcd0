//! The idle connections of one account.
//!
//! The connection that was used last is taken first, so that connections beyond the current load age out. None is
//! used after `POOL_IDLE`; one task per account, alive only while connections are idle, closes the expired ones.
//! The pool never holds more connections than the account had calls in flight at once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Instant,
};

use super::{client::POOL_IDLE, http_connection::HttpConnection};

/// As many as an account may have calls in flight.
const IDLE_MAX: usize = 1_000;

#[derive(Default)]
pub(super) struct IdlePool {
    idle: Mutex<IdleConnections>,
}

#[derive(Default)]
struct IdleConnections {
    /// With the start of their idle time; the oldest first.
    connections: VecDeque<(Instant, Box<HttpConnection>)>,
    /// Whether the task that closes expired connections is running.
    has_sweeper: bool,
}

impl IdlePool {
    /// Takes a connection that can be used.
    pub(super) async fn take(&self) -> Option<Box<HttpConnection>> {
        while let Some(mut connection) = self.pop() {
            if connection.is_reusable().await {
                return Some(connection);
            }
        }
        None
    }

    /// Adds a connection after its call, unless it cannot be used again.
    pub(super) async fn put(self: &Arc<IdlePool>, mut connection: Box<HttpConnection>) {
        if !connection.is_reusable().await {
            return;
        }
        let mut idle = self.lock();
        if idle.connections.len() >= IDLE_MAX {
            return;
        }
        idle.connections.push_back((postrider_clock::monotonic(), connection));
        if !idle.has_sweeper {
            idle.has_sweeper = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn pop(&self) -> Option<Box<HttpConnection>> {
        let (since, connection) = self.lock().connections.pop_back()?;
        // If the youngest is expired, all are: the sweeper closes the others.
        (postrider_clock::monotonic().saturating_duration_since(since) < POOL_IDLE).then_some(connection)
    }

    /// Closes the expired connections; gives the time when the next one expires, if any is left.
    pub(super) fn close_expired(&self, now: Instant) -> Option<Instant> {
        let mut idle = self.lock();
        let expired_count = idle.connections.partition_point(|(since, _)| *since + POOL_IDLE <= now);
        let expired: Vec<_> = idle.connections.drain(..expired_count).collect();
        let next = idle.connections.front().map(|(since, _)| *since + POOL_IDLE);
        idle.has_sweeper = next.is_some();
        drop(idle);
        // Outside the lock: closing is one system call for each.
        drop(expired);
        next
    }

    fn lock(&self) -> MutexGuard<'_, IdleConnections> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends with the last idle connection, or with the account.
async fn sweep(pool: Weak<IdlePool>) {
    while let Some(next) = pool.upgrade().and_then(|pool| pool.close_expired(postrider_clock::monotonic())) {
        tokio::time::sleep_until(next.into()).await;
    }
}
