//! How a provider is reached: its address looked up, a TCP connection made, TLS spoken where the URL says so.
//!
//! All of it within one time. Whatever fails here, nothing of a message has left the house.

use std::{future::poll_fn, time::Duration};

use hyper::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::ClientConfig;
use tokio::{net::TcpStream, time::timeout};
use tower_service::Service;

use super::line::HttpConnection;

/// A peer that is gone without a word is noticed as soon as `reqwest` notices it.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_TRIES: u32 = 3;
#[cfg(target_os = "linux")]
const UNHEARD_MAX: Duration = Duration::from_secs(30);

/// A connection to a provider, encrypted or not.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Makes connections; a clone is a handle.
#[derive(Clone)]
pub(super) struct Dialer {
    connector: HttpsConnector<HttpConnector>,
    connect_timeout: Duration,
}

impl Dialer {
    pub(super) fn new(tls: ClientConfig, connect_timeout: Duration) -> Dialer {
        let mut tcp = HttpConnector::new();
        // Or it refuses https before TLS gets to see it.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // A host with several addresses: each gets its share of the time.
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_TRIES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNHEARD_MAX));
        Dialer { connector: HttpsConnector::from((tcp, tls)), connect_timeout }
    }

    /// `None`: not reached, for whatever reason. `host` is scheme and authority.
    pub(super) async fn dial(&self, host: &Uri) -> Option<Box<HttpConnection>> {
        let mut connector = self.connector.clone();
        let reached = timeout(self.connect_timeout, async {
            poll_fn(|context| connector.poll_ready(context)).await.ok()?;
            HttpConnection::open(connector.call(host.clone()).await.ok()?).await
        });
        reached.await.ok().flatten()
    }
}
