//! One HTTP call to a provider: made once, bounded, and its failure told apart by how far it came.
//!
//! Never retries and never follows a redirect: a second request could be a second message. What the
//! answer means is for the `wire.rs` and `look_up.rs` of each provider. The tests of `reqwest`'s errors
//! are in an order that matters: a connect timeout is both a timeout and a failure to connect.
//! Invariant: an account's credentials go to its own base URL and nowhere else.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};

use crate::clock;

use super::{
    Looked, Outcome, RefusalKind,
    answer::{Answer, Body},
    connect::Timeouts,
};

/// What all calls of a process are made with; its connections are shared.
pub type HttpClient = reqwest::Client;

/// Answers to a sending call are about 1 KB; what comes beyond this is not theirs.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A page of a look-up has up to 300 records of a few KB at most.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Shorter than what load balancers allow, so that fewer calls meet a connection about to be closed:
/// such a call is lost without our knowing whether it was heard.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// The one client that all accounts share.
///
/// # Errors
///
/// Where the system's certificates cannot be loaded.
pub fn http_client(timeouts: &Timeouts) -> Result<HttpClient, reqwest::Error> {
    // Installed once per process; the error only says that somebody was there first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("postrider/", env!("CARGO_PKG_VERSION")))
        // Clearly below the whole: a whole timeout during connect would look like a lost answer.
        .connect_timeout(timeouts.connect.min(timeouts.http / 2))
        .timeout(timeouts.http)
        .pool_idle_timeout(POOL_IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// One account's way to its provider.
pub(super) struct Caller {
    http: HttpClient,
    /// Without a slash at its end.
    base_url: String,
    user: String,
    secret: SecretString,
    timeout: Duration,
}

impl Caller {
    /// `login` is user and password; `timeout` bounds a whole call, connect included.
    pub(super) fn new(
        http: &HttpClient,
        base_url: &str,
        login: (String, SecretString),
        timeout: Duration,
    ) -> Caller {
        let (user, secret) = login;
        let base_url = base_url.trim_end_matches('/').to_owned();
        Caller { http: http.clone(), base_url, user, secret, timeout }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// Makes a call that may send.
    ///
    /// # Errors
    ///
    /// The outcome, where no head of an answer came.
    pub(super) async fn call(&self, request: RequestBuilder) -> Result<Answer, Outcome> {
        let exchanged = exchange(request.timeout(self.timeout), ANSWER_BYTES_MAX).await;
        exchanged.map_err(Silence::outcome)
    }

    /// Asks something that changes nothing, in what is left of the time until `until`.
    ///
    /// # Errors
    ///
    /// `Unclear`, where no head of an answer came.
    pub(super) async fn ask(&self, request: RequestBuilder, until: Instant) -> Result<Answer, Looked> {
        let left = until.saturating_duration_since(clock::monotonic()).min(self.timeout);
        if left.is_zero() {
            return Err(Looked::unclear("timeout"));
        }
        let exchanged = exchange(request.timeout(left), PAGE_BYTES_MAX).await;
        exchanged.map_err(|silence| Looked::unclear(silence.code()))
    }

    /// Invariant: `path` begins with a slash, so that it cannot go on with the base URL's host.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        debug_assert!(path.starts_with('/'), "a path begins with a slash");
        self.http
            .request(method, format!("{}{path}", self.base_url))
            .basic_auth(&self.user, Some(self.secret.expose_secret()))
    }
}

async fn exchange(request: RequestBuilder, bytes_max: usize) -> Result<Answer, Silence> {
    let mut response = request.send().await.map_err(|error| Silence::of(&error))?;
    let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    let retry_after = header("retry-after");
    let rate_limit_reset = header("x-ratelimit-reset");
    let status = response.status().as_u16();
    let body = read(&mut response, bytes_max).await;
    Ok(Answer { status, retry_after, rate_limit_reset, body })
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

/// Why no head of an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// The URL or a header of the account's settings is unusable; nothing was called.
    Unusable,
    Unreached,
    Timeout,
    Reset,
}

impl Silence {
    fn of(error: &reqwest::Error) -> Silence {
        if error.is_builder() {
            Silence::Unusable
        } else if error.is_connect() {
            Silence::Unreached
        } else if error.is_timeout() {
            Silence::Timeout
        } else {
            Silence::Reset
        }
    }

    fn code(self) -> &'static str {
        match self {
            Silence::Unusable => "settings_unusable",
            Silence::Unreached => "connect",
            Silence::Timeout => "timeout",
            Silence::Reset => "reset",
        }
    }

    /// What it means for a call that may send.
    fn outcome(self) -> Outcome {
        match self {
            Silence::Unusable => Outcome::refused(RefusalKind::Account, self.code()),
            Silence::Unreached => Outcome::refused(RefusalKind::NotCalled, self.code()),
            Silence::Timeout | Silence::Reset => Outcome::Unknown { code: self.code().to_owned() },
        }
    }
}
