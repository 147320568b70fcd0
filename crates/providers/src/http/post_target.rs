//! The endpoint to which one account posts its messages: URL, headers and connections.
//!
//! A call takes an idle connection, or opens one. It is written a second time only if hyper returns it because the
//! idle connection had ended before the first byte, and then over a new connection. A call that times out drops its
//! connection.

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

use crate::http_response::{HttpResponse, ResponseBody};

use super::{
    client::{self, RESPONSE_BYTES_MAX, http_response},
    connect::Connector,
    http_connection::{HttpConnection, PostRequest, SendError},
    idle_pool::IdlePool,
    transport_error::TransportError,
};

pub(super) struct PostTarget {
    /// Scheme and authority.
    pub(super) host: Uri,
    /// Path and query of the request line.
    path: Uri,
    headers: HeaderMap,
    timeout: Duration,
    pub(super) connector: Connector,
    pub(super) idle: Arc<IdlePool>,
}

impl PostTarget {
    /// `None` if the URL or `authorization` (the header's value) makes no valid request.
    pub(super) fn new(
        url: &Url,
        authorization: &str,
        connector: Connector,
        timeout: Duration,
    ) -> Option<PostTarget> {
        let mut authorization = HeaderValue::try_from(authorization).ok()?;
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
            connector,
            idle: Arc::default(),
        })
    }

    /// Posts a message once.
    ///
    /// # Errors
    ///
    /// If no response head came.
    pub(super) async fn post(
        &self,
        content_type: HeaderValue,
        body: Bytes,
    ) -> Result<HttpResponse, TransportError> {
        let mut deadline = pin!(sleep(self.timeout));
        let request = self.request(content_type, body);
        let Some(sent) = before(deadline.as_mut(), self.send(request)).await else {
            return Err(TransportError::Timeout);
        };
        let (mut connection, response) = sent?;
        let (head, body) = response.into_parts();
        let body = before(deadline, connection.read_body(body, RESPONSE_BYTES_MAX)).await;
        let body = body.unwrap_or(ResponseBody::Incomplete);
        if matches!(body, ResponseBody::Complete(_)) {
            self.idle.put(connection).await;
        }
        Ok(http_response(head.status.as_u16(), &head.headers, body))
    }

    fn request(&self, content_type: HeaderValue, body: Bytes) -> PostRequest {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        request
    }

    async fn send(
        &self,
        mut request: PostRequest,
    ) -> Result<(Box<HttpConnection>, Response<Incoming>), TransportError> {
        if let Some(mut connection) = self.idle.take().await {
            match connection.send(request).await {
                Ok(response) => return Ok((connection, response)),
                Err(SendError::NoResponse) => return Err(TransportError::Reset),
                Err(SendError::NotWritten(returned)) => request = *returned,
            }
        }
        let mut connection = self.connector.connect(&self.host).await.ok_or(TransportError::NotConnected)?;
        match connection.send(request).await {
            Ok(response) => Ok((connection, response)),
            Err(SendError::NoResponse) => Err(TransportError::Reset),
            Err(SendError::NotWritten(_)) => Err(TransportError::NotConnected),
        }
    }
}

/// Scheme and authority of a URL.
pub(super) fn host(url: &Url) -> Option<Uri> {
    url[..Position::BeforePath].parse().ok()
}

/// The result of `work`, or `None` if the deadline passes first; `work` is then dropped.
async fn before<T>(deadline: Pin<&mut Sleep>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = deadline => None,
    }
}
