//! Alerts: what is counted for error digests, and the one statement that decides and sends one.
//!
//! A digest is a request of the source `ALERT_SOURCE`, so that everything behind a message holds for it: lanes,
//! limits, breakers, receipts, look-ups. It reserves nobody, and lists and counts of requests leave it out.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, retrying};
use postrider_domain::{
    content::PlainEmail,
    ids::{AccountId, CompanyId, lowest_id_at},
    rules::Decision,
};

/// As in the statements that leave alerts out; no door has it.
pub const ALERT_SOURCE: i16 = 4;
/// Most refused jobs whose problems are looked at.
const JOBS_MAX: i64 = 20_000;
const PROBLEMS_MAX: i64 = 10;
/// How much workers' clocks may be ahead of the database's.
const CLOCKS_APART_SECS: i64 = 300;

/// Refused jobs of a company within the last hour.
#[derive(Debug, Clone, Copy)]
pub struct Rejections {
    pub company: CompanyId,
    pub rejected: u64,
    /// The database's time.
    pub now: DateTime<Utc>,
}

/// One kind of mistake of the last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemCount {
    pub path: String,
    pub code: String,
    /// Holds no personal data, as every problem's message.
    pub message: String,
    pub times: u64,
    /// The latest refused job with it.
    pub example: Uuid,
}

/// A digest on its way to one address.
#[derive(Debug, Clone)]
pub struct AlertMail {
    pub id: Uuid,
    pub email: String,
    /// hash(company, email), for blocks.
    pub addr: Uuid,
}

/// A digest that is to be sent, if nobody was faster.
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
    /// Whether it is this worker's turn to look: one of the fleet has it, once a minute.
    pub async fn take_alert_turn(&self) -> Result<bool, LedgerError> {
        let done = sqlx::query!("update alert_tick set at = now() where at <= now() - interval '1 minute'")
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Companies with refused jobs in the last hour and without a digest in it.
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

    /// Requests that a company had accepted in the last hour, `max` at most.
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

    /// What was wrong in the last hour, most frequent first.
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

    /// Puts a digest on its way; gives whether this call did, and not another worker's within the hour.
    pub async fn send_alert(&self, alert: &NewAlert) -> Result<bool, LedgerError> {
        let ids: Vec<Uuid> = alert.mails.iter().map(|mail| mail.id).collect();
        let idems: Vec<Uuid> = alert.mails.iter().map(|_| postrider_clock::random_id()).collect();
        let emails: Vec<String> = alert.mails.iter().map(|mail| mail.email.clone()).collect();
        let addrs: Vec<Uuid> = alert.mails.iter().map(|mail| mail.addr).collect();
        let details = serde_json::json!({ "letter": alert.letter });
        let decision = serde_json::to_string(&alert.decision).expect("a decision is plain data");
        retrying(|| async {
            sqlx::query_file_scalar!(
                "src/sql/alert_send.sql",
                alert.company.0,
                i64::try_from(alert.rejected).unwrap_or(i64::MAX),
                i64::try_from(alert.accepted).unwrap_or(i64::MAX),
                &ids,
                &idems,
                &emails,
                &addrs,
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
