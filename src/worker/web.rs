//! The doors: the public port with webhooks and the API, and the private one.
//!
//! Both are served alike, within the bounds of the configuration. Read `shutdown` for when they close.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
};

use crate::worker::Ledgers;
use crate::{
    api::{self, Api, rate_limit::RateLimit},
    config::Config,
    connectors::{self, eight_by_eight::client::PublicKeys, routes::ConnectorState},
    dispatch::fast_path::FastPath,
    intake::{Acceptor, http_batcher::JobBatcher},
    webhooks::{
        self,
        batch::Receipts,
        routes::WebhookState,
        serve::{Limits, Router, serve},
    },
    worker::stages::{Stage, Worker},
};
use postrider_providers::TokenKey;

/// Serves webhooks and the API on the public port.
pub(super) fn start(
    config: &Config,
    listener: TcpListener,
    ledgers: &Ledgers,
    acceptor: &Acceptor,
    bell: Arc<Notify>,
    worker: &mut Worker,
) -> anyhow::Result<()> {
    let (receipts, task) = Receipts::start(ledgers.web.clone());
    let door = Arc::new(WebhookState {
        ledger: ledgers.web.clone(),
        directory: acceptor.company_cache.clone(),
        token_key: TokenKey::new(vec![acceptor.keys.token]),
        keys: Arc::clone(&acceptor.keys),
        receipts,
        public_base_url: public_base_url(config),
        body_within: Duration::from_secs_f64(config.web.body_timeout_secs),
        receipt_poll_plan: config.receipts.plan(),
    });
    let within = Duration::from_secs_f64(config.recipes.look_up_timeout_secs);
    let recipes = Arc::new(ConnectorState {
        ledger: ledgers.web.clone(),
        directory: acceptor.company_cache.clone(),
        keys: Arc::clone(&acceptor.keys),
        public_keys: PublicKeys::new(within).context("set up questions to other systems")?,
        bell,
        body_within: Duration::from_secs_f64(config.web.body_timeout_secs),
    });
    let webhooks = webhooks::routes::router(door).merge(connectors::routes::router(recipes));
    let router = webhooks.merge(api::router::router(api(config, ledgers, acceptor, worker)));
    listen(config, listener, router, worker);
    // After the listener: it ends with the last call that could hand it a receipt.
    worker.add(Stage::Web, task);
    Ok(())
}

fn api(config: &Config, ledgers: &Ledgers, acceptor: &Acceptor, worker: &mut Worker) -> Arc<Api> {
    let (jobs, task) = JobBatcher::start(acceptor.clone(), worker.stop_of(Stage::Intake));
    worker.add(Stage::Intake, task);
    // Lanes end before the doors close: nothing here may hold them.
    let fast_path = FastPath { lanes: None, ..acceptor.fast_path.clone() };
    Api::new(api::ApiDeps {
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

pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

pub(super) fn listen(config: &Config, listener: TcpListener, router: Router, worker: &mut Worker) {
    let limits = Limits {
        connections_max: config.web.connections_max,
        head_within: Duration::from_secs_f64(config.web.head_timeout_secs),
        drain_within: Duration::from_secs_f64(config.web.body_timeout_secs),
    };
    let stop: watch::Receiver<bool> = worker.stop_of(Stage::Web);
    worker.add(Stage::Web, tokio::spawn(serve(listener, router, limits, stop)));
}
