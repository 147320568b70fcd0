//! Team members: rows of a company, changed one by one or replaced with its file.
//!
//! A replaced member keeps its id (matched by email address, else by custom id). The rules look members up by
//! keyed hashes; the next batch sees a change without a new policy version.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{
    Ledger, LedgerError,
    audit::{self, Actor},
};
use postrider_domain::{
    company::{
        Member, Role,
        change::{matched_members, member_label},
        difference::named_difference,
        file::MEMBERS_MAX,
        json::member_document,
    },
    hash_keys::IdentityKey,
    ids::CompanyId,
};

/// A team member with its id.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberRow {
    pub id: Uuid,
    pub member: Member,
}

/// A team member as found by the email address that a job names.
#[derive(Debug, Clone)]
pub struct MemberByEmail {
    pub email_key: Uuid,
    pub custom_key: Option<Uuid>,
    pub role: Role,
}

/// Which members to list.
#[derive(Debug, Clone, Default)]
pub struct MemberFilter {
    /// Compared without case.
    pub email: Option<String>,
    pub custom_id: Option<String>,
    pub approved: Option<bool>,
    /// Cursor: only ids below it.
    pub before: Option<Uuid>,
    pub max: i64,
}

/// A change of one member.
#[derive(Debug, Clone, Copy)]
pub enum MemberChange<'a> {
    Add(&'a Member),
    /// From the member that the editor read to the new one.
    Replace(&'a Member, &'a Member),
    Remove,
}

/// Result of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum MemberChanged {
    Done(MemberRow),
    /// There is no such member.
    Unknown,
    /// The member changed meanwhile; nothing was written.
    Overtaken,
    /// The company has the maximum of members.
    TooMany,
}

/// A row of every SELECT in this file.
struct Stored {
    id: Uuid,
    email: Option<String>,
    custom_id: Option<String>,
    name: Option<String>,
    role: Option<String>,
    approved: bool,
}

impl From<Stored> for MemberRow {
    fn from(row: Stored) -> MemberRow {
        let role = row.role.as_deref().and_then(Role::parse).unwrap_or(Role::Member);
        let Stored { id, email, custom_id, name, approved, .. } = row;
        MemberRow { id, member: Member { email, custom_id, name, role, approved } }
    }
}

impl Ledger {
    /// All team members, by email address.
    pub async fn members(&self, company: CompanyId) -> Result<Vec<Member>, LedgerError> {
        let rows = sqlx::query_as!(
            Stored,
            "select id, email, custom_id, name, role, approved from member where company = $1
             order by email, custom_id",
            company.0
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| MemberRow::from(row).member).collect())
    }

    /// A page of team members, newest first.
    pub async fn members_page(
        &self,
        company: CompanyId,
        filter: &MemberFilter,
    ) -> Result<Vec<MemberRow>, LedgerError> {
        let rows = sqlx::query_file_as!(
            Stored,
            "src/sql/member_list.sql",
            company.0,
            filter.email.as_deref() as Option<&str>,
            filter.custom_id.as_deref() as Option<&str>,
            filter.approved as Option<bool>,
            filter.before as Option<Uuid>,
            filter.max
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(MemberRow::from).collect())
    }

    /// One team member of a company.
    pub async fn member(&self, company: CompanyId, id: Uuid) -> Result<Option<MemberRow>, LedgerError> {
        let row = sqlx::query_as!(
            Stored,
            "select id, email, custom_id, name, role, approved from member where company = $1 and id = $2",
            company.0,
            id
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(MemberRow::from))
    }

    /// Team members by the keys of their email addresses.
    pub async fn members_by_email(&self, email_keys: &[Uuid]) -> Result<Vec<MemberByEmail>, LedgerError> {
        let rows = sqlx::query_file!("src/sql/members_by_email.sql", email_keys)
            .map(|row| MemberByEmail {
                email_key: row.email_key,
                custom_key: row.custom_key,
                role: row.role.as_deref().and_then(Role::parse).unwrap_or(Role::Member),
            })
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// Adds, replaces or removes one member, with its audit.
    ///
    /// # Errors
    /// `Taken`: another member has the email address or the custom id.
    pub async fn change_member(
        &self,
        company: CompanyId,
        id: Uuid,
        change: MemberChange<'_>,
        actor: &Actor,
        keys: &IdentityKey,
    ) -> Result<MemberChanged, LedgerError> {
        let mut connection = self.pool.detached().await?;
        let mut transaction = connection.begin().await?;
        let count = sqlx::query_scalar!(
            r#"with held as (update company set members_version = members_version + 1 where id = $1 returning id)
               select (select count(*) from member where company = held.id) as "count!" from held"#,
            company.0
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(count) = count else { return Ok(MemberChanged::Unknown) };
        let old = sqlx::query_as!(
            Stored,
            "select id, email, custom_id, name, role, approved from member where company = $1 and id = $2",
            company.0,
            id
        )
        .fetch_optional(&mut *transaction)
        .await?
        .map(|row| MemberRow::from(row).member);
        let (action, new) = match (change, &old) {
            (MemberChange::Add(_), _) if usize::try_from(count).unwrap_or(0) >= MEMBERS_MAX => {
                return Ok(MemberChanged::TooMany);
            }
            (MemberChange::Add(new), _) => ("member.add", Some(new)),
            (MemberChange::Replace(..) | MemberChange::Remove, None) => return Ok(MemberChanged::Unknown),
            (MemberChange::Replace(seen, _), Some(old)) if seen != old => {
                return Ok(MemberChanged::Overtaken);
            }
            (MemberChange::Replace(_, new), Some(_)) => ("member.change", Some(new)),
            (MemberChange::Remove, Some(_)) => ("member.remove", None),
        };
        let row = MemberRow { id, member: new.or(old.as_ref()).cloned().expect("one of the two is there") };
        if old.as_ref() == new {
            return Ok(MemberChanged::Done(row));
        }
        sqlx::query!("delete from member where company = $1 and id = $2", company.0, id)
            .execute(&mut *transaction)
            .await?;
        if let Some(new) = new {
            insert(&mut transaction, company, &[(id, new)], keys).await?;
        }
        let (before, after) = (old.as_ref().map(member_document), new.map(member_document));
        let changes = named_difference([("member".to_owned(), before.as_ref(), after.as_ref())].into_iter());
        let object = Some(format!("member {id}"));
        audit::write(
            &mut transaction,
            audit::Entry { company, actor, action, object, changes, reason: None },
        )
        .await?;
        transaction.commit().await?;
        Ok(MemberChanged::Done(row))
    }
}

/// All members; the caller holds the lock of the company's row.
pub(super) async fn locked(
    transaction: &mut PgConnection,
    company: CompanyId,
) -> Result<Vec<MemberRow>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Stored,
        "select id, email, custom_id, name, role, approved from member where company = $1 order by id",
        company.0
    )
    .fetch_all(transaction)
    .await?;
    Ok(rows.into_iter().map(MemberRow::from).collect())
}

/// Replaces all members; a member that existed keeps its id.
pub(super) async fn replace(
    transaction: &mut PgConnection,
    company: CompanyId,
    old: &[MemberRow],
    new: &[Member],
    keys: &IdentityKey,
) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from member where company = $1", company.0).execute(&mut *transaction).await?;
    let before: Vec<Member> = old.iter().map(|row| row.member.clone()).collect();
    let known = matched_members(&before, new);
    let ids =
        known.into_iter().map(|known| known.map_or_else(postrider_clock::new_id, |index| old[index].id));
    let rows: Vec<(Uuid, &Member)> = ids.zip(new).collect();
    insert(transaction, company, &rows, keys).await
}

/// The difference, by each member's display key.
pub(super) fn members_difference(old: &[MemberRow], new: &[Member]) -> Map<String, Value> {
    let before: Vec<Member> = old.iter().map(|row| row.member.clone()).collect();
    let mut pairs: BTreeMap<String, (Option<Value>, Option<Value>)> = BTreeMap::new();
    let named = |member: &Member| format!("members[{}]", member_label(member));
    let mut left: Vec<Option<&Member>> = before.iter().map(Some).collect();
    for (member, known) in new.iter().zip(matched_members(&before, new)) {
        let old = known.and_then(|index| left[index].take());
        if old != Some(member) {
            pairs.insert(named(member), (old.map(member_document), Some(member_document(member))));
        }
    }
    for gone in left.into_iter().flatten() {
        // An entry of the same name above already covers a member that took this name over.
        pairs.entry(named(gone)).or_insert_with(|| (Some(member_document(gone)), None));
    }
    named_difference(pairs.iter().map(|(name, (old, new))| (name.clone(), old.as_ref(), new.as_ref())))
}

async fn insert(
    transaction: &mut PgConnection,
    company: CompanyId,
    rows: &[(Uuid, &Member)],
    keys: &IdentityKey,
) -> Result<(), sqlx::Error> {
    fn column<T>(rows: &[(Uuid, &Member)], pick: impl Fn(&Member) -> T) -> Vec<T> {
        rows.iter().map(|(_, member)| pick(member)).collect()
    }
    sqlx::query!(
        "insert into member (id, company, email, custom_id, name, role, approved, email_key, custom_key)
         select id, $1, email, custom_id, name, role, approved, email_key, custom_key
         from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::uuid[], $9::uuid[])
         as t(id, email, custom_id, name, role, approved, email_key, custom_key)",
        company.0,
        &rows.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        &column(rows, |member| member.email.clone()) as &[Option<String>],
        &column(rows, |member| member.custom_id.clone()) as &[Option<String>],
        &column(rows, |member| member.name.clone()) as &[Option<String>],
        &column(rows, |member| member.role.as_str().to_owned()),
        &column(rows, |member| member.approved),
        &column(rows, |member| member.email.as_ref().map(|email| keys.member_email_hash(company, email)))
            as &[Option<Uuid>],
        &column(rows, |member| member.custom_id.as_ref().map(|id| keys.member_custom_id_hash(company, id)))
            as &[Option<Uuid>],
    )
    .execute(&mut *transaction)
    .await?;
    Ok(())
}
