//! One test's world: a database, a broker prefix, simulated providers, and workers on demand.
//!
//! Databases are copied from a migrated template, so a world costs some tens of milliseconds.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use postrider::{config::Config, worker, worker::Worker};
use postrider_domain::{
    company::{Member, Policy},
    hash_keys::SecretKeys,
    ids::CompanyId,
};
use postrider_ledger::Ledger;
use postrider_provider_simulator::{Simulator, SimulatorConfig};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{
    broker::{Look, Producer},
    company::{self, Providers},
    sql::with_states,
    wait,
};

pub const SECRET: &str = "a-secret-for-tests-of-at-least-32-characters";

pub struct TestEnv {
    pub simulator: Simulator,
    pub ledger: Ledger,
    pub pool: PgPool,
    pub keys: Arc<SecretKeys>,
    pub amqp_name: String,
    pub database_url: String,
    pub amqp_url: String,
    /// Of whichever worker takes this world's webhooks: the next one must be found where the last was.
    pub public_port: u16,
}

/// How a request stands, as the ledger says.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    pub id: Uuid,
    pub status: &'static str,
    pub reason: Option<String>,
    pub attempt: i16,
}

/// By server: a test with a stack of its own has a template of its own.
static TEMPLATES: Mutex<BTreeMap<String, Arc<OnceCell<String>>>> = Mutex::new(BTreeMap::new());

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by `make test`"))
}

/// A database with all migrations, made once a process and copied for every test.
async fn template(server: &str) -> String {
    let name = format!("template_{}", postrider_clock::random_id().simple());
    let mut admin = PgConnection::connect(server).await.expect("postgres answers");
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}")))
        .execute(&mut admin)
        .await
        .expect("created");
    let pool = PgPool::connect(&in_database(server, &name)).await.expect("the template answers");
    Ledger::new(pool.clone()).migrate().await.expect("migrations apply");
    pool.close().await;
    name
}

fn in_database(server: &str, name: &str) -> String {
    let mut url = url::Url::parse(server).expect("DATABASE_URL is a URL");
    url.set_path(name);
    url.to_string()
}

/// A free port below the range from which the system, and the private stacks, take theirs.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 10_000 + (std::process::id() % 60) as u16 * 100;
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed) % 3_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl TestEnv {
    pub async fn new() -> TestEnv {
        TestEnv::on(&variable("DATABASE_URL"), &variable("AMQP_URL"), SimulatorConfig::default()).await
    }

    pub async fn with_simulator(simulator: SimulatorConfig) -> TestEnv {
        TestEnv::on(&variable("DATABASE_URL"), &variable("AMQP_URL"), simulator).await
    }

    /// A world on a certain stack.
    pub async fn on(server: &str, amqp_url: &str, simulator: SimulatorConfig) -> TestEnv {
        let cell = Arc::clone(
            TEMPLATES.lock().expect("no panic while locked").entry(server.to_owned()).or_default(),
        );
        let template = cell.get_or_init(|| template(server)).await;
        let name = format!("test_{}", postrider_clock::random_id().simple());
        let create = format!("create database {name} template {template}");
        wait::until("the database is copied", || async {
            let mut admin = PgConnection::connect(server).await.expect("postgres answers");
            sqlx::query(sqlx::AssertSqlSafe(create.clone())).execute(&mut admin).await.is_ok()
        })
        .await;
        let database_url = in_database(server, &name);
        let pool = PgPool::connect(&database_url).await.expect("the test's database answers");
        let simulator = Simulator::start(simulator).await.expect("the simulator starts");
        let keys = Arc::new(SecretKeys::derive(SECRET.as_bytes()));
        TestEnv {
            simulator,
            ledger: Ledger::new(pool.clone()),
            pool,
            keys,
            amqp_name: name,
            database_url,
            amqp_url: amqp_url.to_owned(),
            public_port: free_port(),
        }
    }

    pub fn providers(&self) -> Providers {
        Providers { http: self.simulator.http_addr, smtp: self.simulator.smtp_addr }
    }

    /// The standard company, changed by `change`.
    pub async fn company(&self, slug: &str, change: impl FnOnce(&mut Policy)) -> CompanyId {
        let mut policy = company::standard(slug, self.providers());
        change(&mut policy);
        self.apply(&policy, &[company::paul()]).await
    }

    pub async fn apply(&self, policy: &Policy, members: &[Member]) -> CompanyId {
        self.ledger.apply_company(policy, members, &self.keys.identity).await.expect("the company applies");
        self.ledger.company_id(&policy.slug).await.expect("asked").expect("the company is there")
    }

    /// Times compressed so that everything ends within a test.
    pub fn config(&self, more: &str) -> Config {
        Config::from_layers(&[&self.overrides(), more]).expect("the test's configuration is valid")
    }

    pub fn overrides(&self) -> String {
        format!(
            r#"
            secret = "{SECRET}"
            database.url = "{}"
            amqp.url = "{}"
            amqp.name = "{}"
            amqp.database_patience_secs = 3
            dispatch.http_timeout_secs = 2.0
            dispatch.smtp_timeout_secs = 2.0
            dispatch.connect_timeout_secs = 1.5
            dispatch.lease_margin_secs = 4.0
            dispatch.call_margin_secs = 0.5
            dispatch.claim_interval_ms = 50
            dispatch.sweep_interval_ms = 100
            retry.delays_secs = [0.2, 0.4, 0.6]
            retry.lane_delay_secs = 0.3
            retry.hint_max_secs = 1.0
            unknown.email_looks_secs = [0.5, 1.0, 2.0, 3.0]
            unknown.sms_looks_secs = [0.5, 1.5, 3.0]
            receipts.email_looks_secs = [20.0, 40.0]
            receipts.sms_looks_secs = [20.0, 40.0]
            breaker.open_secs = 0.2
            breaker.open_max_secs = 0.5
            companies.refresh_ms = 100
            recipes.poll_interval_ms = 100
            recipes.look_up_timeout_secs = 2.0
            recipes.delays_secs = [0.2]
            web.listen = "127.0.0.1:{}"
            web.public_base_url = "http://127.0.0.1:{}"
            web.private_listen = "127.0.0.1:0"
            shutdown.deadline_secs = 10.0
            "#,
            self.database_url, self.amqp_url, self.amqp_name, self.public_port, self.public_port
        )
    }

    /// A worker in this process; the simulator's webhooks find it.
    pub async fn worker(&self) -> Worker {
        self.worker_with("").await
    }

    pub async fn worker_with(&self, more: &str) -> Worker {
        let worker = worker::start(self.config(more), false).await.expect("the worker starts");
        if let Some(public) = worker.public_addr {
            self.webhooks_to("blanca", &public.to_string());
        }
        worker
    }

    /// Points the simulator's account-wide webhooks at a worker, for one company.
    pub fn webhooks_to(&self, slug: &str, public: &str) {
        self.simulator.set_webhook_urls(
            Some(format!("http://{public}/webhooks/mailgun/{slug}-mailgun/events")),
            Some(format!("http://{public}/webhooks/twilio/{slug}-twilio/inbound")),
        );
    }

    /// Waits until a worker has a company's version.
    pub async fn worker_knows(&self, worker: &Worker, slug: &str, version: i32) {
        let directory = worker.acceptor.as_ref().expect("this worker takes jobs").company_cache.clone();
        wait::until("the worker follows the company", || async {
            directory.snapshot().company(slug).is_some_and(|company| company.version >= version)
        })
        .await;
    }

    /// A producer; a worker must have declared the exchange.
    pub async fn producer(&self) -> Producer {
        Producer::connect(&self.amqp_url, &self.amqp_name).await
    }

    /// Publishes one job for the standard company once the exchange is there.
    pub async fn publish(&self, body: &serde_json::Value) {
        self.publish_to("requests.blanca", None, body.to_string().as_bytes()).await;
    }

    pub async fn publish_to(&self, routing_key: &str, message_id: Option<&str>, body: &[u8]) {
        self.consuming().await;
        let producer = self.producer().await;
        assert!(producer.publish(routing_key, message_id, body).await, "the job is routed");
    }

    /// Waits until a worker has declared the topology.
    pub async fn consuming(&self) {
        let url = self.amqp_url.clone();
        let queue = format!("{}.requests", self.amqp_name);
        wait::until("a worker consumes", || async {
            let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await;
            let Ok(connection) = connection else { return false };
            let Ok(channel) = connection.create_channel().await else { return false };
            let passive = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
            let found = channel.queue_declare(queue.as_str().into(), passive, Default::default()).await;
            let consuming = found.is_ok_and(|queue| queue.consumer_count() > 0);
            drop(connection.close(200, "looked".into()).await);
            consuming
        })
        .await;
    }

    /// Messages that wait in one of this world's queues (`requests`, `parked`); to ask often, keep a `Look`.
    pub async fn ready(&self, queue: &str) -> u32 {
        self.look().await.ready(queue).await
    }

    pub async fn look(&self) -> Look {
        Look::at(&self.amqp_url, &self.amqp_name).await
    }

    /// All requests, oldest first.
    pub async fn standings(&self) -> Vec<Standing> {
        let rows: Vec<(Uuid, i16, Option<String>, i16)> = sqlx::query_as(
            "select r.id, m.state, m.reason, m.attempt from request r join message m on m.id = r.id order by r.id",
        )
        .fetch_all(&self.pool)
        .await
        .expect("the ledger answers");
        rows.into_iter()
            .map(|(id, state, reason, attempt)| {
                let state = postrider_domain::lifecycle::State::from_code(state).expect("a known state");
                Standing { id, status: state.status().as_str(), reason, attempt }
            })
            .collect()
    }

    /// Waits until there are `count` requests and each has the status.
    pub async fn all_are(&self, count: usize, status: &str) -> Vec<Standing> {
        self.all_within(count, status, wait::TIMEOUT).await
    }

    /// The same with another patience.
    pub async fn all_within(&self, count: usize, status: &str, patience: Duration) -> Vec<Standing> {
        wait::until_some_within(patience, &format!("{count} requests are {status}"), || async {
            let standings = self.standings().await;
            (standings.len() == count && standings.iter().all(|one| one.status == status))
                .then_some(standings)
        })
        .await
    }

    /// Waits until there are `count` requests and none is on its way any more.
    pub async fn all_ended(&self, count: usize, patience: Duration) -> Vec<Standing> {
        wait::until_some_within(patience, &format!("{count} requests have ended"), || async {
            let standings = self.standings().await;
            let ended = |one: &Standing| !matches!(one.status, "queued" | "sent");
            (standings.len() == count && standings.iter().all(ended)).then_some(standings)
        })
        .await
    }

    /// Waits until that many rejected jobs are kept; gives their problems' codes.
    pub async fn rejected(&self, count: usize) -> Vec<String> {
        wait::until_some(&format!("{count} jobs are rejected"), || async {
            let rows: Vec<(String,)> =
                sqlx::query_as("select problems->0->>'code' from rejected_job order by received_at, id")
                    .fetch_all(&self.pool)
                    .await
                    .expect("the ledger answers");
            (rows.len() == count).then(|| rows.into_iter().map(|row| row.0).collect())
        })
        .await
    }

    /// Ends a test: the worker stops in time and leaves nothing begun.
    pub async fn nothing_left(&self, worker: Worker) {
        assert!(worker.stop().await, "the worker ends within its deadline");
        self.nothing_begun().await;
    }

    /// Fails if a lease or a begun message is left after the last worker's end.
    pub async fn nothing_begun(&self) {
        let (leases,): (i64,) =
            sqlx::query_as("select count(*) from lease").fetch_one(&self.pool).await.expect("asked");
        let (sending,): (i64,) =
            sqlx::query_as(with_states("select count(*) from message where state = {Sending}"))
                .fetch_one(&self.pool)
                .await
                .expect("asked");
        assert_eq!((leases, sending), (0, 0), "leases and begun messages are settled");
    }
}
