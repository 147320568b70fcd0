//! Logs: one JSON object a line on standard error, or text for people.
//!
//! Invariant: no address, name, body, link or secret is ever a field. Ids and reasons are enough.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Log, LogFormat};

/// Installs the process's log. A second call (tests) changes nothing.
pub fn install(config: &Log) -> anyhow::Result<()> {
    // lapin logs an error line for every ordinary disconnect; our own supervisor says it once.
    let filter = EnvFilter::try_new(format!("{},lapin=off,async_rs=off,sqlx=error", config.level))?;
    let registry = tracing_subscriber::registry().with(filter);
    let installed = match config.format {
        LogFormat::Json => registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init(),
        LogFormat::Text => {
            registry.with(fmt::layer().with_ansi(false).with_writer(std::io::stderr)).try_init()
        }
    };
    if installed.is_err() {
        tracing::debug!("the log was installed before");
    }
    Ok(())
}
