//! CPU time of the calling thread, user and system, as Linux's scheduler counts it.
//!
//! Nanoseconds, where `/proc/<pid>/stat` has hundredths of a second.

use std::{fs, thread, time::Duration};

/// So far; `None` where this system does not tell.
pub fn of_this_thread() -> Option<Duration> {
    // The count is brought up to date when the thread gives way, not when it is read.
    thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}
