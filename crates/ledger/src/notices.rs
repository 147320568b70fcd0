//! Notices of recipes: written down before their senders are answered, worked off until they are done.
//!
//! Whoever works a notice off has it for a lease and may die; another takes it up then. The job made of a
//! notice is kept before it is handed in, so that it is the same again. Bodies and jobs are personal data
//! and go when the notice is done. Beside them what is known of interactions that are told in pieces.

use uuid::Uuid;

use super::{Ledger, LedgerError, retrying};
use postrider_domain::ids::CompanyId;

/// A notice to write down.
#[derive(Debug, Clone)]
pub struct NewNotice {
    /// `IdentityKey::notice`
    pub key: Uuid,
    pub company: CompanyId,
    /// The recipe's id.
    pub recipe: String,
    /// The idempotency key of its request.
    pub name: String,
    pub body: Vec<u8>,
}

/// A notice to work off.
#[derive(Debug, Clone)]
pub struct Notice {
    pub key: Uuid,
    pub company: CompanyId,
    pub recipe: String,
    pub name: String,
    pub body: Option<Vec<u8>>,
    pub job: Option<Vec<u8>>,
    /// This time included.
    pub tries: i32,
    pub age_secs: f64,
    /// Of the interaction that it stands for, and the version of them.
    pub facts: Option<serde_json::Value>,
    pub version: Option<i32>,
}

/// What is known of an interaction by now.
#[derive(Debug, Clone)]
pub struct NewFacts<'a> {
    pub key: Uuid,
    pub company: CompanyId,
    pub facts: serde_json::Value,
    /// What was read before; 0: nothing was there.
    pub version: i32,
    pub recipe: &'a str,
    /// The interaction's id.
    pub name: &'a str,
    /// It is complete: its notice is due after so many seconds.
    pub due_in_secs: Option<f64>,
}

impl Ledger {
    /// Writes a notice down, once.
    pub async fn note(&self, notice: &NewNotice) -> Result<(), LedgerError> {
        let NewNotice { key, company, recipe, name, body } = notice;
        sqlx::query_file!("src/sql/note.sql", key, company.0, recipe, name, body).execute(&self.pool).await?;
        Ok(())
    }

    /// What is known of an interaction, and its version; 0 where nothing is.
    pub async fn interaction(&self, key: Uuid) -> Result<(Option<serde_json::Value>, i32), LedgerError> {
        let row = sqlx::query!("select facts, version from interaction where key = $1", key)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map_or((None, 0), |row| (Some(row.facts), row.version)))
    }

    /// Writes what is known of an interaction; false: somebody else added to it meanwhile, read it again.
    pub async fn learn_interaction(&self, new: &NewFacts<'_>) -> Result<bool, LedgerError> {
        let learnt = retrying(|| async {
            sqlx::query_file_scalar!(
                "src/sql/learn_interaction.sql",
                new.key,
                new.company.0,
                new.facts,
                new.version,
                new.recipe,
                new.name,
                new.due_in_secs
            )
            .fetch_one(&self.pool)
            .await
        })
        .await?;
        Ok(learnt > 0)
    }

    /// Takes notices that are due, for so many seconds, of other recipes than those under way, each of which
    /// is named `company/recipe`.
    pub async fn take_notices(
        &self,
        max: i64,
        lease_secs: f64,
        under_way: &[String],
    ) -> Result<Vec<Notice>, LedgerError> {
        let notices = sqlx::query_file!("src/sql/take_notices.sql", max, lease_secs, under_way)
            .map(|row| Notice {
                key: row.key,
                company: CompanyId(row.company),
                recipe: row.connector,
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
        Ok(notices)
    }

    /// Keeps the job of a notice; gives the one that is kept, which may be an earlier one. `None`: whoever
    /// took the notice up after us has finished it.
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

    /// Works a notice off later.
    pub async fn postpone_notice(&self, key: Uuid, secs: f64) -> Result<(), LedgerError> {
        sqlx::query!(
            "update notification set due_at = now() + make_interval(secs => $2::float8) where key = $1 and done_at is null",
            key,
            secs
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes a notice back whose interaction is not complete any more: its end notes it anew. False: more was
    /// told of the interaction since this version of it, and the notice stays.
    pub async fn take_back_notice(&self, key: Uuid, version: Option<i32>) -> Result<bool, LedgerError> {
        let taken_back =
            sqlx::query_file!("src/sql/take_back_notice.sql", key, version).execute(&self.pool).await?;
        Ok(taken_back.rows_affected() > 0)
    }

    /// A notice is done: what became of it, and which request or rejected job it made.
    pub async fn finish_notice(
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

    /// Forgets what has been over for so long; gives how much it was.
    pub async fn forget_notices(&self, secs: f64, max: i64) -> Result<i64, LedgerError> {
        let forgotten =
            sqlx::query_file_scalar!("src/sql/forget_notices.sql", secs, max).fetch_one(&self.pool).await?;
        Ok(forgotten)
    }
}
