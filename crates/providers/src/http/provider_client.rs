//! The HTTP client of one account: posts its messages and makes its look-ups.
//!
//! The account's URL decides once how messages are posted: over connections of our own (`post_target`), or by
//! `reqwest` if the environment names a proxy for that URL.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue},
};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{
    LookupResult, Outcome,
    http_response::{HttpResponse, ResponseBody},
};

use super::{
    client::{HttpClient, RESPONSE_BYTES_MAX, http_response},
    post_target::{PostTarget, host},
    transport_error::TransportError,
};

/// Limit of one page of a look-up; it has up to 300 records of a few KB.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The account's URLs and login at its provider.
pub(crate) struct ProviderAddress {
    pub base_url: String,
    /// Path to which messages are posted, below the base URL. Begins with a slash.
    pub post_path: String,
    pub user: String,
    pub secret: SecretString,
}

pub(crate) struct ProviderClient {
    query_client: reqwest::Client,
    /// Invariant: `base_url` has no slash at its end.
    address: ProviderAddress,
    pub(super) route: PostRoute,
    timeout: Duration,
}

/// The way of the account's messages to its provider.
pub(super) enum PostRoute {
    Direct(Box<PostTarget>),
    ViaProxy,
    /// The settings make no valid request.
    InvalidSettings,
}

impl ProviderClient {
    /// `timeout` bounds a whole call, connect included.
    pub(crate) fn new(http: &HttpClient, mut address: ProviderAddress, timeout: Duration) -> ProviderClient {
        address.base_url.truncate(address.base_url.trim_end_matches('/').len());
        let route = PostRoute::new(&address, http, timeout);
        ProviderClient { query_client: http.query_client.clone(), address, route, timeout }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Posts a message once.
    ///
    /// # Errors
    ///
    /// The outcome of the call, if no response head came.
    pub(crate) async fn send(
        &self,
        content_type: HeaderValue,
        body: impl Into<Bytes>,
    ) -> Result<HttpResponse, Outcome> {
        let response = match &self.route {
            PostRoute::Direct(target) => target.post(content_type, body.into()).await,
            PostRoute::ViaProxy => {
                let request = self.post(&self.address.post_path).timeout(self.timeout);
                let request = request.header(CONTENT_TYPE, content_type).body(body.into());
                exchange(request, RESPONSE_BYTES_MAX).await
            }
            PostRoute::InvalidSettings => Err(TransportError::InvalidSettings),
        };
        response.map_err(TransportError::outcome)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// Sends a request that changes nothing at the provider, until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// `Unclear` if no response head came.
    pub(crate) async fn query(
        &self,
        request: RequestBuilder,
        deadline: Instant,
    ) -> Result<HttpResponse, LookupResult> {
        let left = deadline.saturating_duration_since(postrider_clock::monotonic()).min(self.timeout);
        if left.is_zero() {
            return Err(LookupResult::unclear("timeout"));
        }
        let response = exchange(request.timeout(left), PAGE_BYTES_MAX).await;
        response.map_err(|error| LookupResult::unclear(error.code()))
    }

    /// Invariant: `path` begins with a slash, so that it cannot extend the host of the base URL.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        debug_assert!(path.starts_with('/'), "a path begins with a slash");
        let ProviderAddress { base_url, user, secret, .. } = &self.address;
        self.query_client
            .request(method, format!("{base_url}{path}"))
            .basic_auth(user, Some(secret.expose_secret()))
    }
}

impl PostRoute {
    fn new(address: &ProviderAddress, http: &HttpClient, timeout: Duration) -> PostRoute {
        let ProviderAddress { base_url, post_path, user, secret } = address;
        debug_assert!(post_path.starts_with('/'), "a path begins with a slash");
        let url = Url::parse(&format!("{base_url}{post_path}"));
        let Some(url) = url.ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return PostRoute::InvalidSettings;
        };
        if host(&url).is_some_and(|host| http.proxies.intercept(&host).is_some()) {
            return PostRoute::ViaProxy;
        }
        let login = STANDARD.encode(format!("{user}:{}", secret.expose_secret()));
        let target = PostTarget::new(&url, &format!("Basic {login}"), http.connector.clone(), timeout);
        target.map_or(PostRoute::InvalidSettings, |target| PostRoute::Direct(Box::new(target)))
    }
}

async fn exchange(request: RequestBuilder, bytes_max: usize) -> Result<HttpResponse, TransportError> {
    let mut response = request.send().await.map_err(|error| TransportError::from_reqwest(&error))?;
    let body = read_body(&mut response, bytes_max).await;
    Ok(http_response(response.status().as_u16(), response.headers(), body))
}

async fn read_body(response: &mut reqwest::Response, bytes_max: usize) -> ResponseBody {
    let mut bytes = Vec::new();
    while bytes.len() < bytes_max {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => return ResponseBody::Incomplete,
        }
    }
    ResponseBody::Complete(bytes)
}
