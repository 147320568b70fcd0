//! Reads the rest of a request body before an early response is sent.
//!
//! A client that still sends while the response arrives sees a broken connection instead of the response: a producer
//! would take its 401, 413 or 429 for a network error and repeat at once. This layer stands before `auth` and all
//! routes. It is bounded in bytes and in time.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use futures_util::{Stream, StreamExt};
use tokio::sync::oneshot;

use crate::api::ApiState;

/// Most bytes of a body that are read and discarded.
const DISCARDED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Runs the call, then reads the rest of its body before the response is returned.
pub(super) async fn discard_body(State(api): State<Arc<ApiState>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (tracked, rest) = track(body);
    let response = next.run(Request::from_parts(parts, tracked)).await;
    if let Ok(rest) = rest.await {
        // The response follows even after a timeout.
        drop(tokio::time::timeout(api.body_timeout, discard(rest)).await);
    }
    response
}

/// Wraps a body; the receiver gets the rest of it if the wrapper is dropped before its end.
fn track(body: Body) -> (Body, oneshot::Receiver<BodyDataStream>) {
    let (back, rest) = oneshot::channel();
    let tracked = TrackedBody { body: Some(body.into_data_stream()), back: Some(back) };
    (Body::from_stream(tracked), rest)
}

async fn discard(mut rest: BodyDataStream) {
    let mut seen = 0_usize;
    while let Some(Ok(data)) = rest.next().await {
        seen = seen.saturating_add(data.len());
        if seen > DISCARDED_BYTES_MAX {
            return;
        }
    }
}

struct TrackedBody {
    body: Option<BodyDataStream>,
    back: Option<oneshot::Sender<BodyDataStream>>,
}

impl Stream for TrackedBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_next(context);
        if matches!(polled, Poll::Ready(None)) {
            self.body = None;
        }
        polled
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Fails only if the call itself was dropped.
            drop(back.send(body));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use axum::http::StatusCode;
    use futures_util::stream;

    use super::*;
    use crate::http_server::read_body;

    /// Reads as a handler does, then what that left.
    async fn read(body: Body, bytes_max: usize) -> Option<usize> {
        let (tracked, rest) = track(body);
        let read = read_body(tracked, bytes_max, Duration::from_secs(10)).await;
        if let Ok(rest) = rest.await {
            discard(rest).await;
        }
        match read {
            Ok(bytes) => Some(bytes.len()),
            Err(status) => {
                assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
                None
            }
        }
    }

    #[tokio::test]
    async fn a_body_is_bounded_and_one_that_is_too_large_is_read_to_its_end() {
        let of = async |bytes: usize, bytes_max: usize| read(Body::from(vec![b' '; bytes]), bytes_max).await;
        assert_eq!(of(0, 8).await, Some(0));
        assert_eq!(of(8, 8).await, Some(8));
        assert_eq!(of(9, 8).await, None);
        let taken = async |parts: usize| {
            let taken = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&taken);
            let parts = stream::iter(0..parts).map(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
                Ok::<_, std::io::Error>(vec![b' '; 64 * 1024])
            });
            assert_eq!(read(Body::from_stream(parts), 100_000).await, None);
            taken.load(Ordering::Relaxed)
        };
        assert_eq!(taken(64).await, 64, "its sender gets rid of all of it");
        assert!(taken(1_000).await < 100, "there is a bound");
    }
}
