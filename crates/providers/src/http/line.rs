//! One kept-alive connection to a provider, driven by whoever makes a call over it.
//!
//! No task of its own: a call's task reads and writes the socket itself, which saves two wake-ups per
//! call, and a call that is cut off drops its connection with it. An idle line is looked at before its
//! next use (`rests`). One call at a time; HTTP/1.1 without pipelining.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Body as _, Bytes, Frame, Incoming},
    client::conn::http1::{Connection, SendRequest, handshake},
};

use crate::answer::Body;

use super::dial::Stream;

pub(super) type Call = Request<Full<Bytes>>;

/// Beyond this an answer's announced length is not believed before its bytes come.
const ROOM_BYTES_MAX: u64 = 4 * 1024;

pub(super) struct HttpConnection {
    calls: SendRequest<Full<Bytes>>,
    /// None once it has ended.
    connection: Option<Connection<Stream, Full<Bytes>>>,
}

/// Why no head of an answer came over a line.
pub(super) enum SendError {
    /// The line ended before the call's first byte was written: hyper gives the call back.
    Unwritten(Box<Call>),
    /// Some of the call may have been heard.
    Unanswered,
}

impl HttpConnection {
    pub(super) async fn open(stream: Stream) -> Option<Box<HttpConnection>> {
        let (calls, connection) = handshake(stream).await.ok()?;
        Some(Box::new(HttpConnection { calls, connection: Some(connection) }))
    }

    /// Whether the next call may go over it: the last answer was read to its end, neither side has
    /// closed, and nothing came unasked.
    pub(super) async fn rests(&mut self) -> bool {
        poll_fn(|context| {
            self.drive(context);
            Poll::Ready(self.connection.is_some() && self.calls.is_ready())
        })
        .await
    }

    /// Writes a call and waits for the head of its answer.
    pub(super) async fn hear(&mut self, call: Call) -> Result<Response<Incoming>, SendError> {
        let mut answer = pin!(self.calls.try_send_request(call));
        let heard = poll_fn(|context| {
            self.drive(context);
            answer.as_mut().poll(context)
        });
        heard.await.map_err(|mut error| match error.take_message() {
            Some(call) => SendError::Unwritten(Box::new(call)),
            None => SendError::Unanswered,
        })
    }

    /// Reads the body of an answer that was heard over this line.
    pub(super) async fn read(&mut self, mut body: Incoming, bytes_max: usize) -> Body {
        let room = body.size_hint().lower().min(ROOM_BYTES_MAX);
        let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
        while bytes.len() < bytes_max {
            match poll_fn(|context| self.poll_frame(&mut body, context)).await {
                Some(Ok(frame)) => bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
                Some(Err(_)) => return Body::Cut,
                None => break,
            }
        }
        Body::Read(bytes)
    }

    /// Asks before it drives: the connection reads only what is wanted.
    fn poll_frame(
        &mut self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = Pin::new(&mut *body).poll_frame(context);
        if frame.is_ready() {
            return frame;
        }
        self.drive(context);
        Pin::new(body).poll_frame(context)
    }

    /// Reads and writes what can be. How the connection ended is told to the call that waits, by hyper.
    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(context).is_ready()
        {
            self.connection = None;
        }
    }
}
