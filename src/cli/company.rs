//! `postrider company`: applies a company's file, and shows the settings in force.
//!
//! Apply is idempotent. It validates everything before it writes, prints the changes, writes only those, and refuses to
//! remove accounts and brands that queued messages need unless `--force` is given. Workers follow within seconds.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::cli::{
    input, lookup,
    output::{self, Table},
};
use crate::{config::Config, worker};
use postrider_domain::company::{
    change::{changes, member_changes, removals},
    file::{self, CompanyFile},
};
use postrider_ledger::{
    Ledger,
    audit::Actor,
    companies::{Change, Changed, Expected},
};

/// Apply and show the settings of companies.
#[derive(Debug, clap::Subcommand)]
pub enum Company {
    /// Apply a company's file, after checking it.
    Apply {
        /// The company's TOML file; deploy/example-company.toml shows every key.
        file: PathBuf,
        /// Remove accounts and brands even if queued messages need them.
        #[arg(long)]
        force: bool,
        /// Only print the changes; nothing is written.
        #[arg(long)]
        dry_run: bool,
    },
    /// List the companies with their versions.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the settings of one company as JSON.
    Show {
        /// The company's slug.
        slug: String,
    },
}

impl Company {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = lookup::ledger(&config).await?;
        match self {
            Company::Apply { file, force, dry_run } => apply(&config, &ledger, &file, force, dry_run).await,
            Company::List { json } => list(&ledger, json).await,
            Company::Show { slug } => show(&ledger, &slug).await,
        }
    }
}

/// Parses a company's file; the error lists every problem by its path.
pub(super) fn read(file: &Path) -> anyhow::Result<CompanyFile> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    file::parse(&text).map_err(|problems| {
        input::problems(&format!("{} is not valid; nothing was changed", file.display()), &problems)
    })
}

async fn apply(
    config: &Config,
    ledger: &Ledger,
    path: &Path,
    force: bool,
    dry_run: bool,
) -> anyhow::Result<()> {
    let new = read(path)?;
    let keys = worker::keys(config)?;
    let slug = &new.policy.slug;
    let id = ledger.company_id(slug).await?;
    let old = match id {
        Some(id) => ledger.settings(id).await?,
        None => None,
    };
    let mut changed = changes(old.as_ref().map(|(_, policy)| policy), &new.policy);
    // Read after the version: a change of members in between is detected when this is written.
    let members = match id {
        Some(id) => ledger.members(id).await?,
        None => Vec::new(),
    };
    changed.extend(member_changes(&members, &new.members));
    if let Some((version, _)) = old.as_ref().filter(|_| changed.is_empty()) {
        return output::put(&format!("{slug}: nothing changed; version {} stays in force\n", version.policy));
    }
    if let (Some(id), Some((_, policy)), false) = (id, &old, force) {
        let needs = ledger.queued_use(id).await?.needs(&removals(Some(policy), &new.policy));
        if !needs.is_empty() {
            bail!(
                "{slug}: nothing was changed, because queued messages need what this removes:\n  {}\n\
                 wait for them, or pass --force",
                needs.join("\n  ")
            );
        }
    }
    let lines: Vec<String> = changed.iter().map(|line| format!("{slug}: {line}\n")).collect();
    output::put(&lines.concat())?;
    if dry_run {
        return output::put(&format!("{slug}: dry run, nothing was changed\n"));
    }
    let actor = Actor::at_the_command_line();
    let members = Some(new.members.as_slice());
    let expected = old.map_or(Expected::Any, |(version, _)| Expected::Both(version));
    let change = Change { policy: &new.policy, members, expected, actor: &actor };
    match ledger.change_company(&change, &keys.identity).await.context("apply the company")? {
        Changed::InForce(version) => {
            output::put(&format!("{slug}: version {} is in force\n", version.policy))
        }
        Changed::Overtaken(_) => bail!(
            "{slug}: the company was changed at the same time; nothing was changed; apply the file again to see \
             the differences"
        ),
    }
}

async fn list(ledger: &Ledger, json: bool) -> anyhow::Result<()> {
    let companies = ledger.companies().await?;
    if json {
        let rows: Vec<_> = companies
            .iter()
            .map(|company| {
                serde_json::json!({
                    "slug": company.policy.slug, "name": company.policy.name, "version": company.version,
                    "brands": company.policy.brands.len(), "accounts": company.policy.accounts.len(),
                })
            })
            .collect();
        return output::json(&rows);
    }
    if companies.is_empty() {
        return output::put("no companies yet; apply one with `postrider company apply FILE.toml`\n");
    }
    let mut table = Table::new(["Slug", "Version", "Brands", "Accounts", "Name"]);
    for company in &companies {
        let policy = &company.policy;
        table.row([
            policy.slug.clone(),
            company.version.to_string(),
            policy.brands.len().to_string(),
            policy.accounts.len().to_string(),
            policy.name.clone(),
        ]);
    }
    table.print()
}

async fn show(ledger: &Ledger, slug: &str) -> anyhow::Result<()> {
    output::json(&lookup::company(ledger, slug).await?.policy)
}
