//! Claim: takes due messages of all open lanes under a lease, and returns unused claims.
//!
//! A claim is a message at an epoch, under a lease. Only `claim`, `claim_suspect` and `accept` create one;
//! only `begin` uses it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, accept::LeaseTerms, quarantine::EXPIRIES_SUSPECT, retrying};
use postrider_domain::{
    content::PlainEmail,
    ids::{AccountId, CompanyId, Medium, MessageId},
};

/// Number of messages to claim from one lane.
#[derive(Debug, Clone, Copy)]
pub struct LaneDemand {
    pub lane: AccountId,
    pub count: i32,
    /// No due row before this time is read; the minimum time for a full scan.
    pub earliest_due: DateTime<Utc>,
}

/// A claimed message with the data of its text.
#[derive(Debug, Clone)]
pub struct ClaimedMessage {
    pub message: MessageId,
    pub request: Uuid,
    pub company: CompanyId,
    pub lane: AccountId,
    pub medium: Medium,
    pub epoch: i32,
    pub attempt: i16,
    pub tries: i16,
    pub first_due_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    /// The database's time of the claim.
    pub now: DateTime<Utc>,
    pub customer_name: Option<String>,
    pub customer_email: Option<String>,
    pub customer_phone: Option<String>,
    pub brand: String,
    pub language: Option<String>,
    pub test: bool,
    /// Text of an alert; a customer's text is composed from the fields above.
    pub letter: Option<PlainEmail>,
}

/// A row of claim.sql and claim_suspect.sql.
struct Row {
    id: Uuid,
    request: Uuid,
    company: i32,
    account: i32,
    medium: i16,
    epoch: i32,
    attempt: i16,
    tries: i16,
    first_due_at: DateTime<Utc>,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
    customer_name: Option<String>,
    customer_email: Option<String>,
    customer_phone: Option<String>,
    brand: String,
    language: Option<String>,
    test: bool,
    letter: Option<serde_json::Value>,
}

impl Row {
    /// `None` for a damaged row: the other claims proceed, and the lease of this one expires.
    fn into_claimed(self) -> Option<ClaimedMessage> {
        let Some(medium) = Medium::from_code(self.medium) else {
            tracing::error!(message = %self.id, medium = self.medium, "a claimed message has no known medium");
            return None;
        };
        let letter = match self.letter.map(|details| serde_json::from_value(details["letter"].clone())) {
            Some(Err(_)) => {
                tracing::error!(message = %self.id, "an alert has no readable text");
                return None;
            }
            Some(Ok(letter)) => Some(letter),
            None => None,
        };
        Some(ClaimedMessage {
            message: MessageId(self.id),
            request: self.request,
            company: CompanyId(self.company),
            lane: AccountId(self.account),
            medium,
            epoch: self.epoch,
            attempt: self.attempt,
            tries: self.tries,
            first_due_at: self.first_due_at,
            due_at: self.at,
            now: self.now,
            customer_name: self.customer_name,
            customer_email: self.customer_email,
            customer_phone: self.customer_phone,
            brand: self.brand,
            language: self.language,
            test: self.test,
            letter,
        })
    }
}

impl Ledger {
    /// Claims due messages of all lanes in `demands` under one lease, oldest first.
    pub async fn claim(
        &self,
        demands: &[LaneDemand],
        lease: LeaseTerms,
    ) -> Result<Vec<ClaimedMessage>, LedgerError> {
        let lanes: Vec<i32> = demands.iter().map(|demand| demand.lane.0).collect();
        let counts: Vec<i32> = demands.iter().map(|demand| demand.count).collect();
        let earliest: Vec<DateTime<Utc>> = demands.iter().map(|demand| demand.earliest_due).collect();
        let rows = retrying(|| async {
            sqlx::query_file_as!(
                Row,
                "src/sql/claim.sql",
                &lanes,
                &counts,
                &earliest,
                lease.id,
                lease.worker,
                lease.secs
            )
            .fetch_all(&self.pool)
            .await
        })
        .await?;
        Ok(rows.into_iter().filter_map(Row::into_claimed).collect())
    }

    /// Claims the oldest poison suspect of these lanes for an exclusive trial.
    pub async fn claim_suspect(
        &self,
        lanes: &[AccountId],
        lease: LeaseTerms,
    ) -> Result<Option<ClaimedMessage>, LedgerError> {
        let lanes: Vec<i32> = lanes.iter().map(|lane| lane.0).collect();
        let row = retrying(|| async {
            sqlx::query_file_as!(Row, "src/sql/claim_suspect.sql", &lanes, lease.id, lease.worker, lease.secs)
                .fetch_optional(&self.pool)
                .await
        })
        .await?;
        Ok(row.and_then(Row::into_claimed))
    }

    /// Age in seconds of the oldest due message of each lane; a lane without one is missing. Claimed messages
    /// do not count.
    pub async fn oldest_due(&self, lanes: &[AccountId]) -> Result<Vec<(AccountId, f64)>, LedgerError> {
        let lanes: Vec<i32> = lanes.iter().map(|lane| lane.0).collect();
        let rows = sqlx::query_file!("src/sql/oldest_due.sql", &lanes)
            .map(|row| (AccountId(row.lane), row.age_secs))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// Returns claims that were not begun; each is due again at its time.
    pub async fn release(&self, claims: &[(MessageId, i32, DateTime<Utc>)]) -> Result<(), LedgerError> {
        let mut claims = claims.to_vec();
        claims.sort_unstable();
        let ids: Vec<Uuid> = claims.iter().map(|claim| claim.0.0).collect();
        let epochs: Vec<i32> = claims.iter().map(|claim| claim.1).collect();
        let times: Vec<DateTime<Utc>> = claims.iter().map(|claim| claim.2).collect();
        retrying(|| async {
            sqlx::query_file!("src/sql/release.sql", &ids, &epochs, &times, EXPIRIES_SUSPECT)
                .execute(&self.pool)
                .await
        })
        .await?;
        Ok(())
    }
}
