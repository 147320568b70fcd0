//! One kept-alive HTTP/1.1 connection to a provider, for one call at a time.
//!
//! It has no task of its own: the task of the call reads and writes the socket. That saves two wake-ups per call,
//! and dropping a call drops its connection. Before the next call `is_reusable` polls an idle connection once.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Body, Bytes, Frame, Incoming},
    client::conn::http1::{Connection, SendRequest, handshake},
};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::http_response::ResponseBody;

/// A TCP stream, encrypted or not.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
pub(super) type PostRequest = Request<Full<Bytes>>;

/// Largest buffer that is allocated by a response's announced length, before its bytes come.
const INITIAL_BUFFER_BYTES_MAX: u64 = 4 * 1024;

pub(super) struct HttpConnection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` after its end.
    connection: Option<Connection<Stream, Full<Bytes>>>,
}

/// The reason why no response head came over a connection.
pub(super) enum SendError {
    /// The connection ended before the request's first byte was written; hyper returns the request.
    NotWritten(Box<PostRequest>),
    /// The provider may have received the request.
    NoResponse,
}

impl HttpConnection {
    pub(super) async fn open(stream: Stream) -> Option<Box<HttpConnection>> {
        let (sender, connection) = handshake(stream).await.ok()?;
        Some(Box::new(HttpConnection { sender, connection: Some(connection) }))
    }

    /// Whether another call may use it: the last response was read to its end, neither side has closed, and no
    /// unrequested byte came.
    pub(super) async fn is_reusable(&mut self) -> bool {
        poll_fn(|context| {
            self.drive(context);
            Poll::Ready(self.connection.is_some() && self.sender.is_ready())
        })
        .await
    }

    /// Writes a request and waits for the head of its response.
    pub(super) async fn send(&mut self, request: PostRequest) -> Result<Response<Incoming>, SendError> {
        let mut response = pin!(self.sender.try_send_request(request));
        let head = poll_fn(|context| {
            self.drive(context);
            response.as_mut().poll(context)
        });
        head.await.map_err(|mut error| match error.take_message() {
            Some(request) => SendError::NotWritten(Box::new(request)),
            None => SendError::NoResponse,
        })
    }

    /// Reads the body of a response that `send` gave, up to the first chunk that reaches `bytes_max`.
    pub(super) async fn read_body(&mut self, mut body: Incoming, bytes_max: usize) -> ResponseBody {
        let announced = body.size_hint().lower().min(INITIAL_BUFFER_BYTES_MAX);
        let mut bytes = Vec::with_capacity(usize::try_from(announced).unwrap_or_default());
        while bytes.len() < bytes_max {
            match poll_fn(|context| self.poll_frame(&mut body, context)).await {
                Some(Ok(frame)) => bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
                Some(Err(_)) => return ResponseBody::Incomplete,
                None => break,
            }
        }
        ResponseBody::Complete(bytes)
    }

    /// Polls the body before the connection, which reads from the socket only if a body frame is wanted.
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

    /// Reads and writes without waiting. hyper reports the error of an ended connection to the pending call.
    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(context).is_ready()
        {
            self.connection = None;
        }
    }
}
