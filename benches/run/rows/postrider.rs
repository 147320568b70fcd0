//! The row `postrider`: its release build with default settings, all rules on, one company, one account.
//!
//! The account's limits are as high as they go or, for calls at once, the same as the limit's.

use std::process::Command;

use anyhow::Context;
use postrider_domain::{company::Policy, hash_keys::SecretKeys, ids::Medium as OurMedium, lifecycle::State};
use postrider_ledger::Ledger;
use sqlx::PgPool;

use crate::{
    jobs::COMPANY,
    report::Goal,
    report::Medium,
    support::{
        company::{Providers, paul, standard},
        env::SECRET,
    },
    workspace::{MAILGUN_KEY, TWILIO_TOKEN, Workspace},
};

/// As the limit has.
const CALLS_MAX: u32 = 256;
/// More than this machine sends: what is measured is the worker and not a limit that its user set.
const RATE_PER_SEC_MAX: u32 = 100_000;

pub async fn prepare(site: &Workspace) -> anyhow::Result<()> {
    let pool = PgPool::connect(&site.database_url).await?;
    let ledger = Ledger::new(pool.clone());
    ledger.migrate().await?;
    let identity = SecretKeys::derive(SECRET.as_bytes()).identity;
    ledger.apply_company(&policy(site)?, &[paul()], &identity).await.context("apply the company")?;
    pool.close().await;
    Ok(())
}

fn policy(site: &Workspace) -> anyhow::Result<Policy> {
    let http = site.provider.parse().context("read the provider's address")?;
    let mut policy = standard(COMPANY, Providers { http, smtp: http });
    policy.medium_preference = match site.medium {
        Medium::Sms => vec![OurMedium::Sms],
        Medium::Email => vec![OurMedium::Email],
    };
    for account in &mut policy.accounts {
        account.concurrency = CALLS_MAX;
        account.rate_per_sec = RATE_PER_SEC_MAX;
    }
    Ok(policy)
}

pub fn programs(site: &Workspace) -> Vec<(String, Command)> {
    let mut command = site.command(&site.programs.join("postrider"));
    command
        .arg("run")
        .env("POSTRIDER_SECRET", SECRET)
        .env("POSTRIDER__AMQP__NAME", &site.name)
        .env("POSTRIDER__WEB__LISTEN", format!("127.0.0.1:{}", site.port))
        // One producer has all of it; only the entrances are about this.
        .env("POSTRIDER__API__CALLS_PER_SEC", RATE_PER_SEC_MAX.to_string())
        .env("POSTRIDER__API__CALLS_BURST", RATE_PER_SEC_MAX.to_string())
        .env("POSTRIDER__WEB__PRIVATE_LISTEN", format!("127.0.0.1:{}", site.private_port))
        .env("POSTRIDER__WEB__PUBLIC_BASE_URL", site.public_url())
        .env("POSTRIDER_SIMULATED_TWILIO", TWILIO_TOKEN)
        .env("POSTRIDER_SIMULATED_MAILGUN", MAILGUN_KEY)
        .env("POSTRIDER_SIMULATED_SIGNING", "simulated-mailgun-signing-key");
    vec![("postrider".to_owned(), command)]
}

pub fn reached(goal: Goal) -> String {
    let (sent, delivered) = (State::Sent.code(), State::Delivered.code());
    match goal {
        Goal::Sent => format!("message where state in ({sent}, {delivered})"),
        Goal::Delivered => format!("message where state = {delivered}"),
    }
}
