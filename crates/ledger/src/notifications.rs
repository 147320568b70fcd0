//! Notifications of connectors: stored before the sender gets its answer, then processed until they are done.
//!
//! A worker takes a notification for a lease; after a crash another worker takes it again. The job made of a
//! notification is stored before it is submitted, so that a repeat submits the same bytes. Bodies and jobs
//! are personal data and are deleted at the end. Interactions that a connector reports in pieces are merged
//! here too.

use uuid::Uuid;

use super::{Ledger, LedgerError, retrying};
use postrider_domain::ids::CompanyId;

/// A notification to store.
#[derive(Debug, Clone)]
pub struct NewNotification {
    /// `IdentityKey::notice` of (connector, name).
    pub key: Uuid,
    pub company: CompanyId,
    /// Id of the connector.
    pub connector: String,
    /// Id at the sender; the idempotency key of its request.
    pub name: String,
    pub body: Vec<u8>,
}

/// A notification to process.
#[derive(Debug, Clone)]
pub struct Notification {
    pub key: Uuid,
    pub company: CompanyId,
    pub connector: String,
    pub name: String,
    pub body: Option<Vec<u8>>,
    pub job: Option<Vec<u8>>,
    /// This one included.
    pub tries: i32,
    pub age_secs: f64,
    /// Merged facts of its interaction, and their version.
    pub facts: Option<serde_json::Value>,
    pub version: Option<i32>,
}

/// New facts of an interaction.
#[derive(Debug, Clone)]
pub struct NewFacts<'a> {
    pub key: Uuid,
    pub company: CompanyId,
    pub facts: serde_json::Value,
    /// The version that was read; 0: no row existed.
    pub version: i32,
    pub connector: &'a str,
    /// Id of the interaction at the sender.
    pub name: &'a str,
    /// The facts are complete: the notification is due after so many seconds.
    pub due_in_secs: Option<f64>,
}

impl Ledger {
    /// Stores a notification, once.
    pub async fn store_notification(&self, notification: &NewNotification) -> Result<(), LedgerError> {
        let NewNotification { key, company, connector, name, body } = notification;
        sqlx::query_file!("src/sql/insert_notification.sql", key, company.0, connector, name, body)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Facts of an interaction and their version; 0 without a row.
    pub async fn interaction(&self, key: Uuid) -> Result<(Option<serde_json::Value>, i32), LedgerError> {
        let row = sqlx::query!("select facts, version from interaction where key = $1", key)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map_or((None, 0), |row| (Some(row.facts), row.version)))
    }

    /// Writes the facts of an interaction; `false`: another writer changed them meanwhile, so read and merge
    /// again.
    pub async fn merge_interaction(&self, new: &NewFacts<'_>) -> Result<bool, LedgerError> {
        let merged = retrying(|| async {
            sqlx::query_file_scalar!(
                "src/sql/merge_interaction.sql",
                new.key,
                new.company.0,
                new.facts,
                new.version,
                new.connector,
                new.name,
                new.due_in_secs
            )
            .fetch_one(&self.pool)
            .await
        })
        .await?;
        Ok(merged > 0)
    }

    /// Takes due notifications for `lease_secs`, except of connectors in flight, each named
    /// `company/connector`.
    pub async fn take_notifications(
        &self,
        max: i64,
        lease_secs: f64,
        in_flight: &[String],
    ) -> Result<Vec<Notification>, LedgerError> {
        let notifications = sqlx::query_file!("src/sql/take_notifications.sql", max, lease_secs, in_flight)
            .map(|row| Notification {
                key: row.key,
                company: CompanyId(row.company),
                connector: row.connector,
                name: row.name,
                body: row.body,
                job: row.job,
                tries: row.tries,
                age_secs: row.age_secs,
                facts: row.facts,
                version: row.version,
            })
            .fetch_all(&self.pool)
            .await?;
        Ok(notifications)
    }

    /// Stores the job of a notification; returns the stored one, which may be an earlier one. `None`: another
    /// worker finished the notification.
    pub async fn keep_job(&self, key: Uuid, job: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        let kept = sqlx::query_scalar!(
            r#"update notification set job = coalesce(job, $2) where key = $1 and done_at is null
               returning coalesce(job, $2) as "job!""#,
            key,
            job
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(kept)
    }

    /// Postpones a notification by `secs`.
    pub async fn postpone_notification(&self, key: Uuid, secs: f64) -> Result<(), LedgerError> {
        sqlx::query!(
            "update notification set due_at = now() + make_interval(secs => $2::float8) where key = $1 and done_at is null",
            key,
            secs
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Withdraws the notification of an interaction that is no longer complete; its end stores it again.
    /// `false`: the interaction changed after this version, and the notification stays.
    pub async fn withdraw_notification(&self, key: Uuid, version: Option<i32>) -> Result<bool, LedgerError> {
        let taken_back =
            sqlx::query_file!("src/sql/withdraw_notification.sql", key, version).execute(&self.pool).await?;
        Ok(taken_back.rows_affected() > 0)
    }

    /// Finishes a notification with its outcome and the id of the request or rejected job.
    pub async fn finish_notification(
        &self,
        key: Uuid,
        outcome: &str,
        made: Option<Uuid>,
    ) -> Result<(), LedgerError> {
        sqlx::query!(
            "update notification set done_at = now(), outcome = $2, created_id = $3, body = null, job = null
             where key = $1 and done_at is null",
            key,
            outcome,
            made
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Deletes notifications and interactions older than `secs`, `max` of each; returns their number.
    pub async fn delete_notifications(&self, secs: f64, max: i64) -> Result<i64, LedgerError> {
        let deleted = sqlx::query_file_scalar!("src/sql/delete_notifications.sql", secs, max)
            .fetch_one(&self.pool)
            .await?;
        Ok(deleted)
    }
}
