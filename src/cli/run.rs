//! `postrider run`: a worker, until SIGTERM or Ctrl-C; a second signal ends it at once.
//!
//! `worker` builds and stops everything; this file applies the options and waits for the signals.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    config::{Config, LogFormat},
    telemetry, worker,
};

/// Run a worker: accept jobs, send messages, receive webhooks.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// Accept jobs from the broker; overrides `roles.intake`.
    #[arg(long, value_name = "true|false")]
    intake: Option<bool>,
    /// Send messages; overrides `roles.dispatch`.
    #[arg(long, value_name = "true|false")]
    dispatch: Option<bool>,
    /// Serve the API and receive webhooks; overrides `roles.web`.
    #[arg(long, value_name = "true|false")]
    web: Option<bool>,
    /// Apply missing migrations first; for development (in production run `postrider migrate` separately).
    #[arg(long)]
    migrate: bool,
}

impl Run {
    pub async fn run(self, mut config: Config) -> anyhow::Result<ExitCode> {
        telemetry::log::install(config.log.format == LogFormat::Json, &config.log.level)?;
        config.roles.intake = self.intake.unwrap_or(config.roles.intake);
        config.roles.dispatch = self.dispatch.unwrap_or(config.roles.dispatch);
        config.roles.web = self.web.unwrap_or(config.roles.web);
        if self.migrate {
            worker::admin_ledger(&config)?.migrate().await?;
        }
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let worker = worker::start(config, true).await?;
        tracing::info!(
            public = worker.public_addr.map(|addr| addr.to_string()),
            private = worker.private_addr.map(|addr| addr.to_string()),
            "worker started"
        );
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("worker stopping; a second signal ends it at once");
        let in_time = tokio::select! {
            in_time = worker.stop() => in_time,
            _ = terminate.recv() => return Ok(ExitCode::FAILURE),
            _ = interrupt.recv() => return Ok(ExitCode::FAILURE),
        };
        tracing::info!(in_time, "worker stopped");
        Ok(if in_time { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
