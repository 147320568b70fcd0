//! Connects to a provider: name resolution, TCP, and TLS if the URL's scheme says so.
//!
//! One timeout bounds all three. Invariant: a failure here proves that no byte of a message was written.

use std::{future::poll_fn, time::Duration};

use hyper::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use tokio::time::timeout;
use tower_service::Service;

use super::http_connection::HttpConnection;

/// The defaults of `reqwest`, so that both clients detect a dead peer equally fast.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_TRIES: u32 = 3;
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// Opens connections; a clone is a cheap handle.
#[derive(Clone)]
pub(super) struct Connector {
    connector: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(tls: ClientConfig, connect_timeout: Duration) -> Connector {
        let mut tcp = HttpConnector::new();
        // The default refuses https URLs before TLS sees them.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Of a host with several addresses, each gets its share of the time.
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_TRIES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
        Connector { connector: HttpsConnector::from((tcp, tls)), timeout: connect_timeout }
    }

    /// Connects to `host` (scheme and authority); `None` for any failure and after the timeout.
    pub(super) async fn connect(&self, host: &Uri) -> Option<Box<HttpConnection>> {
        let mut connector = self.connector.clone();
        let connected = timeout(self.timeout, async {
            poll_fn(|context| connector.poll_ready(context)).await.ok()?;
            HttpConnection::open(connector.call(host.clone()).await.ok()?).await
        });
        connected.await.ok().flatten()
    }
}
