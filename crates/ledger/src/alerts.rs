//! Error alerts: counts rejections, and decides and sends an alert in one statement.
//!
//! An alert is a request of the source `ALERT_SOURCE`, so that lanes, limits, breakers, receipts and status
//! polls apply to it. It makes no reservation, and lists and counts of requests exclude it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, retrying};
use postrider_domain::{
    content::PlainEmail,
    ids::{AccountId, CompanyId, lowest_id_at},
    rules::Decision,
};

/// Stored source of alerts in `request.source`; no entry point has it.
pub const ALERT_SOURCE: i16 = 4;
/// Rejected jobs read at most for the problems of one alert.
const JOBS_MAX: i64 = 20_000;
const PROBLEMS_MAX: i64 = 10;
/// Largest lead of a worker's clock over the database's, in seconds.
const CLOCKS_APART_SECS: i64 = 300;

/// Rejected jobs of a company within the last hour.
#[derive(Debug, Clone, Copy)]
pub struct Rejections {
    pub company: CompanyId,
    pub rejected: u64,
    /// The database's time.
    pub now: DateTime<Utc>,
}

/// One kind of problem in the last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemCount {
    pub path: String,
    pub code: String,
    /// Free of personal data, as every problem's message.
    pub message: String,
    pub times: u64,
    /// `rejected_job.id` of the latest job with this problem.
    pub example: Uuid,
}

/// An alert to one address.
#[derive(Debug, Clone)]
pub struct AlertMail {
    pub id: Uuid,
    pub email: String,
    /// Keyed hash of (company, medium, email), for blocks.
    pub address_hash: Uuid,
}

/// An alert to send, unless another worker sent one within the hour.
#[derive(Debug, Clone)]
pub struct NewAlert {
    pub company: CompanyId,
    pub rejected: u64,
    pub accepted: u64,
    pub mails: Vec<AlertMail>,
    pub brand: String,
    pub account: AccountId,
    pub letter: PlainEmail,
    pub decision: Decision,
    pub expires_secs: f64,
}

impl Ledger {
    /// Takes the fleet's turn to check for alerts, once a minute; `false`: another worker has it.
    pub async fn take_alert_turn(&self) -> Result<bool, LedgerError> {
        let done = sqlx::query!("update alert_tick set at = now() where at <= now() - interval '1 minute'")
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Companies with rejected jobs in the last hour and without an alert in it.
    pub async fn alert_rejections(&self, companies: &[CompanyId]) -> Result<Vec<Rejections>, LedgerError> {
        let companies: Vec<i32> = companies.iter().map(|company| company.0).collect();
        let rows = sqlx::query_file!("src/sql/alert_rejections.sql", &companies)
            .map(|row| Rejections {
                company: CompanyId(row.company),
                rejected: row.rejected.unsigned_abs(),
                now: row.now,
            })
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// Requests of a company accepted in the last hour; counted up to `max`.
    pub async fn alert_accepted(
        &self,
        company: CompanyId,
        now: DateTime<Utc>,
        max: i64,
    ) -> Result<u64, LedgerError> {
        let since = now - chrono::Duration::seconds(3_600 + CLOCKS_APART_SECS);
        let count =
            sqlx::query_file_scalar!("src/sql/alert_accepted.sql", company.0, lowest_id_at(since), max)
                .fetch_one(&self.pool)
                .await?;
        Ok(count.unsigned_abs())
    }

    /// Problems of the last hour, most frequent first; ten at most.
    pub async fn alert_problems(&self, company: CompanyId) -> Result<Vec<ProblemCount>, LedgerError> {
        let rows = sqlx::query_file!("src/sql/alert_problems.sql", company.0, JOBS_MAX, PROBLEMS_MAX)
            .map(|row| ProblemCount {
                path: row.path,
                code: row.code,
                message: row.message,
                times: row.times.unsigned_abs(),
                example: row.example,
            })
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// Sends an alert; `false`: another worker sent one within the hour.
    pub async fn send_alert(&self, alert: &NewAlert) -> Result<bool, LedgerError> {
        let ids: Vec<Uuid> = alert.mails.iter().map(|mail| mail.id).collect();
        let idempotency_hashes: Vec<Uuid> =
            alert.mails.iter().map(|_| postrider_clock::random_id()).collect();
        let emails: Vec<String> = alert.mails.iter().map(|mail| mail.email.clone()).collect();
        let address_hashes: Vec<Uuid> = alert.mails.iter().map(|mail| mail.address_hash).collect();
        let details = serde_json::json!({ "letter": alert.letter });
        let decision = serde_json::to_string(&alert.decision).expect("a decision is plain data");
        retrying(|| async {
            sqlx::query_file_scalar!(
                "src/sql/alert_send.sql",
                alert.company.0,
                i64::try_from(alert.rejected).unwrap_or(i64::MAX),
                i64::try_from(alert.accepted).unwrap_or(i64::MAX),
                &ids,
                &idempotency_hashes,
                &emails,
                &address_hashes,
                alert.decision.policy_version,
                alert.brand,
                details,
                decision,
                alert.account.0,
                alert.expires_secs,
            )
            .fetch_one(&self.pool)
            .await
        })
        .await
    }
}
