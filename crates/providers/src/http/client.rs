//! What the calls of all accounts of a process are made with.
//!
//! One set of authorities, one look at the environment's proxies, for sending and asking alike. The
//! connections themselves belong to each account (`outlet`); only those of questions are shared.

use std::{sync::Arc, time::Duration};

use hyper_util::client::proxy::matcher::Matcher;
use rustls::{ClientConfig, crypto::ring};
use rustls_platform_verifier::Verifier;

use crate::connect::Timeouts;

use super::dial::Dialer;

/// Shorter than what load balancers allow, so that fewer calls meet a connection about to be closed:
/// such a call is lost without our knowing whether it was heard.
pub(super) const POOL_IDLE: Duration = Duration::from_secs(15);
pub(super) const USER_AGENT: &str = concat!("postrider/", env!("CARGO_PKG_VERSION"));

/// The one client that all accounts share; a clone is a handle.
#[derive(Clone)]
pub struct HttpClient {
    pub(super) asking: reqwest::Client,
    pub(super) dialer: Dialer,
    pub(super) proxies: Arc<Matcher>,
}

#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    #[error("load the system's certificates of authorities")]
    Authorities(#[from] rustls::Error),
    #[error("set up the client of questions")]
    KustomerClient(#[from] reqwest::Error),
}

/// Makes the client.
///
/// # Errors
///
/// Where the system's certificates cannot be loaded.
pub fn http_client(timeouts: &Timeouts) -> Result<HttpClient, HttpClientError> {
    // Installed once per process; the error only says that somebody was there first.
    let _ = ring::default_provider().install_default();
    let tls = tls()?;
    // Clearly below the whole: a whole timeout during connect would look like a lost answer.
    let connect = timeouts.connect.min(timeouts.http / 2);
    let asking = asking(tls.clone(), connect, timeouts.http)?;
    Ok(HttpClient { asking, dialer: Dialer::new(tls, connect), proxies: Arc::new(Matcher::from_system()) })
}

/// A client for questions beside the providers', under the same authorities; `within` bounds a whole one.
///
/// # Errors
///
/// Where the system's certificates cannot be loaded.
pub fn asking_client(within: Duration) -> Result<reqwest::Client, HttpClientError> {
    let _ = ring::default_provider().install_default();
    Ok(asking(tls()?, within / 2, within)?)
}

/// The body of an answer of at most `bytes_max`.
///
/// # Errors
/// In words without the URL, which may hold what is nobody's business.
pub async fn read_answer(mut answer: reqwest::Response, bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
        if body.len() + chunk.len() > bytes_max {
            return Err("the answer is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn asking(tls: ClientConfig, connect: Duration, within: Duration) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .tls_backend_preconfigured(tls)
        .connect_timeout(connect)
        .timeout(within)
        .pool_idle_timeout(POOL_IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// The system's authorities decide who is believed; HTTP/1.1 only, which is what `line` speaks.
fn tls() -> Result<ClientConfig, rustls::Error> {
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
