//! Companies: policies are append-only versioned documents, members and accounts are rows.
//!
//! `apply` is the one writer and the one place with a transaction of several statements: an operator
//! waits for it, no customer does.

use std::collections::{BTreeMap, HashMap};

use sqlx::Connection;
use uuid::Uuid;

use super::{Ledger, LedgerError};
use crate::{
    clock,
    company::{Company, Member, Policy, Role},
    message::{AccountId, CompanyId, keys::IdentityKey},
};

/// How many queued messages still need an account or a brand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueuedUse {
    pub by_account: BTreeMap<String, i64>,
    pub by_brand: BTreeMap<String, i64>,
}

/// A team member as a job names them.
#[derive(Debug, Clone)]
pub struct ListedMember {
    pub email_key: Uuid,
    pub custom_key: Option<Uuid>,
    pub role: Role,
}

impl Ledger {
    /// Every company at its current version.
    pub async fn companies(&self) -> Result<Vec<Company>, LedgerError> {
        let rows = sqlx::query_file!("src/ledger/sql/companies.sql").fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                let policy: Policy = serde_json::from_value(row.document).map_err(|error| {
                    LedgerError::Broken(format!("a policy document is unreadable: {error}"))
                })?;
                let numbers = row.account_ids.into_iter().map(AccountId);
                let account_ids: HashMap<String, AccountId> =
                    row.account_names.into_iter().zip(numbers).collect();
                Ok(Company { id: CompanyId(row.id), version: row.version, policy, account_ids })
            })
            .collect()
    }

    /// A number that changes whenever any company does; cheap to ask every few seconds.
    pub async fn companies_version(&self) -> Result<i64, LedgerError> {
        let sum = sqlx::query_scalar!(r#"select coalesce(sum(version), 0) as "sum!" from company"#)
            .fetch_one(&self.pool)
            .await?;
        Ok(sum)
    }

    pub async fn company_id(&self, slug: &str) -> Result<Option<CompanyId>, LedgerError> {
        let id = sqlx::query_scalar!("select id from company where slug = $1", slug)
            .fetch_optional(&self.pool)
            .await?;
        Ok(id.map(CompanyId))
    }

    pub async fn members(&self, company: CompanyId) -> Result<Vec<Member>, LedgerError> {
        let rows = sqlx::query!(
            "select email, custom_id, name, role, approved from member where company = $1 order by email, custom_id",
            company.0
        )
        .map(|row| Member {
            email: row.email,
            custom_id: row.custom_id,
            name: row.name,
            role: row.role.as_deref().and_then(Role::from_word).unwrap_or(Role::Member),
            approved: row.approved,
        })
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Team members by the keys of their email addresses.
    pub async fn listed_members(&self, email_keys: &[Uuid]) -> Result<Vec<ListedMember>, LedgerError> {
        let rows = sqlx::query_file!("src/ledger/sql/listed_members.sql", email_keys)
            .map(|row| ListedMember {
                email_key: row.email_key,
                custom_key: row.custom_key,
                role: row.role.as_deref().and_then(Role::from_word).unwrap_or(Role::Member),
            })
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// What queued messages of a company still need.
    pub async fn queued_use(&self, company: CompanyId) -> Result<QueuedUse, LedgerError> {
        let rows =
            sqlx::query_file!("src/ledger/sql/queued_use.sql", company.0).fetch_all(&self.pool).await?;
        let mut queued = QueuedUse::default();
        for row in rows {
            if let Some(account) = row.account {
                *queued.by_account.entry(account).or_default() += row.queued;
            }
            *queued.by_brand.entry(row.brand).or_default() += row.queued;
        }
        Ok(queued)
    }

    /// Writes a company's new version, accounts and members; gives the version.
    pub async fn apply_company(
        &self,
        policy: &Policy,
        members: &[Member],
        keys: &IdentityKey,
    ) -> Result<i32, LedgerError> {
        let document = serde_json::to_value(policy).expect("a policy is plain data");
        let mut connection = self.pool.alone().await?;
        let mut transaction = connection.begin().await?;
        let company = sqlx::query!(
            "insert into company as c (slug, version) values ($1, 1)
             on conflict (slug) do update set version = c.version + 1 returning id, version",
            policy.slug
        )
        .fetch_one(&mut *transaction)
        .await?;
        sqlx::query!(
            "insert into policy (company, version, document) values ($1, $2, $3)",
            company.id,
            company.version,
            document
        )
        .execute(&mut *transaction)
        .await?;
        let names: Vec<String> = policy.accounts.iter().map(|account| account.id.clone()).collect();
        sqlx::query!(
            "update account set retired = not (name = any($2)) where company = $1",
            company.id,
            &names
        )
        .execute(&mut *transaction)
        .await?;
        let foreign = sqlx::query_scalar!(
            "select name from account where name = any($2) and company <> $1 limit 1",
            company.id,
            &names
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(name) = foreign {
            return Err(LedgerError::Taken(format!("account id {name} (another company has it)")));
        }
        sqlx::query!(
            "insert into account (company, name) select $1, n from unnest($2::text[]) n on conflict (name) do nothing",
            company.id,
            &names
        )
        .execute(&mut *transaction)
        .await?;
        super::recipes::claim(&mut transaction, CompanyId(company.id), policy).await?;
        write_members(&mut transaction, CompanyId(company.id), members, keys).await?;
        transaction.commit().await?;
        Ok(company.version)
    }
}

async fn write_members(
    transaction: &mut sqlx::PgConnection,
    company: CompanyId,
    members: &[Member],
    keys: &IdentityKey,
) -> Result<(), sqlx::Error> {
    fn column<T>(members: &[Member], pick: impl Fn(&Member) -> T) -> Vec<T> {
        members.iter().map(pick).collect()
    }
    sqlx::query!("delete from member where company = $1", company.0).execute(&mut *transaction).await?;
    sqlx::query!(
        "insert into member (id, company, email, custom_id, name, role, approved, email_key, custom_key)
         select id, $1, email, custom_id, name, role, approved, email_key, custom_key
         from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::uuid[], $9::uuid[])
         as t(id, email, custom_id, name, role, approved, email_key, custom_key)",
        company.0,
        &column(members, |_| clock::new_id()),
        &column(members, |member| member.email.clone()) as &[Option<String>],
        &column(members, |member| member.custom_id.clone()) as &[Option<String>],
        &column(members, |member| member.name.clone()) as &[Option<String>],
        &column(members, |member| member.role.word().to_owned()),
        &column(members, |member| member.approved),
        &column(members, |member| member.email.as_ref().map(|email| keys.member_email(company, email)))
            as &[Option<Uuid>],
        &column(members, |member| member.custom_id.as_ref().map(|id| keys.member_custom_id(company, id)))
            as &[Option<Uuid>],
    )
    .execute(&mut *transaction)
    .await?;
    Ok(())
}
