//! The HTTP client that all accounts of a process share: trusted authorities, proxies, limits.
//!
//! Connections for sending belong to each account (`post_target`); connections for look-ups are pooled here by
//! `reqwest`.

use std::{sync::Arc, time::Duration};

use hyper::HeaderMap;
use hyper_util::client::proxy::matcher::Matcher;
use rustls::{ClientConfig, crypto::ring};
use rustls_platform_verifier::Verifier;

use crate::{
    Timeouts,
    http_response::{HttpResponse, ResponseBody},
};

use super::connect::Connector;

/// Longest idle time of a connection. It is shorter than the limits of load balancers: a call on a connection that
/// the other side is closing ends with an unknown outcome.
pub(super) const POOL_IDLE: Duration = Duration::from_secs(15);
pub(super) const USER_AGENT: &str = concat!("postrider/", env!("CARGO_PKG_VERSION"));
/// Limit of the response to a sending call; a real one has about 1 KB.
pub(super) const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// The client of all accounts; a clone is a cheap handle.
#[derive(Clone)]
pub struct HttpClient {
    pub(super) query_client: reqwest::Client,
    pub(super) connector: Connector,
    pub(super) proxies: Arc<Matcher>,
}

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The system's certificate store is unusable.
    #[error("load the system's certificate authorities: check the certificate store of the machine")]
    Authorities(#[from] rustls::Error),
    /// `reqwest` refused its settings.
    #[error("set up the HTTP client of look-ups")]
    QueryClient(#[from] reqwest::Error),
}

impl HttpClient {
    /// Loads the system's certificate authorities and the proxies that the environment names.
    ///
    /// # Errors
    ///
    /// If the system's certificate authorities cannot be loaded.
    pub fn new(timeouts: &Timeouts) -> Result<HttpClient, HttpClientError> {
        install_crypto_provider();
        let tls = tls_config()?;
        // A total timeout while connecting would count as a lost response, so connecting gets half of it.
        let connect = timeouts.connect.min(timeouts.http / 2);
        Ok(HttpClient {
            query_client: build_query_client(tls.clone(), connect, timeouts.http)?,
            connector: Connector::new(tls, connect),
            proxies: Arc::new(Matcher::from_system()),
        })
    }
}

/// A `reqwest` client with the same authorities and limits for other APIs; `timeout` bounds a whole request.
///
/// # Errors
///
/// If the system's certificate authorities cannot be loaded.
pub fn query_client(timeout: Duration) -> Result<reqwest::Client, HttpClientError> {
    install_crypto_provider();
    Ok(build_query_client(tls_config()?, timeout / 2, timeout)?)
}

/// Reads a body of at most `bytes_max` bytes.
///
/// # Errors
///
/// A text for logs, without the URL, which may contain personal data.
pub async fn read_response_body(
    mut response: reqwest::Response,
    bytes_max: usize,
) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
        if body.len() + chunk.len() > bytes_max {
            return Err("the answer is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Converts a response to the form that `wire.rs` reads.
pub(super) fn http_response(status: u16, headers: &HeaderMap, body: ResponseBody) -> HttpResponse {
    let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    HttpResponse {
        status,
        retry_after: header("retry-after"),
        rate_limit_reset: header("x-ratelimit-reset"),
        body,
    }
}

/// Installs ring for the whole process. An error says only that a provider is installed already.
fn install_crypto_provider() {
    let _ = ring::default_provider().install_default();
}

fn build_query_client(
    tls: ClientConfig,
    connect_timeout: Duration,
    timeout: Duration,
) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .tls_backend_preconfigured(tls)
        .connect_timeout(connect_timeout)
        .timeout(timeout)
        .pool_idle_timeout(POOL_IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// Trusts the system's certificate authorities; HTTP/1.1 only, the protocol of `http_connection`.
fn tls_config() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(Arc::clone(&provider))?;
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}
