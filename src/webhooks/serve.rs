//! The accept loop: bounded connections, bounded heads, bounded bodies.
//!
//! `axum::serve` bounds none of them (docs/dependency-hazards.md#f12). One semaphore counts connections;
//! hyper's timer ends slow heads; handlers read bodies through `read_body`, which bounds size and time.

use std::{sync::Arc, time::Duration};

pub use axum::Router;
use axum::{body::Body, http::StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::worker::stages::stopped;

/// What one listener allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub connections_max: usize,
    pub head_within: Duration,
    /// What is left of calls when asked to stop.
    pub drain_within: Duration,
}

/// Serves until told to stop, then lets calls under way finish.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let mut calls = JoinSet::new();
    loop {
        let slot = tokio::select! {
            () = stopped(&mut stop) => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let socket = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                Err(error) => {
                    // Out of descriptors: do not spin.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        while calls.try_join_next().is_some() {}
        // In a crowd a connection serves one call: idle ones would keep others out until they are given up.
        let crowd = slots.available_permits() < limits.connections_max / 4;
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_within)
            .max_headers(64)
            // Whoever has sent a whole call and closes that side is answered.
            .half_close(true)
            .keep_alive(!crowd);
        let connection =
            builder.serve_connection(TokioIo::new(socket), TowerToHyperService::new(router.clone()));
        let mut stopping = stop.clone();
        calls.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => {}
                () = stopped(&mut stopping) => {
                    connection.as_mut().graceful_shutdown();
                    drop(connection.await);
                }
            }
            drop(slot);
        });
    }
    let drained =
        tokio::time::timeout(limits.drain_within, async { while calls.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!("some calls were cut off at shutdown; their senders will repeat them");
    }
}

/// Reads a body of at most `bytes_max` within `within`: 413 and 408 otherwise.
pub async fn read_body(body: Body, bytes_max: usize, within: Duration) -> Result<Vec<u8>, StatusCode> {
    match tokio::time::timeout(within, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}
