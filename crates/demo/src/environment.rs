//! The demo's environment: a database and a broker name of its own, simulated providers, companies, a worker.
//!
//! Times are compressed so that everything ends within seconds; nothing else differs from production:
//! companies are applied as the text that an operator writes, the worker is started as `postrider run`
//! starts it. `stop` removes everything that is built here. Next: `run`.

use std::{fmt::Write, time::Duration};

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};

use super::{
    database,
    jobs::{BUSY_COMPANY, Plan},
    publisher::Publisher,
    seeds,
};
use postrider::{config::Config, worker, worker::Worker};
use postrider_domain::{
    company::file,
    ids::{BlockKind, Medium},
};
use postrider_ledger::Ledger;
use postrider_provider_simulator::{Simulator, SimulatorConfig};

/// A published secret: the demo's database lives as long as the demo.
pub const SECRET: &str = "known-to-everybody-for-the-demo-only";
const CREDENTIALS: [(&str, &str); 4] = [
    ("POSTRIDER_SIMULATED_TWILIO", "simulated-twilio-auth-token"),
    ("POSTRIDER_SIMULATED_MAILGUN", "simulated-mailgun-api-key"),
    ("POSTRIDER_SIMULATED_SIGNING", "simulated-mailgun-signing-key"),
    ("POSTRIDER_SIMULATED_SMTP", "simulated-smtp-password"),
];
/// A component that does not stop in time ends with the process.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(5);
const DROP_TIMEOUT: Duration = Duration::from_secs(5);
const SMTP_USER: &str = "postrider";
const SENDER: &str = "+15005550006";

pub struct Environment {
    pub config: Config,
    pub ledger: Ledger,
    pub simulator: Simulator,
    pub worker: Worker,
    pub publisher: Publisher,
    /// The server's own database, from which ours was created and will be dropped.
    server: Config,
}

/// The result of `Environment::stop`.
#[derive(Debug, Clone, Copy)]
pub struct StopResult {
    /// The worker stopped within its deadline.
    pub in_time: bool,
    /// False: the server is still dropping the database.
    pub dropped: bool,
}

impl Environment {
    /// Builds the environment; after a failure everything built so far is removed.
    pub async fn start(server: Config) -> anyhow::Result<Environment> {
        check_credentials()?;
        if server.amqp.url.expose_secret().is_empty() {
            bail!("amqp.url is empty; set AMQP_URL, or run `make demo`, which starts a broker");
        }
        let name = format!("demo_{}", &postrider_clock::random_id().simple().to_string()[..12]);
        let url = database::create(&server.database, &name).await.context("make the demo's database")?;
        match build(&server, &name, &url).await {
            Ok(environment) => Ok(environment),
            Err(error) => {
                drop(database::drop(&server.database, &name).await);
                Err(error)
            }
        }
    }

    /// The demo's own name at the database and at the broker.
    pub fn name(&self) -> &str {
        &self.config.amqp.name
    }

    /// Blocks by hand and by the customers' own STOP, and tells the providers which numbers misbehave.
    pub async fn prepare(&self, plan: &Plan) -> anyhow::Result<()> {
        let company = self.ledger.company_id(BUSY_COMPANY).await?.context("the demo's company is there")?;
        let keys = worker::keys(&self.config)?;
        for address in &plan.blocked {
            let addr = keys.identity.address_hash(company, Medium::Email, address);
            self.ledger.block_address(addr, company, Medium::Email, BlockKind::Manual, "cli").await?;
        }
        for number in &plan.stopped {
            let answer = self.simulator.inbound_sms(number, SENDER, "STOP", None).await;
            if answer != Some(200) && answer != Some(204) {
                bail!("postrider answered {answer:?} to a customer's STOP");
            }
        }
        for (number, word) in &plan.faults {
            self.simulator.set_recipient_fault(number, word);
        }
        Ok(())
    }

    /// Ends everything and leaves nothing behind.
    pub async fn stop(self) -> anyhow::Result<StopResult> {
        let name = self.config.amqp.name.clone();
        let in_time = self.worker.stop().await;
        drop(tokio::time::timeout(CLEAN_UP_TIMEOUT, self.publisher.clean_up()).await);
        self.simulator.release_hung();
        drop(tokio::time::timeout(CLEAN_UP_TIMEOUT, self.simulator.shutdown()).await);
        self.ledger.close().await;
        // The server makes a checkpoint first, and completes the drop even if this process stops waiting.
        let dropping = database::drop(&self.server.database, &name);
        let dropped = match tokio::time::timeout(DROP_TIMEOUT, dropping).await {
            Ok(dropped) => dropped.map(|()| true)?,
            Err(_) => false,
        };
        Ok(StopResult { in_time, dropped })
    }
}

fn check_credentials() -> anyhow::Result<()> {
    let wrong = |(name, value): &&(&str, &str)| std::env::var(name).as_deref() != Ok(*value);
    let missing: Vec<String> =
        CREDENTIALS.iter().filter(wrong).map(|(name, value)| format!("  export {name}={value}")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "the simulated providers' credentials are not set (`cargo run` and `make demo` set them); first:\n{}",
        missing.join("\n")
    )
}

async fn build(server: &Config, name: &str, url: &SecretString) -> anyhow::Result<Environment> {
    let config = compressed(server, name, url)?;
    let ledger = worker::admin_ledger(&config)?;
    ledger.migrate().await.context("apply migrations")?;
    let simulator = SimulatorConfig {
        smtp_username: Some(SMTP_USER.to_owned()),
        smtp_password: Some(CREDENTIALS[3].1.to_owned()),
        ..SimulatorConfig::default()
    };
    let simulator = Simulator::start(simulator).await.context("start the simulated providers")?;
    let keys = worker::keys(&config)?;
    for slug in seeds::companies().into_iter().chain([BUSY_COMPANY.to_owned()]) {
        let text = company_text(&slug, &simulator)?;
        let file = file::parse(&text)
            .map_err(|problems| anyhow::anyhow!("the demo's company {slug} is not valid: {problems:?}"))?;
        ledger.apply_company(&file.policy, &file.members, &keys.identity).await.context("apply a company")?;
    }
    let publisher = Publisher::connect(&config.amqp).await.context("connect to the broker")?;
    let worker = match worker::start(config.clone(), false).await {
        Ok(worker) => worker,
        Err(error) => {
            publisher.clean_up().await;
            return Err(error.context("start the worker"));
        }
    };
    if let Some(public) = worker.public_addr {
        simulator.set_webhook_urls(
            Some(format!("http://{public}/webhooks/mailgun/{{label}}/events")),
            Some(format!("http://{public}/webhooks/twilio/{BUSY_COMPANY}-sms/inbound")),
        );
    }
    Ok(Environment { config, ledger, simulator, worker, publisher, server: server.clone() })
}

/// The default configuration with waits of a few seconds.
fn compressed(server: &Config, name: &str, url: &SecretString) -> anyhow::Result<Config> {
    let quoted = |secret: &SecretString| toml::Value::from(secret.expose_secret()).to_string();
    let overrides = format!(
        r#"
        secret = "{SECRET}"
        database.url = {}
        amqp.url = {}
        amqp.name = "{name}"
        dispatch.http_timeout_secs = 6.0
        dispatch.smtp_timeout_secs = 8.0
        dispatch.connect_timeout_secs = 2.0
        dispatch.lease_margin_secs = 4.0
        dispatch.call_margin_secs = 0.5
        dispatch.claim_interval_ms = 100
        dispatch.sweep_interval_ms = 200
        retry.delays_secs = [0.5, 1.0, 2.0]
        retry.tries_max = 4
        retry.hint_max_secs = 2.0
        retry.lane_delay_secs = 0.5
        unknown.email_looks_secs = [0.5, 1.5, 3.0, 4.0]
        unknown.sms_looks_secs = [0.5, 2.0, 4.0]
        receipts.email_looks_secs = [3.0, 6.0]
        receipts.sms_looks_secs = [3.0, 6.0]
        breaker.open_secs = 0.3
        breaker.open_max_secs = 1.0
        companies.refresh_ms = 500
        web.listen = "127.0.0.1:0"
        web.private_listen = "127.0.0.1:0"
        shutdown.deadline_secs = 10.0
        log.format = "text"
        log.level = "error"
        "#,
        quoted(url),
        quoted(&server.amqp.url),
    );
    Config::from_layers(&[&overrides]).context("make the demo's configuration")
}

/// A company's file as an operator writes it. The seeds' companies send all mail through Mailgun; the big
/// one has its second brand on the relay.
fn company_text(slug: &str, simulator: &Simulator) -> anyhow::Result<String> {
    let (http, relay) = (simulator.http_addr, simulator.smtp_addr);
    let gold_account = if slug == BUSY_COMPANY { "relay" } else { "mail" };
    let mut text = format!("slug = \"{slug}\"\nname = \"Blanca Peak\"\ndefault_brand = \"blanca\"\n");
    for (label, name, account) in
        [("blanca", "Blanca Peak", "mail"), ("blancagold", "Blanca Gold", gold_account)]
    {
        write!(
            text,
            r#"
            [[brands]]
            label = "{label}"
            name = "{name}"
            survey_url = "https://survey.blancapeak.example/{{request}}"
            email_from = "feedback@blancapeak.example"
            postal_address = "1 Summit Road, Blanca Peak"
            email_account = "{slug}-{account}"
            sms_account = "{slug}-sms"
            "#
        )?;
    }
    for channel in ["phone", "chat", "email"] {
        write!(text, "\n[[channels]]\nname = \"{channel}\"\n")?;
    }
    write!(
        text,
        r#"
        [[members]]
        email = "paulagent@blancapeak.com"
        custom_id = "ABC789"
        name = "Paul Agent"

        [[accounts]]
        id = "{slug}-mail"
        provider = "mailgun"
        base_url = "http://{http}"
        domain = "{slug}-mail.blancapeak.example"
        api_key_env = "POSTRIDER_SIMULATED_MAILGUN"
        signing_key_env = "POSTRIDER_SIMULATED_SIGNING"

        [[accounts]]
        id = "{slug}-sms"
        provider = "twilio"
        base_url = "http://{http}"
        account_sid = "AC00000000000000000000000000000001"
        auth_token_env = "POSTRIDER_SIMULATED_TWILIO"
        from = "{SENDER}"

        [[accounts]]
        id = "{slug}-relay"
        provider = "smtp"
        host = "{}"
        port = {}
        tls = "none"
        username = "{SMTP_USER}"
        password_env = "POSTRIDER_SIMULATED_SMTP"
        domain = "blancapeak.example"
        "#,
        relay.ip(),
        relay.port(),
    )?;
    Ok(text)
}

/// Whether the account reports receipts: a relay sends none.
pub fn has_receipts(account: Option<&str>) -> bool {
    account.is_some_and(|account| !account.ends_with("-relay"))
}
