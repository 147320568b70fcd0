//! Customers whom a company knows by more than an address: written by recipes, people and imports.
//!
//! A system's jobs that bring an address neither read nor write any of this. Identities are keyed hashes; a
//! customer's addresses are personal data. Two identities that turn out to belong to two known customers stay
//! two: the stronger one decides, and nobody is merged.

use serde_json::{Map, json};
use sqlx::{Connection, Executor, Postgres};
use uuid::Uuid;

use super::{
    Ledger, LedgerError,
    audit::{self, Actor},
};
use postrider_domain::{hash_keys::IdentityKey, ids::CompanyId};

/// Somebody took the same identity at the same time; more often than any two people can.
const TRIES_MAX: usize = 5;

/// By what a customer is recognised; the order is how much it tells.
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

/// A customer as somebody names them; addresses are in their normal form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    pub custom_id: Option<String>,
    /// With its channel, as in `facebook:4711`.
    pub social_id: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

/// A customer as they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub id: Uuid,
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

impl Named {
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
    /// The customer whom these names belong to, made if there is none; what is told now is kept. `None`
    /// where nothing is told that anybody could be recognised by.
    pub async fn recognise(
        &self,
        company: CompanyId,
        named: &Named,
        keys: &IdentityKey,
    ) -> Result<Option<Known>, LedgerError> {
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

    /// Customers of a file in its order, all or none, with the audit; gives how many were not known before.
    /// Each must have an identity.
    pub async fn import_customers(
        &self,
        company: CompanyId,
        named: &[Named],
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
        named: &[Named],
        keys: &IdentityKey,
        actor: &Actor,
    ) -> Result<usize, sqlx::Error> {
        let mut connection = self.pool.alone().await?;
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

    /// The known customers who have these identities, each with the key asked for.
    pub async fn customers_known(&self, identities: &[Uuid]) -> Result<Vec<(Uuid, Known)>, LedgerError> {
        let known = sqlx::query_file!("src/sql/customers_known.sql", identities)
            .map(|row| (row.key, Known { id: row.id, name: row.name, email: row.email, phone: row.phone }))
            .fetch_all(&self.pool)
            .await?;
        Ok(known)
    }
}

/// The customer with one of these identities, made under this id if there is none.
async fn recognised<'c>(
    executor: impl Executor<'c, Database = Postgres>,
    id: Uuid,
    company: CompanyId,
    named: &Named,
    identities: &[(Uuid, i16)],
) -> Result<Known, sqlx::Error> {
    let (keys, kinds): (Vec<Uuid>, Vec<i16>) = identities.iter().copied().unzip();
    sqlx::query_file_as!(
        Known,
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
