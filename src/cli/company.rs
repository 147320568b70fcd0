//! `postrider company`: apply a company's file, and show what is in force.
//!
//! Apply is idempotent, validates everything before it writes anything, says what changed, writes only what
//! it said, and refuses to take away what queued messages need unless forced. Workers follow within seconds.

use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::cli::output;
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

/// Configure companies.
#[derive(Debug, clap::Subcommand)]
pub enum Company {
    /// Put a company's file in force.
    Apply {
        /// The company's TOML file; deploy/example-company.toml shows every key.
        file: PathBuf,
        /// Take away accounts and brands even while queued messages need them.
        #[arg(long)]
        force: bool,
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// List companies with the version in force.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Print the policy in force of one company, as JSON.
    Show {
        /// The company's slug.
        slug: String,
    },
}

impl Company {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = worker::admin_ledger(&config)?;
        match self {
            Company::Apply { file, force, dry_run } => apply(&config, &ledger, &file, force, dry_run).await,
            Company::List { json } => list(&ledger, json).await,
            Company::Show { slug } => show(&ledger, &slug).await,
        }
    }
}

/// Reads a company's file; the error lists every problem by its path.
pub fn read(file: &std::path::Path) -> anyhow::Result<CompanyFile> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    file::parse(&text).map_err(|problems| {
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("  {}: {}", problem.path, problem.message)).collect();
        anyhow::anyhow!("{} is not valid; nothing was changed:\n{}", file.display(), lines.join("\n"))
    })
}

async fn apply(
    config: &Config,
    ledger: &Ledger,
    path: &std::path::Path,
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
    let mut said = changes(old.as_ref().map(|(_, policy)| policy), &new.policy);
    // Read after the version: whoever changes them in between is noticed when this is written.
    let members = match id {
        Some(id) => ledger.members(id).await?,
        None => Vec::new(),
    };
    said.extend(member_changes(&members, &new.members));
    if let Some((version, _)) = old.as_ref().filter(|_| said.is_empty()) {
        return output::put(&format!("{slug}: nothing changed; version {} stays in force\n", version.policy));
    }
    if let (Some(id), Some((_, policy)), false) = (id, &old, force) {
        let needs = ledger.queued_use(id).await?.needs(&removals(Some(policy), &new.policy));
        if !needs.is_empty() {
            bail!(
                "{slug}: nothing was changed, because this takes away what is needed:\n  {}\n\
                 wait for them, or pass --force",
                needs.join("\n  ")
            );
        }
    }
    let lines: Vec<String> = said.iter().map(|line| format!("{slug}: {line}\n")).collect();
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
            "{slug}: somebody else changed it at the same time, and nothing of this was; apply it again to \
             see what differs now"
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
    let line = |company: &postrider_domain::company::Company| {
        format!("{}  version {}  {}\n", company.policy.slug, company.version, company.policy.name)
    };
    output::put(&companies.iter().map(line).collect::<String>())
}

async fn show(ledger: &Ledger, slug: &str) -> anyhow::Result<()> {
    let company = ledger.companies().await?.into_iter().find(|company| company.policy.slug == slug);
    let company = company
        .with_context(|| format!("no company has the slug {slug}; `postrider company list` shows all"))?;
    output::json(&company.policy)
}
