//! Logs: one JSON object a line on standard error, or text for people.
//!
//! Lines go through a bounded queue to a thread of their own, because whoever reads them may stop reading:
//! a full pipe or disk costs lines, which are counted, and never makes the work wait.
//! Invariant: no address, name, body, link or secret is ever a field. Ids and reasons are enough.

use std::{
    io::{self, Write},
    sync::{
        OnceLock,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    config::{Log, LogFormat},
    telemetry::names,
};

/// Lines that wait to be written at most, about a megabyte.
const LINES_MAX: usize = 4_096;
/// How long the end of the process waits for its last lines.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<SyncSender<Item>> = OnceLock::new();

enum Item {
    Line(Vec<u8>),
    /// Everything before it is written: answer.
    Flush(SyncSender<()>),
}

/// Installs the process's log. A second call (tests) changes nothing.
pub fn install(config: &Log) -> anyhow::Result<()> {
    // lapin logs an error line for every ordinary disconnect; our own supervisor says it once.
    let filter = EnvFilter::try_new(format!("{},lapin=off,async_rs=off,sqlx=error", config.level))?;
    let registry = tracing_subscriber::registry().with(filter);
    let installed = match config.format {
        LogFormat::Json => registry.with(fmt::layer().json().with_writer(|| Lines)).try_init(),
        LogFormat::Text => registry.with(fmt::layer().with_ansi(false).with_writer(|| Lines)).try_init(),
    };
    if installed.is_err() {
        tracing::debug!("the log was installed before");
    }
    Ok(())
}

/// Waits until what was logged so far is written, but not for long: for the end of the process.
pub fn flush() {
    let (written, told) = sync_channel(1);
    if QUEUE.get().is_some_and(|queue| queue.try_send(Item::Flush(written)).is_ok()) {
        // Whoever does not read by now gets no more.
        let _ = told.recv_timeout(FLUSH_WITHIN);
    }
}

/// The way of a line; the formatter writes each line at once.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if queue().try_send(Item::Line(line.to_vec())).is_err() {
            dropped();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn queue() -> &'static SyncSender<Item> {
    QUEUE.get_or_init(|| {
        let (queue, items) = sync_channel(LINES_MAX);
        // Without its thread the first line finds the queue closed, and every line counts as dropped.
        drop(std::thread::Builder::new().name("log".to_owned()).spawn(move || write_out(&items)));
        queue
    })
}

fn write_out(items: &Receiver<Item>) {
    let mut out = io::stderr();
    for item in items {
        match item {
            Item::Line(line) => {
                if out.write_all(&line).is_err() {
                    dropped();
                }
            }
            Item::Flush(written) => drop(written.try_send(())),
        }
    }
}

fn dropped() {
    metrics::counter!(names::LOG_DROPPED).increment(1);
}
