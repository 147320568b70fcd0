//! Start-up: the only place that builds pools, clients and tasks. Read `shutdown` for how they end.
//!
//! Everything here is small and fails early with the remedy in its error. A pooled connection that does not
//! answer is dropped; `ledger::bounded` ensures that no pooled connection holds an open transaction
//! (docs/dependency-hazards.md#f1).

mod connectors;
pub mod stages;
mod web;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::{Context, bail};
use secrecy::ExposeSecret;
use sqlx::{
    Connection,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use uuid::Uuid;

use crate::{
    alerts::scheduler::AlertScheduler,
    amqp::session::{self, ConsumerSession},
    company_cache::CompanyCache,
    config::{Config, Database},
    dispatch::{
        self, DispatchContext, Lanes, breaker::Thresholds, claimer::Claimer, fast_path::FastPath,
        lanes::LaneFactory, reconcile::Reconciler,
    },
    intake::Acceptor,
    poison::crash_isolation::IsolationGate,
    telemetry::http::{self, Health},
    worker::stages::{Stage, Worker},
};
use postrider_domain::{content::Renderer, hash_keys::SecretKeys};
use postrider_ledger::Ledger;
use postrider_providers::{HttpClient, TokenKey};

const READY_QUEUE: usize = 256;
const DONE_QUEUE: usize = 1_024;
/// How long a connection's test may take before the connection counts as dead.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A statement that the server ends in time has its answer here so much later at most.
const ANSWER_MARGIN: Duration = Duration::from_secs(2);

/// Purpose of a pool. Hot pools forbid the plans that Postgres would choose for tables that are almost empty
/// and keep after they grew (docs/decisions/022-hot-pool-connections-and-plans.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Hot,
    /// Free plans, and no longer statements than the hot ones.
    Reads,
    Admin,
}

/// Opens a pool. Connections are made when first needed.
pub fn pool(config: &Database, purpose: Purpose, connections: u32) -> anyhow::Result<PgPool> {
    let url = config.url.expose_secret();
    if url.is_empty() {
        bail!("database.url is empty; set DATABASE_URL");
    }
    // The parser's error could quote the URL, password included.
    let options: PgConnectOptions = url.parse().map_err(|_| {
        anyhow::anyhow!("database.url is not of the form postgres://user:password@host:port/database")
    })?;
    let statement_timeout = match purpose {
        Purpose::Hot | Purpose::Reads => config.statement_timeout_secs,
        Purpose::Admin => config.statement_timeout_secs.max(120),
    };
    let mut settings = vec![
        ("statement_timeout", format!("{statement_timeout}s")),
        ("lock_timeout", "5s".to_owned()),
        ("idle_in_transaction_session_timeout", "10s".to_owned()),
    ];
    if purpose == Purpose::Hot {
        for (name, value) in [
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
        ] {
            settings.push((name, value.to_owned()));
        }
    }
    let options = options.application_name("postrider").options(settings);
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(config.acquire_timeout_secs))
        // Our own test instead of the pool's, which would wait for a dead connection's answer for ever.
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(answers(connection.ping())))
        // The pool asks the same once more, and would wait for a dead connection's answer for ever.
        .after_release(|connection, _| Box::pin(answers(connection.ping())))
        .connect_lazy_with(options))
}

/// Whether a connection still answers; one that does not is dropped without a good-bye.
async fn answers<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(ANSWER_WITHIN, asked).await {
        Ok(answered) => answered.map(|_| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// A ledger for commands: one connection or two, free to choose its plans.
pub fn admin_ledger(config: &Config) -> anyhow::Result<Ledger> {
    Ok(Ledger::new(pool(&config.database, Purpose::Admin, 2)?))
}

/// The installation's derived keys.
pub fn keys(config: &Config) -> anyhow::Result<Arc<SecretKeys>> {
    let secret = config.checked_secret()?;
    Ok(Arc::new(SecretKeys::derive(secret.expose_secret().as_bytes())))
}

/// Starts a worker with the roles of its configuration. `own_process`: the worker may exit the process
/// when lapin leaked too many threads (docs/dependency-hazards.md#f5).
pub async fn start(mut config: Config, own_process: bool) -> anyhow::Result<Worker> {
    let metrics = http::install_metrics();
    let keys = keys(&config)?;
    let ledgers = Ledgers::open(&config)?;
    ledgers.web.check_schema().await.context("check the database")?;
    ledgers.dispatch.self_test().await.context("test the database connection")?;
    let directory = CompanyCache::load(ledgers.web.clone()).await.context("read the companies")?;
    let worker_id = postrider_clock::random_id();
    let mut worker = Worker::new(Duration::from_secs_f64(config.shutdown.deadline_secs));
    let refresh = Duration::from_millis(config.companies.refresh_ms);
    worker.background(tokio::spawn(directory.clone().keep_fresh(refresh)));

    // Listening comes first: links and signatures may be made of the address.
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
        true => Some(start_dispatch(&config, &ledgers, &keys, &directory, worker_id, &mut worker).await?),
        false => None,
    };
    let fast_path = FastPath { lanes: lanes.clone(), worker: worker_id, lease: config.lease() };
    let acceptor = Acceptor {
        ledger: ledgers.intake.clone(),
        company_cache: directory.clone(),
        keys: Arc::clone(&keys),
        fast_path,
        trust_routing_key: config.amqp.trust_routing_key,
        isolation_gate: lanes.as_ref().map(|lanes| lanes.isolation_gate()).unwrap_or_default(),
    };
    let bell = Arc::new(Notify::new());
    if config.roles.intake {
        for line in [ConsumerSession::Requests, ConsumerSession::Responses] {
            let stop = worker.stop_of(Stage::Intake);
            let task = session::run(acceptor.clone(), config.amqp.clone(), line, stop, own_process);
            worker.add(Stage::Intake, tokio::spawn(task));
        }
        connectors::start(&config, &ledgers, &acceptor, Arc::clone(&bell), &mut worker)?;
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
    let (private, address) = web::bind(config.web.private_listen).await?;
    worker.private_addr = Some(address);
    web::listen(&config, private, http::router(Arc::clone(&health)), &mut worker);
    if let Some((public, address)) = public {
        worker.public_addr = Some(address);
        web::start(&config, public, &ledgers, &acceptor, bell, &mut worker)?;
    }
    worker.lanes = lanes;
    worker.acceptor = Some(acceptor);
    worker.health = Some(health);
    worker.ledgers = vec![ledgers.intake, ledgers.dispatch, ledgers.web, ledgers.reads];
    Ok(worker)
}

struct Ledgers {
    intake: Ledger,
    dispatch: Ledger,
    web: Ledger,
    reads: Ledger,
}

impl Ledgers {
    fn open(config: &Config) -> anyhow::Result<Ledgers> {
        let Database { acquire_timeout_secs, statement_timeout_secs, .. } = config.database;
        let within = Duration::from_secs(acquire_timeout_secs + statement_timeout_secs) + ANSWER_MARGIN;
        let open = |purpose, connections| {
            let pool = pool(&config.database, purpose, connections)?;
            Ok::<_, anyhow::Error>(Ledger::bounded(pool, within))
        };
        Ok(Ledgers {
            intake: open(Purpose::Hot, config.database.intake_connections)?,
            dispatch: open(Purpose::Hot, config.database.dispatch_connections)?,
            web: open(Purpose::Hot, config.database.web_connections)?,
            reads: open(Purpose::Reads, config.database.reads_connections)?,
        })
    }
}

async fn start_dispatch(
    config: &Config,
    ledgers: &Ledgers,
    keys: &Arc<SecretKeys>,
    directory: &CompanyCache,
    worker_id: Uuid,
    worker: &mut Worker,
) -> anyhow::Result<Arc<Lanes>> {
    let watch = AlertScheduler {
        ledger: ledgers.reads.clone(),
        company_cache: directory.clone(),
        keys: Arc::clone(keys),
    };
    worker.add(Stage::Claims, tokio::spawn(watch.run(worker.stop_of(Stage::Claims))));
    let shared = Arc::new(DispatchContext {
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
    let thresholds = Thresholds {
        failures: config.breaker.failures,
        open: Duration::from_secs_f64(config.breaker.open_secs),
        open_max: Duration::from_secs_f64(config.breaker.open_max_secs),
    };
    let lanes = Arc::new(Lanes::new(
        LaneFactory {
            context: Arc::clone(&shared),
            http: HttpClient::new(&config.timeouts()).context("set up calls to providers")?,
            timeouts: config.timeouts(),
            queue_max: config.dispatch.lane_queue,
            thresholds,
        },
        ready_sender,
        done_sender.clone(),
    ));
    lanes.follow(&directory.snapshot()).await;
    worker.background(follow_changes(Arc::clone(&lanes), directory.clone()));
    let claim_every = Duration::from_millis(config.dispatch.claim_interval_ms);
    let claimer = Claimer::new(Arc::clone(&shared), Arc::clone(&lanes));
    worker.add(Stage::Claims, tokio::spawn(claimer.run(claim_every, worker.stop_of(Stage::Claims))));
    let stop = worker.stop_of(Stage::Claims);
    let suspects =
        crate::poison::suspect_messages::run(Arc::clone(&shared), Arc::clone(&lanes), claim_every, stop);
    worker.add(Stage::Claims, tokio::spawn(suspects));
    let sweep_every = Duration::from_millis(config.dispatch.sweep_interval_ms);
    let sweeper = dispatch::sweep::run(Arc::clone(&shared), sweep_every, worker.stop_of(Stage::Claims));
    worker.add(Stage::Claims, tokio::spawn(sweeper));
    let reconciler = Reconciler::new(Arc::clone(&shared), Arc::clone(&lanes));
    worker.add(Stage::Claims, tokio::spawn(reconciler.run(sweep_every, worker.stop_of(Stage::Claims))));
    worker.add(Stage::Pipe, tokio::spawn(dispatch::begin::run(Arc::clone(&shared), ready, done_sender)));
    worker.add(Stage::Pipe, tokio::spawn(dispatch::settle::run(shared, done)));
    Ok(lanes)
}

fn follow_changes(lanes: Arc<Lanes>, directory: CompanyCache) -> JoinHandle<()> {
    let mut changes = directory.changes();
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            lanes.follow(&directory.snapshot()).await;
        }
    })
}
