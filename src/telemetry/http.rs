//! The private port: `/metrics` for Prometheus, `/healthz` and `/readyz` for Kubernetes.
//!
//! `/healthz` is 200 while the process answers. `/readyz` is 200 while the database answers and the process does not
//! stop; it does not depend on the broker, because webhooks and the API work without one. The gauge
//! `postrider_broker_consuming` tells whether jobs are consumed.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::telemetry::{log, names};
use postrider_ledger::Ledger;

const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// Installs the process's metrics recorder, once: several workers of one process, as in tests, share it.
#[must_use]
pub fn install_metrics() -> PrometheusHandle {
    static SHARED: OnceLock<PrometheusHandle> = OnceLock::new();
    SHARED.get_or_init(install_once).clone()
}

fn install_once() -> PrometheusHandle {
    let buckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0];
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(names::SECONDS_TO_SENT.to_owned()), &buckets)
        .expect("the list of buckets is not empty")
        .build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_ok() {
        names::describe();
    }
    handle
}

/// State behind the private routes.
pub struct Health {
    pub metrics: PrometheusHandle,
    /// Database pools with their metric label; `/readyz` asks the first one.
    pub pools: Vec<(&'static str, Ledger)>,
    /// False once the process stops.
    pub ready: AtomicBool,
}

/// The private routes: `/metrics`, `/healthz`, `/readyz`.
pub fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .with_state(health)
}

async fn show_metrics(State(health): State<Arc<Health>>) -> String {
    for (pool, ledger) in &health.pools {
        let (busy, open) = ledger.connections();
        metrics::gauge!(names::POOL, "pool" => *pool, "state" => "busy").set(busy as f64);
        metrics::gauge!(names::POOL, "pool" => *pool, "state" => "open").set(open as f64);
    }
    // Not exported while zero, like every counter that was never incremented.
    let dropped_lines = log::dropped_lines();
    if dropped_lines > 0 {
        metrics::counter!(names::LOG_DROPPED).absolute(dropped_lines);
    }
    health.metrics.run_upkeep();
    health.metrics.render()
}

async fn readiness(State(health): State<Arc<Health>>) -> impl IntoResponse {
    if !health.ready.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    let Some((_, ledger)) = health.pools.first() else { return (StatusCode::OK, "ready\n") };
    match tokio::time::timeout(READY_TIMEOUT, ledger.ping()).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n"),
        Ok(Err(_)) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}
