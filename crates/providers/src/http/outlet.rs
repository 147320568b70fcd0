//! Where one account posts its messages: everything that is the same for each call, and its connections.
//!
//! A call takes a line that waits, or dials. A call goes out a second time only where hyper gives it back
//! because a line had ended before its first byte was written, and then over a line just dialled. A call
//! that is cut off by its time drops its line.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, Uri,
    body::{Bytes, Incoming},
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT},
};
use tokio::time::{Sleep, sleep};
use url::{Position, Url};

use crate::answer::{Answer, Body};

use super::{
    caller::{ANSWER_BYTES_MAX, answer},
    client,
    dial::Dialer,
    idle::IdlePool,
    line::{Call, HttpConnection, SendError},
    silence::TransportError,
};

pub(super) struct PostTarget {
    /// Scheme and authority.
    pub(super) host: Uri,
    /// Path and query, as they stand in the first line of a call.
    path: Uri,
    headers: HeaderMap,
    timeout: Duration,
    pub(super) dialer: Dialer,
    pub(super) idle: Arc<IdlePool>,
}

impl PostTarget {
    /// `None` where URL or login make no call. `basic` is the value of the Authorization header.
    pub(super) fn new(url: &Url, basic: &str, dialer: Dialer, timeout: Duration) -> Option<PostTarget> {
        let mut authorization = HeaderValue::try_from(basic).ok()?;
        authorization.set_sensitive(true);
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let headers = [
            (HOST, HeaderValue::try_from(authority).ok()?),
            (AUTHORIZATION, authorization),
            (USER_AGENT, HeaderValue::from_static(client::USER_AGENT)),
            (ACCEPT, HeaderValue::from_static("*/*")),
        ];
        Some(PostTarget {
            host: host(url)?,
            path: url[Position::BeforePath..Position::AfterQuery].parse().ok()?,
            headers: headers.into_iter().collect(),
            timeout,
            dialer,
            idle: Arc::default(),
        })
    }

    /// Posts a message once.
    ///
    /// # Errors
    ///
    /// How far it came, where no head of an answer did.
    pub(super) async fn post(
        &self,
        content_type: HeaderValue,
        body: Bytes,
    ) -> Result<Answer, TransportError> {
        let mut over = pin!(sleep(self.timeout));
        let call = self.call(content_type, body);
        let Some(heard) = before(over.as_mut(), self.hear(call)).await else {
            return Err(TransportError::Timeout);
        };
        let (mut line, response) = heard?;
        let (head, body) = response.into_parts();
        let body = before(over, line.read(body, ANSWER_BYTES_MAX)).await.unwrap_or(Body::Cut);
        if matches!(body, Body::Read(_)) {
            self.idle.keep(line).await;
        }
        Ok(answer(head.status.as_u16(), &head.headers, body))
    }

    fn call(&self, content_type: HeaderValue, body: Bytes) -> Call {
        let mut call = Request::new(Full::new(body));
        *call.method_mut() = Method::POST;
        *call.uri_mut() = self.path.clone();
        *call.headers_mut() = self.headers.clone();
        call.headers_mut().insert(CONTENT_TYPE, content_type);
        call
    }

    async fn hear(
        &self,
        mut call: Call,
    ) -> Result<(Box<HttpConnection>, Response<Incoming>), TransportError> {
        if let Some(mut line) = self.idle.take().await {
            match line.hear(call).await {
                Ok(response) => return Ok((line, response)),
                Err(SendError::Unanswered) => return Err(TransportError::Reset),
                Err(SendError::Unwritten(unwritten)) => call = *unwritten,
            }
        }
        let mut line = self.dialer.dial(&self.host).await.ok_or(TransportError::Unreached)?;
        match line.hear(call).await {
            Ok(response) => Ok((line, response)),
            Err(SendError::Unanswered) => Err(TransportError::Reset),
            // Closed as soon as it was open: as good as not reached.
            Err(SendError::Unwritten(_)) => Err(TransportError::Unreached),
        }
    }
}

/// What is dialled for a URL.
pub(super) fn host(url: &Url) -> Option<Uri> {
    url[..Position::BeforePath].parse().ok()
}

/// `None` where the time is over first; what was under way is dropped.
async fn before<T>(over: Pin<&mut Sleep>, under_way: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = under_way => Some(done),
        () = over => None,
    }
}
