//! Log lines on standard error: one JSON object each, or text for people.
//!
//! A thread of `tracing-appender` writes the lines from a bounded queue, because the reader of standard error may
//! stop reading: a full pipe or disk loses lines, which `dropped_lines` counts, and never delays the work.
//! Invariant: no address, name, body, link or secret is ever a field. Ids and reasons are enough.

use std::{
    io::{self, Stderr, Write},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Bound of the queue, about a megabyte of lines.
const LINES_MAX: usize = 4_096;
/// Longest wait for the last lines when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<Queue> = OnceLock::new();
static LINES_NOT_WRITTEN: AtomicU64 = AtomicU64::new(0);

struct Queue {
    lines_refused: ErrorCounter,
    /// Its drop writes the queued lines and ends the thread.
    writer: Mutex<Option<WorkerGuard>>,
}

/// Installs the process's log: JSON or text, filtered by `filter` in the syntax of `RUST_LOG`. A second call, as
/// in tests, changes nothing.
///
/// # Errors
/// The filter cannot be parsed.
pub fn install(json: bool, filter: &str) -> anyhow::Result<()> {
    // lapin logs an error for every ordinary disconnect; `amqp::session` logs each one once.
    let filter = EnvFilter::try_new(format!("{filter},lapin=off,async_rs=off,sqlx=error"))?;
    if QUEUE.get().is_some() {
        return Ok(());
    }
    let (lines, writer) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(CountingStderr(io::stderr()));
    let queue = Queue { lines_refused: lines.error_counter(), writer: Mutex::new(Some(writer)) };
    let registry = tracing_subscriber::registry().with(filter);
    let installed = match json {
        true => registry.with(fmt::layer().json().with_writer(lines)).try_init(),
        false => registry.with(fmt::layer().with_ansi(false).with_writer(lines)).try_init(),
    };
    if installed.is_ok() {
        drop(QUEUE.set(queue));
    }
    Ok(())
}

/// Writes the queued lines, for at most `FLUSH_TIMEOUT`. For the end of the process: later lines are lost.
pub fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let writer = queue.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    let (ended, end) = mpsc::channel::<()>();
    // In a thread of its own: dropping the guard can block on a pipe that is not read.
    let flusher = std::thread::Builder::new().name("log-flush".to_owned()).spawn(move || {
        drop(writer);
        drop(ended);
    });
    if flusher.is_ok() {
        // Both results end the wait: the flusher is done, or the time is over.
        let _ = end.recv_timeout(FLUSH_TIMEOUT);
    }
}

/// Lines lost since the start of the process: the queue was full, or standard error refused them.
#[must_use]
pub fn dropped_lines() -> u64 {
    let refused = QUEUE.get().map_or(0, |queue| queue.lines_refused.dropped_lines());
    refused as u64 + LINES_NOT_WRITTEN.load(Ordering::Relaxed)
}

/// Standard error that counts the lines which it could not write: `tracing-appender` ignores write errors.
struct CountingStderr(Stderr);

impl Write for CountingStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                LINES_NOT_WRITTEN.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
