//! `postrider key`: creates, lists and revokes API keys.
//!
//! A key is printed once, when it is created: only its hash is stored. Every worker refuses a revoked key within
//! seconds. Each change is recorded with its user, as for every other setting.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use crate::cli::{
    lookup,
    output::{self, Table, time},
};
use crate::{
    api::key::{self, Scope},
    config::Config,
};
use postrider_ledger::{Ledger, audit::Actor};

const LIST_MAX: i64 = 1_000;
const NAME_CHARS_MAX: usize = 100;

/// Create, list and revoke API keys.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Create a key and print it, once.
    Create(CreateKey),
    /// List keys, newest first, without their secrets.
    List {
        /// Only keys of the company with this slug.
        company: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key permanently, within seconds.
    Revoke {
        /// The prefix of the key, as listed.
        prefix: String,
    },
}

/// Create a key and print it, once.
#[derive(Debug, Args)]
pub struct CreateKey {
    /// The company's slug.
    company: String,
    /// Name of the program or person that uses the key; audit entries show it.
    name: String,
    /// Create a test key: its requests never reach a customer.
    #[arg(long)]
    test: bool,
    /// Permissions of the key, separated by commas.
    #[arg(long = "scope", value_enum, value_delimiter = ',', default_values = ["send", "read"])]
    scopes: Vec<Scope>,
    /// Print JSON, with the key.
    #[arg(long)]
    json: bool,
}

impl Key {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = lookup::ledger(&config).await?;
        match self {
            Key::Create(create) => create.run(&ledger).await,
            Key::List { company, json } => list(&ledger, company.as_deref(), json).await,
            Key::Revoke { prefix } => revoke(&ledger, &prefix).await,
        }
    }
}

impl CreateKey {
    async fn run(self, ledger: &Ledger) -> anyhow::Result<()> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            bail!("give the key a name of 1 to {NAME_CHARS_MAX} characters on one line");
        }
        let company = lookup::company_id(ledger, &self.company).await?;
        let made = key::generate(!self.test);
        let key = made.to_row(company, name, &self.scopes);
        ledger.add_key(&key, &Actor::at_the_command_line()).await.context("store the key")?;
        if self.json {
            return output::json(&serde_json::json!({
                "key": made.as_text(), "id": key.id, "company": self.company, "name": key.name,
                "prefix": key.prefix, "live": key.live, "scopes": key.scopes,
            }));
        }
        eprintln!("The key is printed once; only its hash is stored:");
        output::put(&format!("{}\n", made.as_text()))
    }
}

async fn list(ledger: &Ledger, company: Option<&str>, json: bool) -> anyhow::Result<()> {
    let company = lookup::optional_company_id(ledger, company).await?;
    let keys = ledger.keys(company, LIST_MAX).await?;
    if json {
        return output::json(&keys);
    }
    if keys.is_empty() {
        return output::put("no keys; create one with `postrider key create COMPANY NAME`\n");
    }
    let mut table =
        Table::new(["Prefix", "Company", "Kind", "Scopes", "Created", "Last used", "Revoked", "Name"]);
    for key in keys {
        let kind = if key.live { "live" } else { "test" };
        table.row([
            key.prefix,
            key.company,
            kind.to_owned(),
            key.scopes.join(","),
            time(key.created_at),
            key.last_used_at.map(time).unwrap_or_default(),
            key.revoked_at.map(time).unwrap_or_default(),
            key.name,
        ]);
    }
    table.print()
}

async fn revoke(ledger: &Ledger, prefix: &str) -> anyhow::Result<()> {
    // A complete key is accepted as well.
    let prefix = key::prefix(prefix).unwrap_or(prefix);
    if !ledger.revoke_key(prefix, &Actor::at_the_command_line()).await? {
        bail!("no valid key has this prefix; `postrider key list` shows all keys");
    }
    output::put(&format!("{prefix} is revoked; every worker refuses it within seconds\n"))
}
