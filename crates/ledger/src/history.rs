//! History: a company's requests as a backtest reads them, page by page, and the policies of their time.
//!
//! Reads by key or along `request_company`; belongs on the pool of reads, never on a hot one.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, stored_state};
use postrider_domain::{
    backtest::{RecordedRequest, history::ManualRetry},
    company::Policy,
    ids::{CompanyId, Medium},
    job::Customer,
};

/// Start of a backtest.
#[derive(Debug, Clone, Copy)]
pub struct HistoryStart {
    /// The database's time.
    pub now: DateTime<Utc>,
    /// The longest suppression period, in days, of any version of the company's policy.
    pub longest_days: u32,
}

impl Ledger {
    /// The database's time, and the company's longest suppression period.
    pub async fn history_start(&self, company: CompanyId) -> Result<HistoryStart, LedgerError> {
        let row = sqlx::query!(
            r#"select now() as "now!",
                coalesce(max((document ->> 'suppression_days')::int), 0) as "longest_days!"
            from policy where company = $1"#,
            company.0
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(HistoryStart { now: row.now, longest_days: u32::try_from(row.longest_days).unwrap_or(0) })
    }

    /// Requests with ids between the two, lowest first, `max` at most.
    pub async fn history_page(
        &self,
        company: CompanyId,
        after: Uuid,
        before: Uuid,
        max: i64,
    ) -> Result<Vec<RecordedRequest>, LedgerError> {
        let rows = sqlx::query_file!("src/sql/replay_page.sql", company.0, after, before, max)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter()
            .map(|row| {
                let mut begins = row.earlier;
                begins.extend(row.begun_at);
                Ok(RecordedRequest {
                    id: row.id,
                    accepted_at: row.created_at,
                    test: row.test,
                    original_request: row.original_request,
                    policy_version: row.policy_version,
                    customer: Customer {
                        custom_id: row.customer_custom_id,
                        name: None,
                        email: row.customer_email,
                        phone: row.customer_phone,
                    },
                    brand: row.brand,
                    channel: row.channel,
                    country: row.country,
                    asked_medium: row.asked_medium.and_then(Medium::from_code),
                    manual: row.manual.and_then(|manual| serde_json::from_value(manual).ok()),
                    decision: serde_json::from_str(&row.decision).ok(),
                    medium: row.medium.and_then(Medium::from_code),
                    state: stored_state(row.state)?,
                    reason: row.reason,
                    may_have_been_sent: row.may_have_been_sent,
                    begins,
                    ended_at: row.ended_at,
                    manual_retry: row.again_at.map(|at| ManualRetry { at, ended_at: row.again_ended_at }),
                })
            })
            .collect()
    }

    /// These versions of a company's policy; `None`: missing or unreadable.
    pub async fn policies(
        &self,
        company: CompanyId,
        versions: &[i32],
    ) -> Result<Vec<(i32, Option<Policy>)>, LedgerError> {
        let rows = sqlx::query!(
            "select version, document from policy where company = $1 and version = any($2)",
            company.0,
            versions
        )
        .fetch_all(&self.pool)
        .await?;
        let mut read: std::collections::HashMap<i32, Policy> = rows
            .into_iter()
            .filter_map(|row| Some((row.version, serde_json::from_value(row.document).ok()?)))
            .collect();
        Ok(versions.iter().map(|version| (*version, read.remove(version))).collect())
    }

    /// Number of the company's jobs rejected between two ids' times; tests and customers' responses do not
    /// count.
    pub async fn rejected_between(
        &self,
        company: CompanyId,
        after: Uuid,
        before: Uuid,
    ) -> Result<u64, LedgerError> {
        let count = sqlx::query_scalar!(
            r#"select count(*) as "count!" from rejected_job
            where company = $1 and id > $2 and id < $3 and not test and routing not like 'responses.%'"#,
            company.0,
            after,
            before
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(count.unsigned_abs())
    }
}
