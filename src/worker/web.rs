//! The two ports: the public one with webhooks, unsubscribe links and the API, and the private one.
//!
//! `http_server` serves both within the limits of section `[web]`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{net::TcpListener, sync::Notify};

use crate::{
    api::{self, ApiState, rate_limit::RateLimit},
    config::Config,
    connectors::{self, ConnectorState, eight_by_eight::client::PublicKeys},
    dispatch::fast_path::FastPath,
    http_server::{Limits, Router, serve},
    intake::{Acceptor, http_batcher::JobBatcher},
    webhooks::{
        batch::ReceiptWriter,
        receipts::{self, WebhookState},
        unsubscribe::{self, UnsubscribeState},
    },
    worker::{
        pools::Ledgers,
        stages::{Stage, Stages},
    },
};
use postrider_providers::TokenKey;

/// Serves webhooks, unsubscribe links and the API on the public port.
pub(super) fn start(
    config: &Config,
    listener: TcpListener,
    ledgers: &Ledgers,
    acceptor: &Acceptor,
    inbox_wake: Arc<Notify>,
    stages: &mut Stages,
) -> anyhow::Result<()> {
    let body_timeout = Duration::from_secs_f64(config.web.body_timeout_secs);
    let (receipt_writer, writing) = ReceiptWriter::new(ledgers.web.clone());
    let webhook_state = WebhookState {
        ledger: ledgers.web.clone(),
        company_cache: acceptor.company_cache.clone(),
        token_key: TokenKey::new(vec![acceptor.keys.token]),
        keys: Arc::clone(&acceptor.keys),
        receipt_writer,
        public_base_url: public_base_url(config),
        body_timeout,
        receipt_poll_plan: config.receipts.plan(),
    };
    let unsubscribe_state =
        UnsubscribeState { ledger: ledgers.web.clone(), keys: Arc::clone(&acceptor.keys) };
    let look_up_timeout = Duration::from_secs_f64(config.recipes.look_up_timeout_secs);
    let connector_state = ConnectorState {
        ledger: ledgers.web.clone(),
        company_cache: acceptor.company_cache.clone(),
        keys: Arc::clone(&acceptor.keys),
        public_keys: PublicKeys::new(look_up_timeout)
            .context("set up the HTTP client of 8x8's public keys")?,
        inbox_wake,
        body_timeout,
    };
    let router = receipts::router(webhook_state)
        .merge(unsubscribe::router(unsubscribe_state))
        .merge(connectors::routes::router(connector_state))
        .merge(api::router::router(api(config, ledgers, acceptor, stages)));
    listen(config, listener, router, stages);
    // Ends once the listener has dropped the last handle of the writer.
    stages.spawn(Stage::Web, writing);
    Ok(())
}

fn api(config: &Config, ledgers: &Ledgers, acceptor: &Acceptor, stages: &mut Stages) -> Arc<ApiState> {
    let (jobs, batching) = JobBatcher::new(acceptor.clone(), stages.token(Stage::Intake));
    stages.spawn(Stage::Intake, batching);
    // Lanes close before the web stage ends: its state cannot hold them.
    let fast_path = FastPath { lanes: None, ..acceptor.fast_path.clone() };
    ApiState::new(api::ApiDeps {
        ledger: ledgers.web.clone(),
        reads: ledgers.reads.clone(),
        company_cache: acceptor.company_cache.clone(),
        keys: Arc::clone(&acceptor.keys),
        acceptor: Acceptor { fast_path, ..acceptor.clone() },
        jobs,
        body_timeout: Duration::from_secs_f64(config.web.body_timeout_secs),
        public_base_url: public_base_url(config),
        rate_limit: RateLimit { calls_per_sec: config.api.calls_per_sec, burst: config.api.calls_burst },
    })
}

fn public_base_url(config: &Config) -> String {
    config.web.public_base_url.trim_end_matches('/').to_owned()
}

/// Binds a port; returns the listener and its address, which tells the number of a port chosen as 0.
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves a router until the web stage ends.
pub(super) fn listen(config: &Config, listener: TcpListener, router: Router, stages: &mut Stages) {
    let limits = Limits {
        connections_max: config.web.connections_max,
        head_timeout: Duration::from_secs_f64(config.web.head_timeout_secs),
        drain_timeout: Duration::from_secs_f64(config.web.body_timeout_secs),
    };
    stages.spawn(Stage::Web, serve(listener, router, limits, stages.token(Stage::Web)));
}
