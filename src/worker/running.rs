//! A running worker, and its end: stages stop in the order in which a request travels through them.
//!
//! Intake commits the batches that it has; claims stop; lanes return their claims; calls in flight finish and are
//! recorded; the web stage ends last, so that receipts are still taken. After the deadline the rest is aborted:
//! leases expire and the broker delivers again. `stages` holds the tasks.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{
    dispatch::Lanes,
    intake::Acceptor,
    telemetry::http::Health,
    worker::stages::{Stage, Stages},
};
use postrider_ledger::Ledger;

const POOL_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A running worker. Dropped without `stop`, its tasks are cancelled and not waited for.
pub struct Worker {
    /// Address of `web.listen`; none without the web role.
    pub public_addr: Option<SocketAddr>,
    /// Address of `web.private_listen`.
    pub private_addr: Option<SocketAddr>,
    /// The pipeline of this worker, for tests and the demo; none once the worker stops.
    pub acceptor: Option<Acceptor>,
    pub(super) lanes: Option<Arc<Lanes>>,
    pub(super) health: Arc<Health>,
    pub(super) ledgers: Vec<Ledger>,
    pub(super) stages: Stages,
    pub(super) deadline: Duration,
}

impl Worker {
    /// The metrics of the process as `/metrics` shows them.
    #[must_use]
    pub fn render_metrics(&self) -> String {
        self.health.metrics.render()
    }

    /// Stops the worker; returns whether everything ended within `shutdown.deadline_secs`.
    pub async fn stop(mut self) -> bool {
        self.health.ready.store(false, Ordering::Relaxed);
        let deadline = self.deadline;
        let in_time = tokio::time::timeout(deadline, self.end_stages()).await.is_ok();
        if !in_time {
            tracing::error!(
                deadline_secs = deadline.as_secs_f64(),
                "stages did not end before the deadline and are aborted; their leases expire and other workers take over"
            );
        }
        self.stages.abort();
        for ledger in &self.ledgers {
            drop(tokio::time::timeout(POOL_CLOSE_TIMEOUT, ledger.close()).await);
        }
        in_time
    }

    async fn end_stages(&mut self) {
        self.stages.end(Stage::Intake).await;
        self.stages.end(Stage::Claims).await;
        // Begin and settle end once no lane can send to them.
        self.acceptor = None;
        if let Some(lanes) = self.lanes.take() {
            lanes.close().await;
        }
        self.stages.end(Stage::Pipe).await;
        self.stages.end(Stage::Web).await;
    }
}
