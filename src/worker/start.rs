//! Start of a worker: builds pools, clients and tasks for the roles of its configuration.
//!
//! Every step fails early, with the remedy in its error. `running` ends what is started here.

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::Context;
use secrecy::ExposeSecret;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use crate::{
    alerts::scheduler::AlertScheduler,
    amqp::session::{self, ConsumerSession},
    company_cache::CompanyCache,
    config::Config,
    connectors::{Inbox, InboxSettings, Preparer, kustomer::client::KustomerClient},
    crash_isolation::IsolationGate,
    dispatch::{
        self, DispatchContext, Lanes, breaker::Thresholds, claimer::Claimer, fast_path::FastPath,
        lanes::LaneFactory, reconcile::Reconciler,
    },
    intake::Acceptor,
    poison::suspect_messages,
    telemetry::http::{self, Health},
    ticker::Ticker,
    worker::{
        pools::Ledgers,
        running::Worker,
        stages::{Stage, Stages},
        web,
    },
};
use postrider_domain::{content::Renderer, hash_keys::SecretKeys};
use postrider_providers::{HttpClient, TokenKey};

/// Claims with a text and a call slot that wait for begin.
const READY_QUEUE: usize = 256;
/// Finished attempts that wait for settle.
const DONE_QUEUE: usize = 1_024;

/// The keys derived from the installation's secret.
///
/// # Errors
/// The secret is missing or too short.
pub fn keys(config: &Config) -> anyhow::Result<Arc<SecretKeys>> {
    let secret = config.checked_secret()?;
    Ok(Arc::new(SecretKeys::derive(secret.expose_secret().as_bytes())))
}

/// Starts a worker with the roles of its configuration. `own_process`: the worker may exit the process after lapin
/// has leaked too many threads (docs/dependency-hazards.md#f5).
///
/// # Errors
/// The database does not answer or has another schema, a port is taken, or a setting cannot be used.
pub async fn start(mut config: Config, own_process: bool) -> anyhow::Result<Worker> {
    let metrics = http::install_metrics();
    let keys = keys(&config)?;
    let ledgers = Ledgers::open(&config)?;
    ledgers.web.check_schema().await.context("check the database")?;
    ledgers.dispatch.self_test().await.context("test the database connection")?;
    let company_cache = CompanyCache::load(ledgers.web.clone()).await.context("read the companies")?;
    let worker_id = postrider_clock::random_id();
    let mut stages = Stages::default();
    let refresh_interval = Duration::from_millis(config.companies.refresh_ms);
    stages.spawn_background(company_cache.clone().keep_fresh(refresh_interval));

    // The public port is bound first: links and signatures may be made of its address.
    let public = match config.roles.web {
        true => Some(web::bind(config.web.listen).await?),
        false => None,
    };
    if let Some((_, address)) = &public
        && config.web.public_base_url.is_empty()
    {
        config.web.public_base_url = format!("http://{address}");
    }
    let lanes = match config.roles.dispatch {
        true => Some(start_dispatch(&config, &ledgers, &keys, &company_cache, worker_id, &mut stages).await?),
        false => None,
    };
    let fast_path = FastPath { lanes: lanes.clone(), worker: worker_id, lease: config.lease() };
    let acceptor = Acceptor {
        ledger: ledgers.intake.clone(),
        company_cache: company_cache.clone(),
        keys: Arc::clone(&keys),
        fast_path,
        trust_routing_key: config.amqp.trust_routing_key,
        isolation_gate: lanes.as_ref().map(|lanes| lanes.isolation_gate()).unwrap_or_default(),
    };
    let inbox_wake = Arc::new(Notify::new());
    if config.roles.intake {
        for session in [ConsumerSession::Requests, ConsumerSession::Responses] {
            let stop = stages.token(Stage::Intake);
            let consumer = session::run(acceptor.clone(), config.amqp.clone(), session, stop, own_process);
            stages.spawn(Stage::Intake, consumer);
        }
        let inbox = inbox(&config, &ledgers, &acceptor, &inbox_wake)?;
        stages.spawn(Stage::Intake, inbox.run(stages.token(Stage::Intake)));
    }
    let health = Arc::new(Health {
        metrics,
        pools: vec![
            ("web", ledgers.web.clone()),
            ("intake", ledgers.intake.clone()),
            ("dispatch", ledgers.dispatch.clone()),
            ("reads", ledgers.reads.clone()),
        ],
        ready: AtomicBool::new(true),
    });
    let (private, private_addr) = web::bind(config.web.private_listen).await?;
    web::listen(&config, private, http::router(Arc::clone(&health)), &mut stages);
    let public_addr = public.as_ref().map(|(_, address)| *address);
    if let Some((listener, _)) = public {
        web::start(&config, listener, &ledgers, &acceptor, inbox_wake, &mut stages)?;
    }
    Ok(Worker {
        public_addr,
        private_addr: Some(private_addr),
        acceptor: Some(acceptor),
        lanes,
        health,
        ledgers: vec![ledgers.intake, ledgers.dispatch, ledgers.web, ledgers.reads],
        stages,
        deadline: Duration::from_secs_f64(config.shutdown.deadline_secs),
    })
}

/// The inbox of connectors, woken by the web stage of the same process.
fn inbox(
    config: &Config,
    ledgers: &Ledgers,
    acceptor: &Acceptor,
    wake: &Arc<Notify>,
) -> anyhow::Result<Inbox> {
    let timeout = Duration::from_secs_f64(config.recipes.look_up_timeout_secs);
    Ok(Inbox {
        ledger: ledgers.intake.clone(),
        acceptor: acceptor.clone(),
        preparer: Preparer {
            ledger: ledgers.intake.clone(),
            company_cache: acceptor.company_cache.clone(),
            keys: Arc::clone(&acceptor.keys),
            kustomer: KustomerClient::new(timeout).context("set up the HTTP client of Kustomer look-ups")?,
        },
        settings: InboxSettings {
            poll_interval: Duration::from_millis(config.recipes.poll_interval_ms),
            delays_secs: config.recipes.delays_secs.clone(),
            give_up_secs: config.recipes.give_up_secs,
        },
        wake: Arc::clone(wake),
    })
}

/// Starts the tasks of the dispatch role.
async fn start_dispatch(
    config: &Config,
    ledgers: &Ledgers,
    keys: &Arc<SecretKeys>,
    company_cache: &CompanyCache,
    worker_id: Uuid,
    stages: &mut Stages,
) -> anyhow::Result<Arc<Lanes>> {
    let context = Arc::new(DispatchContext {
        ledger: ledgers.dispatch.clone(),
        worker: worker_id,
        renderer: Renderer::new(),
        token_key: TokenKey::new(vec![keys.token]),
        keys: Arc::clone(keys),
        public_base_url: config.web.public_base_url.trim_end_matches('/').to_owned(),
        schedule: config.schedule(),
        unknown_poll_plan: config.unknown.plan(),
        receipt_poll_plan: config.receipts.plan(),
        lease: config.lease(),
        call_margin: Duration::from_secs_f64(config.dispatch.call_margin_secs),
        isolation_gate: IsolationGate::default(),
    });
    let (ready_sender, ready) = mpsc::channel(READY_QUEUE);
    let (done_sender, done) = mpsc::channel(DONE_QUEUE);
    let factory = LaneFactory {
        context: Arc::clone(&context),
        http: HttpClient::new(&config.timeouts()).context("set up the HTTP client of provider look-ups")?,
        timeouts: config.timeouts(),
        queue_max: config.dispatch.lane_queue,
        thresholds: Thresholds {
            failures: config.breaker.failures,
            open: Duration::from_secs_f64(config.breaker.open_secs),
            open_max: Duration::from_secs_f64(config.breaker.open_max_secs),
        },
    };
    let lanes = Arc::new(Lanes::new(factory, ready_sender, done_sender.clone()));
    lanes.follow(&company_cache.snapshot()).await;
    stages.spawn_background(follow_changes(Arc::clone(&lanes), company_cache.clone()));

    let stop = stages.token(Stage::Claims);
    let alerts = AlertScheduler {
        ledger: ledgers.reads.clone(),
        company_cache: company_cache.clone(),
        keys: Arc::clone(keys),
    };
    stages.spawn(Stage::Claims, alerts.run(stop.clone()));
    let claim_ticker = Ticker::new(Duration::from_millis(config.dispatch.claim_interval_ms), stop.clone());
    let sweep_ticker = Ticker::new(Duration::from_millis(config.dispatch.sweep_interval_ms), stop);
    let claimer = Claimer::new(Arc::clone(&context), Arc::clone(&lanes));
    stages.spawn(Stage::Claims, claimer.run(claim_ticker.clone()));
    let suspects = suspect_messages::run(Arc::clone(&context), Arc::clone(&lanes), claim_ticker);
    stages.spawn(Stage::Claims, suspects);
    stages.spawn(Stage::Claims, dispatch::sweep::run(Arc::clone(&context), sweep_ticker.clone()));
    let reconciler = Reconciler::new(Arc::clone(&context), Arc::clone(&lanes));
    stages.spawn(Stage::Claims, reconciler.run(sweep_ticker));
    stages.spawn(Stage::Pipe, dispatch::begin::run(Arc::clone(&context), ready, done_sender));
    stages.spawn(Stage::Pipe, dispatch::settle::run(context, done));
    Ok(lanes)
}

/// Starts and ends lanes as accounts come and go, until aborted.
fn follow_changes(lanes: Arc<Lanes>, company_cache: CompanyCache) -> impl Future<Output = ()> {
    let mut changes = company_cache.changes();
    async move {
        while changes.changed().await.is_ok() {
            lanes.follow(&company_cache.snapshot()).await;
        }
    }
}
