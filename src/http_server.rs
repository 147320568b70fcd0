//! The HTTP server of both ports: bounded connections, heads, bodies and time.
//!
//! `axum::serve` bounds none of them (docs/dependency-hazards.md#f12). A semaphore limits connections, hyper's timer
//! ends slow heads, and handlers read bodies through `read_body`. Routes belong to the rooms above.

use std::{sync::Arc, time::Duration};

pub use axum::Router;
use axum::{body::Body, http::StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

const HEADERS_MAX: usize = 64;
/// Pause after a failed accept: a process without free file descriptors would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits of one listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub connections_max: usize,
    /// For the head of one call.
    pub head_timeout: Duration,
    /// For the calls in flight, once the server stops.
    pub drain_timeout: Duration,
}

/// Serves until `stop` is cancelled, then lets calls in flight finish within `drain_timeout`.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let mut calls = JoinSet::new();
    loop {
        let slot = tokio::select! {
            () = stop.cancelled() => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let socket = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed, retrying in 100 ms; raise the limit of open files if it lasts");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        while calls.try_join_next().is_some() {}
        // With few free slots a connection serves one call only: idle connections would keep new clients out.
        let is_crowded = slots.available_permits() < limits.connections_max / 4;
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_timeout)
            .max_headers(HEADERS_MAX)
            // A client that has sent its call and closed its sending side still gets the answer.
            .half_close(true)
            .keep_alive(!is_crowded);
        let connection =
            builder.serve_connection(TokioIo::new(socket), TowerToHyperService::new(router.clone()));
        let stop = stop.clone();
        calls.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    drop(connection.await);
                }
            }
            drop(slot);
        });
    }
    let drained =
        tokio::time::timeout(limits.drain_timeout, async { while calls.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(
            calls = calls.len(),
            "stopping the HTTP server cut off calls in flight; their senders repeat them"
        );
    }
}

/// Reads a body of at most `bytes_max` bytes within `timeout`.
///
/// # Errors
/// 413 for a longer body, 408 for a slower one, 400 for a broken one.
pub async fn read_body(body: Body, bytes_max: usize, timeout: Duration) -> Result<Vec<u8>, StatusCode> {
    match tokio::time::timeout(timeout, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}
