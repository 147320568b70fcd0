//! Keys of the HTTP API: found by prefix, stored as hashes, revoked and never deleted.
//!
//! The key itself never comes here (`api::key` makes and compares it). Creation and revocation commit
//! together with their audit. The last use is written once a minute, so a busy key costs one small write a
//! minute.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::Connection;
use uuid::Uuid;

use super::{
    Ledger, LedgerError,
    audit::{self, Actor, Entry},
};
use postrider_domain::{company::difference::named_difference, ids::CompanyId};

/// A key to store.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub id: Uuid,
    pub company: CompanyId,
    pub name: String,
    pub prefix: String,
    pub hash: [u8; 32],
    pub live: bool,
    pub scopes: Vec<String>,
}

/// A stored key as found by its prefix.
#[derive(Debug, Clone)]
pub struct StoredApiKey {
    pub id: Uuid,
    pub company: CompanyId,
    pub slug: String,
    pub name: String,
    pub hash: Vec<u8>,
    pub live: bool,
    pub scopes: Vec<String>,
    pub revoked: bool,
    /// The last use was written within the last minute.
    pub recorded: bool,
}

/// A key as listed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ApiKeyRow {
    pub id: Uuid,
    pub company: String,
    pub name: String,
    pub prefix: String,
    pub live: bool,
    pub scopes: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

impl Ledger {
    /// Stores a key, with its audit.
    pub async fn add_key(&self, key: &NewKey, actor: &Actor) -> Result<(), LedgerError> {
        let mut connection = self.pool.detached().await?;
        let mut transaction = connection.begin().await?;
        sqlx::query!(
            "insert into api_key (id, company, name, prefix, hash, live, scopes) values ($1, $2, $3, $4, $5, $6, $7)",
            key.id,
            key.company.0,
            key.name,
            key.prefix,
            &key.hash,
            key.live,
            &key.scopes,
        )
        .execute(&mut *transaction)
        .await?;
        let described = described(&key.name, &key.prefix, key.live, &key.scopes);
        let entry = entry(key.company, actor, "key.create", key.id, (None, Some(&described)));
        audit::write(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The key with this prefix, revoked ones too.
    pub async fn api_key(&self, prefix: &str) -> Result<Option<StoredApiKey>, LedgerError> {
        let row = sqlx::query_file!("src/sql/api_key_find.sql", prefix).fetch_optional(&self.pool).await?;
        Ok(row.map(|row| StoredApiKey {
            id: row.id,
            company: CompanyId(row.company),
            slug: row.slug,
            name: row.name,
            hash: row.hash,
            live: row.live,
            scopes: row.scopes,
            revoked: row.revoked,
            recorded: row.recorded,
        }))
    }

    /// Writes the last use of a key, at most once a minute.
    pub async fn record_key_use(&self, id: Uuid) -> Result<(), LedgerError> {
        sqlx::query!(
            "update api_key set last_used_at = now()
             where id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')",
            id
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Keys, newest first; of one company if given.
    pub async fn keys(&self, company: Option<CompanyId>, max: i64) -> Result<Vec<ApiKeyRow>, LedgerError> {
        let company = company.map(|company| company.0);
        let rows = sqlx::query_file_as!(ApiKeyRow, "src/sql/api_key_list.sql", company as Option<i32>, max)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// Revokes a key, with its audit; `false`: it does not exist or was revoked before.
    pub async fn revoke_key(&self, prefix: &str, actor: &Actor) -> Result<bool, LedgerError> {
        let mut connection = self.pool.detached().await?;
        let mut transaction = connection.begin().await?;
        let revoked = sqlx::query!(
            "update api_key set revoked_at = now() where prefix = $1 and revoked_at is null
             returning id, company, name, live, scopes",
            prefix
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(key) = revoked else { return Ok(false) };
        let described = described(&key.name, prefix, key.live, &key.scopes);
        let entry = entry(CompanyId(key.company), actor, "key.revoke", key.id, (Some(&described), None));
        audit::write(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// The audit's description of a key: without anything that authenticates.
fn described(name: &str, prefix: &str, live: bool, scopes: &[String]) -> Value {
    json!({ "name": name, "prefix": prefix, "live": live, "scopes": scopes })
}

fn entry<'a>(
    company: CompanyId,
    actor: &'a Actor,
    action: &'static str,
    key: Uuid,
    (before, after): (Option<&Value>, Option<&Value>),
) -> Entry<'a> {
    let changes = named_difference([("key".to_owned(), before, after)].into_iter());
    Entry { company, actor, action, object: Some(format!("key {key}")), changes, reason: None }
}
