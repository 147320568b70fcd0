//! `postrider key`: make, list and revoke the keys of the HTTP entrance.
//!
//! A key is shown once, when it is made: only its hash is kept. A revoked key is refused by every worker
//! within seconds. Who made or revoked it is on record, as with every other setting.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use crate::cli::output::{self, Table, time};
use crate::{
    api::key::{self, Scope},
    config::Config,
    worker,
};
use postrider_ledger::{Ledger, audit::Actor};

const LIST_MAX: i64 = 1_000;
const NAME_CHARS_MAX: usize = 100;

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key and show it, once.
    Create(CreateKey),
    /// List keys, the newest first; never the keys themselves.
    List {
        /// Only this company's.
        company: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// End a key for good, within seconds.
    Revoke {
        /// The key's prefix, as listed.
        prefix: String,
    },
}

#[derive(Debug, Args)]
pub struct CreateKey {
    /// Slug of the company that it speaks for.
    company: String,
    /// Who or what will use it; records name it.
    name: String,
    /// A test key: its requests never reach a customer.
    #[arg(long)]
    test: bool,
    /// What it may do.
    #[arg(long = "scope", value_enum, value_delimiter = ',', default_values = ["send", "read"])]
    scopes: Vec<Scope>,
    /// Print JSON, the key in it.
    #[arg(long)]
    json: bool,
}

impl Key {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = worker::admin_ledger(&config)?;
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
            bail!("give the key a name of at most {NAME_CHARS_MAX} characters, on one line");
        }
        let company = company_id(ledger, &self.company).await?;
        let made = key::generate(!self.test);
        let key = made.to_row(company, name, &self.scopes);
        ledger.add_key(&key, &Actor::at_the_command_line()).await.context("keep the key")?;
        if self.json {
            return output::json(&serde_json::json!({
                "key": made.as_text(), "id": key.id, "company": self.company, "name": key.name,
                "prefix": key.prefix, "live": key.live, "scopes": key.scopes,
            }));
        }
        eprintln!("This is shown once; only its hash is kept:");
        output::put(&format!("{}\n", made.as_text()))
    }
}

async fn list(ledger: &Ledger, company: Option<&str>, json: bool) -> anyhow::Result<()> {
    let company = match company {
        Some(slug) => Some(company_id(ledger, slug).await?),
        None => None,
    };
    let keys = ledger.keys(company, LIST_MAX).await?;
    if json {
        return output::json(&keys);
    }
    if keys.is_empty() {
        return output::put("no keys; make one with `postrider key create COMPANY NAME`\n");
    }
    let mut table =
        Table::new(["PREFIX", "COMPANY", "KIND", "SCOPES", "MADE", "LAST USED", "REVOKED", "NAME"]);
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
    output::put(&table.render(output::colour()))
}

async fn revoke(ledger: &Ledger, prefix: &str) -> anyhow::Result<()> {
    // Somebody may paste the key itself.
    let prefix = key::prefix(prefix).unwrap_or(prefix);
    if !ledger.revoke_key(prefix, &Actor::at_the_command_line()).await? {
        bail!("no key with this prefix is good; `postrider key list` shows all");
    }
    output::put(&format!("{prefix} is revoked; every worker refuses it within seconds\n"))
}

async fn company_id(ledger: &Ledger, slug: &str) -> anyhow::Result<postrider_domain::ids::CompanyId> {
    let company = ledger.company_id(slug).await?;
    company.with_context(|| format!("no company has the slug {slug}; `postrider company list` shows all"))
}
