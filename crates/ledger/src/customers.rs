//! Customers that a company knows by more than an address: named by connectors, people and imports.
//!
//! A job that brings an address neither reads nor writes these tables. Identities are keyed hashes; names and
//! addresses are personal data. Two identities of two known customers stay two: the stronger identity
//! decides, and nothing is merged.

use serde_json::{Map, json};
use sqlx::{Connection, Executor, Postgres};
use uuid::Uuid;

use super::{
    Ledger, LedgerError,
    audit::{self, Actor},
};
use postrider_domain::{hash_keys::IdentityKey, ids::CompanyId};

/// Repeats after a lost race for an identity; more than concurrent writers of one customer can cause.
const TRIES_MAX: usize = 5;

/// Kind of an identity, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKind {
    CustomId,
    Social,
    Email,
    Phone,
}

impl IdentityKind {
    fn code(self) -> i16 {
        match self {
            IdentityKind::CustomId => 0,
            IdentityKind::Email => 1,
            IdentityKind::Phone => 2,
            IdentityKind::Social => 3,
        }
    }

    /// Word that enters the identity's keyed hash.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            IdentityKind::CustomId => "custom_id",
            IdentityKind::Email => "email",
            IdentityKind::Phone => "phone",
            IdentityKind::Social => "social",
        }
    }
}

/// A customer as a caller names them; addresses are in normal form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedCustomer {
    pub custom_id: Option<String>,
    /// With its channel, as in `facebook:4711`.
    pub social_id: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

/// A stored customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCustomer {
    pub id: Uuid,
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

impl NamedCustomer {
    fn identities(&self, company: CompanyId, keys: &IdentityKey) -> Vec<(Uuid, i16)> {
        let identities = [
            (IdentityKind::CustomId, &self.custom_id),
            (IdentityKind::Social, &self.social_id),
            (IdentityKind::Email, &self.email),
            (IdentityKind::Phone, &self.phone),
        ];
        identities
            .into_iter()
            .filter_map(|(kind, value)| {
                Some((keys.customer_id_hash(company, kind.as_str(), value.as_deref()?), kind.code()))
            })
            .collect()
    }
}

impl Ledger {
    /// The customer with these identities, created if there is none; new facts are stored. `None`: no
    /// identity is given.
    pub async fn recognise(
        &self,
        company: CompanyId,
        named: &NamedCustomer,
        keys: &IdentityKey,
    ) -> Result<Option<KnownCustomer>, LedgerError> {
        let identities = named.identities(company, keys);
        if identities.is_empty() {
            return Ok(None);
        }
        for _ in 0..TRIES_MAX {
            let known = recognised(&self.pool, postrider_clock::new_id(), company, named, &identities).await;
            match known.map_err(LedgerError::from) {
                Err(LedgerError::Taken(_) | LedgerError::Contended(_)) => {}
                known => return known.map(Some),
            }
        }
        Err(LedgerError::Contended("a customer was taken up by others each time".to_owned()))
    }

    /// Imports customers in order, all or none, with the audit; returns the number of new ones. Each must
    /// have an identity.
    pub async fn import_customers(
        &self,
        company: CompanyId,
        named: &[NamedCustomer],
        keys: &IdentityKey,
        actor: &Actor,
    ) -> Result<usize, LedgerError> {
        for _ in 0..TRIES_MAX {
            match self.import_once(company, named, keys, actor).await.map_err(LedgerError::from) {
                Err(LedgerError::Taken(_) | LedgerError::Contended(_)) => {}
                done => return done,
            }
        }
        Err(LedgerError::Contended("customers were taken up by others each time".to_owned()))
    }

    async fn import_once(
        &self,
        company: CompanyId,
        named: &[NamedCustomer],
        keys: &IdentityKey,
        actor: &Actor,
    ) -> Result<usize, sqlx::Error> {
        let mut connection = self.pool.detached().await?;
        let mut transaction = connection.begin().await?;
        let mut added = 0;
        for named in named {
            let (id, identities) = (postrider_clock::new_id(), named.identities(company, keys));
            let known = recognised(&mut *transaction, id, company, named, &identities).await?;
            added += usize::from(known.id == id);
        }
        let changes =
            Map::from_iter([("rows".to_owned(), json!(named.len())), ("added".to_owned(), json!(added))]);
        let action = "customers.import";
        let entry = audit::Entry { company, actor, action, object: None, changes, reason: None };
        audit::write(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(added)
    }

    /// The customers with these identities, each with the key that found it.
    pub async fn known_customers(
        &self,
        identities: &[Uuid],
    ) -> Result<Vec<(Uuid, KnownCustomer)>, LedgerError> {
        let known = sqlx::query_file!("src/sql/known_customers.sql", identities)
            .map(|row| {
                (row.key, KnownCustomer { id: row.id, name: row.name, email: row.email, phone: row.phone })
            })
            .fetch_all(&self.pool)
            .await?;
        Ok(known)
    }
}

/// The customer with one of these identities, created under this id if there is none.
async fn recognised<'c>(
    executor: impl Executor<'c, Database = Postgres>,
    id: Uuid,
    company: CompanyId,
    named: &NamedCustomer,
    identities: &[(Uuid, i16)],
) -> Result<KnownCustomer, sqlx::Error> {
    let (keys, kinds): (Vec<Uuid>, Vec<i16>) = identities.iter().copied().unzip();
    sqlx::query_file_as!(
        KnownCustomer,
        "src/sql/recognise.sql",
        id,
        company.0,
        &keys,
        &kinds,
        named.custom_id,
        named.name,
        named.email,
        named.phone
    )
    .fetch_one(executor)
    .await
}
