//! The environment of a run: its own Postgres and RabbitMQ, simulated providers as judges, a fleet of worker
//! processes, and the connections between them that faults are injected into.
//!
//! The simulators run in this process and never die: what they accepted is what was sent. `guard` ends
//! everything else whatever happens to this process.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration, time::Instant};

use anyhow::Context;
use postrider::config::Config;
use postrider_domain::{
    company::Policy,
    ids::{CompanyId, Medium},
};
use postrider_provider_simulator::{Behaviour, SimulatorConfig};

use crate::{
    answers::Answers,
    arguments::Arguments,
    balancer::Balancer,
    fleet::{Fleet, Recipe},
    guard::{self, Guard},
    plan::{Lane, Plan},
    support::{TestEnv, company, process, sql::with_states, stack::Stack, wait::elapse},
};

/// Fewer call slots than usual: calls in flight at a kill end with an unknown outcome.
const CONCURRENCY: u32 = 24;
/// A lease in `TestEnv::overrides`: the longest call and the margin.
pub const LEASE: Duration = Duration::from_secs(6);

const DATABASE_BACK_WITHIN: Duration = Duration::from_secs(120);

/// Beside `TestEnv::overrides`.
const SETTINGS: &str = r#"
amqp.prefetch = 80
amqp.batch_max = 40
# Lost receipts are asked for within the run.
receipts.email_looks_secs = [5.0, 15.0, 45.0]
receipts.sms_looks_secs = [5.0, 15.0, 45.0]
# A probe of a provider that is away can cost its message: not many of them.
breaker.open_secs = 0.5
breaker.open_max_secs = 8.0
log.level = "warn"
log.format = "text"
"#;

/// Every change of a message, in the order in which they were made.
const HISTORY: &str = r#"
create table torture_move (
    number bigint primary key generated always as identity,
    message uuid not null,
    previous_state smallint not null,
    state smallint not null,
    epoch_was int not null,
    epoch int not null,
    -- The worker that begins an attempt.
    worker uuid
);
create function torture_note() returns trigger language plpgsql as $$
begin
    insert into torture_move (message, previous_state, state, epoch_was, epoch, worker)
    values (new.id, coalesce(old.state, {Waiting}), new.state, coalesce(old.epoch, new.epoch), new.epoch, case when new.state = {Sending} then (
        select l.worker from lease l where l.messages @> array[new.id] and exists (
            select from unnest(l.messages, l.epochs) e(id, epoch) where e.id = new.id and e.epoch = new.epoch)
        limit 1) end);
    return null;
end $$;
create trigger torture_note after update on message for each row
when (old.state is distinct from new.state or new.epoch < old.epoch) execute function torture_note();
-- Begun with its acceptance.
create trigger torture_note_new after insert on message for each row
when (new.state = {Sending}) execute function torture_note();
"#;

/// A run's world.
pub struct World {
    pub arguments: Arguments,
    pub plan: Plan,
    pub env: TestEnv,
    pub stack: Arc<Stack>,
    pub config: Config,
    pub fleet: Arc<Fleet>,
    pub answers: Answers,
    pub companies: BTreeMap<Lane, CompanyId>,
    pub http: reqwest::Client,
    pub folder: PathBuf,
    pub started: Instant,
    _balancer: Balancer,
    // Last: it ends what the others have left.
    _guard: Guard,
}

impl World {
    pub async fn build(arguments: Arguments, seed: u64) -> anyhow::Result<Arc<World>> {
        let stack = tokio::task::spawn_blocking(|| Stack::start("torture")).await?;
        let folder = std::env::temp_dir().join(format!("postrider-torture-{}", std::process::id()));
        let guard = Guard::start(&folder, &stack.folder).context("start the guard")?;
        let simulator = SimulatorConfig { behaviour: unhurried(seed), ..SimulatorConfig::default() };
        let env = TestEnv::on(&stack.database_url, &stack.amqp_url, simulator).await;
        sqlx::raw_sql(with_states(HISTORY)).execute(&env.pool).await.context("prepare the history")?;
        env.simulator.set_webhook_urls(
            Some(format!("http://127.0.0.1:{}/webhooks/mailgun/mail-mailgun/events", env.public_port)),
            Some(format!("http://127.0.0.1:{}/webhooks/twilio/text-twilio/inbound", env.public_port)),
        );
        let mut companies = BTreeMap::new();
        for lane in Lane::ALL {
            let policy = policy(&env, lane, arguments.resend_if_absent);
            companies.insert(lane, env.apply(&policy, &[company::paul()]).await);
        }
        let plan = Plan::new(seed, arguments.requests, arguments.publishers, arguments.emphasis);
        for (phone, word) in plan.magic_phones() {
            env.simulator.set_recipient_fault(&phone, word);
        }
        let database: url::Url = stack.database_url.parse()?;
        let port = database.port().context("the stack's Postgres has a port")?;
        let answers = Answers::start(SocketAddr::from(([127, 0, 0, 1], port))).await?;
        let recipe = recipe(&arguments, &env, &answers, folder.clone(), seed)?;
        let fleet = Fleet::start(recipe, arguments.workers);
        let public = SocketAddr::from(([127, 0, 0, 1], env.public_port));
        let balancer = Balancer::start(public, Arc::clone(&fleet)).await.context("start the balancer")?;
        Ok(Arc::new(World {
            config: env.config(""),
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?,
            arguments,
            plan,
            env,
            stack: Arc::new(stack),
            fleet,
            answers,
            companies,
            folder,
            started: postrider_clock::monotonic(),
            _balancer: balancer,
            _guard: guard,
        }))
    }

    pub fn company(&self, lane: Lane) -> CompanyId {
        self.companies[&lane]
    }

    /// The key under which a person's address is blocked.
    pub fn block_key(&self, lane: Lane, person: u32) -> uuid::Uuid {
        let address = self.plan.address(lane, person);
        self.env.keys.identity.address_hash(self.company(lane), medium(lane), &address)
    }

    /// Runs a command of the private stack.
    pub async fn tell(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let stack = Arc::clone(&self.stack);
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        let told = tokio::task::spawn_blocking(move || {
            stack.tell(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        });
        told.await.context("the stack's script failed")
    }

    /// Keeps the workers' logs after the end.
    pub fn keep_logs(&self) {
        drop(guard::keep(&self.folder, true));
    }

    /// How many messages the providers have accepted.
    pub async fn accepted_count(&self) -> usize {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let look = |accepted: &[postrider_provider_simulator::Accepted]| {
            count.store(accepted.len(), std::sync::atomic::Ordering::Relaxed);
            true
        };
        self.env.simulator.wait_until(look, Duration::from_secs(5)).await;
        count.into_inner()
    }

    /// Asks the database until it answers; it may be away for a while, and not for ever.
    pub async fn ask<T>(&self, query: &'static str) -> anyhow::Result<T>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
    {
        let since = postrider_clock::monotonic();
        loop {
            match sqlx::query_as(with_states(query)).fetch_one(&self.env.pool).await {
                Ok(row) => return Ok(row),
                Err(error) if postrider_clock::monotonic() - since > DATABASE_BACK_WITHIN => {
                    return Err(error).context("the database did not come back");
                }
                Err(_) => elapse(Duration::from_millis(100)).await,
            }
        }
    }
}

pub fn medium(lane: Lane) -> Medium {
    match lane {
        Lane::Text => Medium::Sms,
        Lane::Mail | Lane::Relay => Medium::Email,
    }
}

/// Providers on a good day.
pub fn unhurried(seed: u64) -> Behaviour {
    let millis = Duration::from_millis;
    Behaviour {
        latency: (millis(1), millis(30)),
        slow: millis(1_200),
        webhook_delay: (millis(2), millis(60)),
        webhook_late: Duration::from_secs(5),
        raw_bytes_max: 0,
        seed,
        ..Behaviour::default()
    }
}

fn policy(env: &TestEnv, lane: Lane, resend_if_absent: bool) -> Policy {
    let (slug, providers) = (lane.slug(), env.providers());
    let mut account = match lane {
        Lane::Mail => company::mailgun(slug, providers.http),
        Lane::Text => company::twilio(slug, providers.http),
        Lane::Relay => company::smtp(slug, providers.smtp),
    };
    account.concurrency = CONCURRENCY;
    Policy {
        accounts: vec![account],
        medium_preference: vec![medium(lane)],
        resend_if_absent,
        ..company::standard(slug, providers)
    }
}

fn recipe(
    arguments: &Arguments,
    env: &TestEnv,
    answers: &Answers,
    folder: PathBuf,
    seed: u64,
) -> anyhow::Result<Recipe> {
    let config = folder.join("postrider.toml");
    std::fs::write(&config, process::settings(env, SETTINGS)).context("write the configuration")?;
    let mut database: url::Url = env.database_url.parse()?;
    let _ = database.set_port(Some(answers.address.port()));
    let secrets = [
        ("POSTRIDER_SIMULATED_TWILIO", crate::support::webhook::TWILIO_KEY),
        ("POSTRIDER_SIMULATED_MAILGUN", "simulated-mailgun-api-key"),
        ("POSTRIDER_SIMULATED_SIGNING", crate::support::webhook::MAILGUN_KEY),
    ];
    let mut environment: Vec<(String, String)> =
        secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    environment.push(("DATABASE_URL".to_owned(), database.to_string()));
    environment.push(("AMQP_URL".to_owned(), env.amqp_url.clone()));
    environment.push(("RUST_BACKTRACE".to_owned(), "0".to_owned()));
    let built = PathBuf::from(env!("CARGO_BIN_EXE_postrider"));
    let binary = arguments.worker.clone().unwrap_or(built);
    Ok(Recipe { binary, config, folder, environment, seed })
}
