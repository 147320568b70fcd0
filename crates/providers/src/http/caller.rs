//! One account's way to its provider: what it posts, and what it asks.
//!
//! How a message is posted is decided once, by the account's URL: over lines of our own (`outlet`), or,
//! where the environment names a proxy for it, by `reqwest`, which knows how to speak to proxies.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue},
};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{
    LookupResult, Outcome,
    answer::{Answer, Body},
};

use super::{
    client::HttpClient,
    outlet::{PostTarget, host},
    silence::TransportError,
};

/// Answers to a sending call are about 1 KB; what comes beyond this is not theirs.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A page of a look-up has up to 300 records of a few KB at most.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Where an account is at its provider, and how it logs in.
pub(crate) struct ProviderAddress {
    pub base_url: String,
    /// Where messages are posted, below the base URL. Begins with a slash.
    pub posting_path: String,
    pub user: String,
    pub secret: SecretString,
}

pub(crate) struct ProviderClient {
    asking: reqwest::Client,
    /// Its base URL has no slash at its end.
    place: ProviderAddress,
    pub(super) posting: Posting,
    timeout: Duration,
}

pub(super) enum Posting {
    Direct(Box<PostTarget>),
    ByProxy,
    /// The settings make no call.
    Unusable,
}

impl ProviderClient {
    /// `timeout` bounds a whole call, connect included.
    pub(crate) fn new(http: &HttpClient, mut place: ProviderAddress, timeout: Duration) -> ProviderClient {
        place.base_url.truncate(place.base_url.trim_end_matches('/').len());
        let posting = Posting::of(&place, http, timeout);
        ProviderClient { asking: http.asking.clone(), place, posting, timeout }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Makes the call that may send.
    ///
    /// # Errors
    ///
    /// The outcome, where no head of an answer came.
    pub(crate) async fn send(
        &self,
        content_type: HeaderValue,
        body: impl Into<Bytes>,
    ) -> Result<Answer, Outcome> {
        let answer = match &self.posting {
            Posting::Direct(outlet) => outlet.post(content_type, body.into()).await,
            Posting::ByProxy => {
                let request = self.post(&self.place.posting_path).timeout(self.timeout);
                let request = request.header(CONTENT_TYPE, content_type).body(body.into());
                exchange(request, ANSWER_BYTES_MAX).await
            }
            Posting::Unusable => Err(TransportError::Unusable),
        };
        answer.map_err(TransportError::outcome)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// Asks something that changes nothing, in what is left of the time until `until`.
    ///
    /// # Errors
    ///
    /// `Unclear`, where no head of an answer came.
    pub(crate) async fn ask(&self, request: RequestBuilder, until: Instant) -> Result<Answer, LookupResult> {
        let left = until.saturating_duration_since(postrider_clock::monotonic()).min(self.timeout);
        if left.is_zero() {
            return Err(LookupResult::unclear("timeout"));
        }
        let exchanged = exchange(request.timeout(left), PAGE_BYTES_MAX).await;
        exchanged.map_err(|silence| LookupResult::unclear(silence.code()))
    }

    /// Invariant: `path` begins with a slash, so that it cannot go on with the base URL's host.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        debug_assert!(path.starts_with('/'), "a path begins with a slash");
        let ProviderAddress { base_url, user, secret, .. } = &self.place;
        self.asking
            .request(method, format!("{base_url}{path}"))
            .basic_auth(user, Some(secret.expose_secret()))
    }
}

impl Posting {
    fn of(place: &ProviderAddress, http: &HttpClient, timeout: Duration) -> Posting {
        let ProviderAddress { base_url, posting_path, user, secret } = place;
        debug_assert!(posting_path.starts_with('/'), "a path begins with a slash");
        let url = Url::parse(&format!("{base_url}{posting_path}"));
        let Some(url) = url.ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return Posting::Unusable;
        };
        if host(&url).is_some_and(|host| http.proxies.intercept(&host).is_some()) {
            return Posting::ByProxy;
        }
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{}", secret.expose_secret())));
        let outlet = PostTarget::new(&url, &basic, http.dialer.clone(), timeout);
        outlet.map_or(Posting::Unusable, |outlet| Posting::Direct(Box::new(outlet)))
    }
}

/// What is read of an answer's head, with its body.
pub(super) fn answer(status: u16, headers: &HeaderMap, body: Body) -> Answer {
    let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    Answer { status, retry_after: header("retry-after"), rate_limit_reset: header("x-ratelimit-reset"), body }
}

async fn exchange(request: RequestBuilder, bytes_max: usize) -> Result<Answer, TransportError> {
    let mut response = request.send().await.map_err(|error| TransportError::of(&error))?;
    let body = read(&mut response, bytes_max).await;
    Ok(answer(response.status().as_u16(), response.headers(), body))
}

async fn read(response: &mut reqwest::Response, bytes_max: usize) -> Body {
    let mut bytes = Vec::new();
    while bytes.len() < bytes_max {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => return Body::Cut,
        }
    }
    Body::Read(bytes)
}
