//! Companies: policies are append-only versioned documents; members and accounts are rows.
//!
//! `change_company` is the only writer of policies. It runs several statements in one transaction on a
//! detached connection and locks the company's row, so that a concurrent editor is told that it was
//! overtaken. Changes of single team members are in `members`.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};
use sqlx::{Connection, PgConnection};

use super::{
    Ledger, LedgerError,
    audit::{self, Actor},
    members::{self, members_difference},
};
use postrider_domain::{
    company::{
        Company, Member, Policy,
        change::Removals,
        difference::{difference, joined},
        json::document,
    },
    hash_keys::IdentityKey,
    ids::{AccountId, CompanyId},
};

/// Number of queued messages that need each account and each brand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueuedUse {
    pub by_account: BTreeMap<String, i64>,
    pub by_brand: BTreeMap<String, i64>,
}

impl QueuedUse {
    /// One line for each removed account or brand that queued messages need.
    #[must_use]
    pub fn needs(&self, lost: &Removals) -> Vec<String> {
        let accounts =
            lost.accounts.iter().filter_map(|name| Some(("account", name, self.by_account.get(name)?)));
        let brands = lost.brands.iter().filter_map(|name| Some(("brand", name, self.by_brand.get(name)?)));
        accounts
            .chain(brands)
            .map(|(kind, name, count)| format!("{kind} {name}: {count} queued messages need it"))
            .collect()
    }
}

/// Versions in force: of the policy, and the count of changes of team members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    pub policy: i32,
    pub members: i32,
}

/// The version that an editor started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Any version.
    Any,
    /// This policy version; team members may have changed.
    Policy(i32),
    Both(Version),
}

impl Expected {
    fn holds(self, found: Version) -> bool {
        match self {
            Expected::Any => true,
            Expected::Policy(version) => version == found.policy,
            Expected::Both(version) => version == found,
        }
    }
}

/// A checked change of a company.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    pub policy: &'a Policy,
    /// `None`: members stay.
    pub members: Option<&'a [Member]>,
    pub expected: Expected,
    pub actor: &'a Actor,
}

/// Result of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    InForce(Version),
    /// Another editor committed first; nothing was written.
    Overtaken(Version),
}

impl Ledger {
    /// Every company with its policy in force.
    pub async fn companies(&self) -> Result<Vec<Company>, LedgerError> {
        let rows = sqlx::query_file!("src/sql/companies.sql").fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                let numbers = row.account_ids.into_iter().map(AccountId);
                let account_ids: HashMap<String, AccountId> =
                    row.account_names.into_iter().zip(numbers).collect();
                let policy = stored_policy(row.document)?;
                Ok(Company { id: CompanyId(row.id), version: row.version, policy, account_ids })
            })
            .collect()
    }

    /// Sum of all policy versions: changes whenever any policy does, and is cheap to poll.
    pub async fn companies_version(&self) -> Result<i64, LedgerError> {
        let sum = sqlx::query_scalar!(r#"select coalesce(sum(version), 0) as "sum!" from company"#)
            .fetch_one(&self.pool)
            .await?;
        Ok(sum)
    }

    /// The id of a company by its slug.
    pub async fn company_id(&self, slug: &str) -> Result<Option<CompanyId>, LedgerError> {
        let id = sqlx::query_scalar!("select id from company where slug = $1", slug)
            .fetch_optional(&self.pool)
            .await?;
        Ok(id.map(CompanyId))
    }

    /// The policy in force, and both versions.
    pub async fn settings(&self, company: CompanyId) -> Result<Option<(Version, Policy)>, LedgerError> {
        let row = sqlx::query!(
            "select c.version, c.members_version, p.document
             from company c join policy p on p.company = c.id and p.version = c.version where c.id = $1",
            company.0
        )
        .fetch_optional(&self.pool)
        .await?;
        let settings =
            |version, members, document| Ok((Version { policy: version, members }, stored_policy(document)?));
        row.map(|row| settings(row.version, row.members_version, row.document)).transpose()
    }

    /// Accounts and brands that queued messages of a company need.
    pub async fn queued_use(&self, company: CompanyId) -> Result<QueuedUse, LedgerError> {
        let rows = sqlx::query_file!("src/sql/queued_use.sql", company.0).fetch_all(&self.pool).await?;
        let mut queued = QueuedUse::default();
        for row in rows {
            if let Some(account) = row.account {
                *queued.by_account.entry(account).or_default() += row.queued;
            }
            *queued.by_brand.entry(row.brand).or_default() += row.queued;
        }
        Ok(queued)
    }

    /// Applies a company for a program of the project; returns the policy's version.
    pub async fn apply_company(
        &self,
        policy: &Policy,
        members: &[Member],
        keys: &IdentityKey,
    ) -> Result<i32, LedgerError> {
        let change =
            Change { policy, members: Some(members), expected: Expected::Any, actor: &Actor::System };
        match self.change_company(&change, keys).await? {
            Changed::InForce(version) | Changed::Overtaken(version) => Ok(version.policy),
        }
    }

    /// Writes the differences: a policy version with its accounts, members, and the audit.
    pub async fn change_company(
        &self,
        change: &Change<'_>,
        keys: &IdentityKey,
    ) -> Result<Changed, LedgerError> {
        let mut connection = self.pool.detached().await?;
        let mut transaction = connection.begin().await?;
        let slug = &change.policy.slug;
        // A conditional insert: ON CONFLICT alone would use up an id of the identity column for every change.
        sqlx::query!(
            "insert into company (slug, version)
             select $1::text, 1 where not exists (select 1 from company where slug = $1::text)
             on conflict (slug) do nothing",
            slug
        )
        .execute(&mut *transaction)
        .await?;
        // Other editors wait for this lock; inserts that refer to the company do not.
        let row = sqlx::query!(
            "select id, version, members_version from company where slug = $1 for no key update",
            slug
        )
        .fetch_one(&mut *transaction)
        .await?;
        let company = CompanyId(row.id);
        let found = Version { policy: row.version, members: row.members_version };
        if !change.expected.holds(found) {
            return Ok(Changed::Overtaken(found));
        }
        let mut version = found;
        let mut changes = write_policy(&mut transaction, company, &mut version.policy, change.policy).await?;
        if let Some(new) = change.members {
            let old = members::locked(&mut transaction, company).await?;
            let differs = members_difference(&old, new);
            if !differs.is_empty() {
                version.members += 1;
                members::replace(&mut transaction, company, &old, new, keys).await?;
                changes = joined(changes, differs);
            }
        }
        if changes.is_empty() {
            return Ok(Changed::InForce(found));
        }
        sqlx::query!(
            "update company set version = $2, members_version = $3 where id = $1",
            company.0,
            version.policy,
            version.members
        )
        .execute(&mut *transaction)
        .await?;
        let (actor, action) = (change.actor, "company.change");
        let entry = audit::Entry { company, actor, action, object: None, changes, reason: None };
        audit::write(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(Changed::InForce(version))
    }
}

/// Writes the policy as the next version if it differs; returns the difference.
async fn write_policy(
    transaction: &mut PgConnection,
    company: CompanyId,
    version: &mut i32,
    policy: &Policy,
) -> Result<Map<String, Value>, LedgerError> {
    let old = sqlx::query_scalar!(
        "select document from policy where company = $1 and version = $2",
        company.0,
        *version
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let before = match &old {
        Some(old) => document(&stored_policy(old.clone())?, None),
        None => Value::Object(Map::new()),
    };
    let stored = serde_json::to_value(policy).expect("a policy is plain data");
    let changes = difference(&before, &document(policy, None));
    if changes.is_empty() {
        return Ok(changes);
    }
    *version += i32::from(old.is_some());
    sqlx::query!(
        "insert into policy (company, version, document) values ($1, $2, $3)",
        company.0,
        *version,
        stored
    )
    .execute(&mut *transaction)
    .await?;
    write_accounts(transaction, company, policy).await?;
    super::connectors::claim(transaction, company, policy).await?;
    Ok(changes)
}

async fn write_accounts(
    transaction: &mut PgConnection,
    company: CompanyId,
    policy: &Policy,
) -> Result<(), LedgerError> {
    let names: Vec<String> = policy.accounts.iter().map(|account| account.id.clone()).collect();
    sqlx::query!("update account set retired = not (name = any($2)) where company = $1", company.0, &names)
        .execute(&mut *transaction)
        .await?;
    let foreign = sqlx::query_scalar!(
        "select name from account where name = any($2) and company <> $1 limit 1",
        company.0,
        &names
    )
    .fetch_optional(&mut *transaction)
    .await?;
    if let Some(name) = foreign {
        return Err(LedgerError::Taken(format!("account id {name} (another company has it)")));
    }
    sqlx::query!(
        "insert into account (company, name) select $1, n from unnest($2::text[]) n on conflict (name) do nothing",
        company.0,
        &names
    )
    .execute(&mut *transaction)
    .await?;
    Ok(())
}

fn stored_policy(document: Value) -> Result<Policy, LedgerError> {
    serde_json::from_value(document)
        .map_err(|error| LedgerError::Broken(format!("a policy document is unreadable: {error}")))
}
