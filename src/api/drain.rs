//! Drain: what is left of a body when its answer is ready is read and forgotten first.
//!
//! Whoever is answered while still sending sees a broken connection and never the answer: a producer would take
//! its 401 or 429 for a fault of the network and repeat at once. Bounded as `body::forget` is.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::Request,
    middleware::Next,
    response::Response,
};
use futures_util::Stream;
use tokio::sync::oneshot;

use super::body::forget;

/// Has the handler answer; reads on what it left.
pub(super) async fn run(request: Request, next: Next, within: Duration) -> Response {
    let (parts, body) = request.into_parts();
    let (back, left) = oneshot::channel();
    let lent = Lent { body: Some(body.into_data_stream()), back: Some(back) };
    let response = next.run(Request::from_parts(parts, Body::from_stream(lent))).await;
    if let Ok(body) = left.await {
        forget(Body::from_stream(body), within).await;
    }
    response
}

/// A body that comes back when it is dropped before its end.
struct Lent {
    body: Option<BodyDataStream>,
    back: Option<oneshot::Sender<BodyDataStream>>,
}

impl Stream for Lent {
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

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Nobody waits for it any more: its caller is gone.
            drop(back.send(body));
        }
    }
}
