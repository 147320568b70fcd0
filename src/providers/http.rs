//! One HTTP call to a provider: made once, bounded, and its failure told apart by how far it came.
//!
//! Never retries and never follows a redirect: a second request could be a second message. What the
//! answer means is for the `wire.rs` of each provider. The tests of `reqwest`'s errors are in an order
//! that matters: a connect timeout is both a timeout and a failure to connect.

use std::time::Duration;

use super::{
    Outcome, RefusalKind,
    answer::{Answer, Body},
    connect::Timeouts,
};

/// Answers of these providers are about 1 KB; what comes beyond this is not theirs.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Shorter than what load balancers allow, so that fewer calls meet a connection about to be closed:
/// such a call is lost without our knowing whether it was heard.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// The one client that all accounts share.
///
/// # Errors
///
/// Where the system's certificates cannot be loaded.
pub fn http_client(timeouts: &Timeouts) -> Result<reqwest::Client, reqwest::Error> {
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

/// Makes the call within `timeout`.
///
/// # Errors
///
/// The outcome, where no head of an answer came.
pub(super) async fn call(request: reqwest::RequestBuilder, timeout: Duration) -> Result<Answer, Outcome> {
    let mut response = request.timeout(timeout).send().await.map_err(|error| without_answer(&error))?;
    let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    let retry_after = header("retry-after");
    let rate_limit_reset = header("x-ratelimit-reset");
    let status = response.status().as_u16();
    let body = read(&mut response).await;
    Ok(Answer { status, retry_after, rate_limit_reset, body })
}

async fn read(response: &mut reqwest::Response) -> Body {
    let mut bytes = Vec::new();
    while bytes.len() < BODY_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => return Body::Cut,
        }
    }
    Body::Read(bytes)
}

fn without_answer(error: &reqwest::Error) -> Outcome {
    if error.is_builder() {
        // The URL or a header of the account's settings is unusable; nothing was called.
        Outcome::refused(RefusalKind::Account, "settings_unusable")
    } else if error.is_connect() {
        Outcome::refused(RefusalKind::NotCalled, "connect")
    } else if error.is_timeout() {
        Outcome::Unknown { code: "timeout".to_owned() }
    } else {
        Outcome::Unknown { code: "reset".to_owned() }
    }
}
