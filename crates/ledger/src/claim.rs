//! Claim: what is due, delayed, retried or orphaned, from all open lanes at once; and giving back.
//!
//! A claim is a lease with an epoch. Only `claim`, `claim_suspect` and `accept` make one; only `begin` uses
//! it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, accept::LeaseTerms, quarantine::LAPSES_SUSPECT, retrying};
use postrider_domain::{
    content::PlainEmail,
    ids::{AccountId, CompanyId, Medium, MessageId},
};

/// How much to claim from one lane, and from which due time on.
#[derive(Debug, Clone, Copy)]
pub struct LaneDemand {
    pub lane: AccountId,
    pub count: i32,
    /// No due row before it is looked at; the dawn of time for a full look.
    pub floor: DateTime<Utc>,
}

/// A claimed message with what its text is made of.
#[derive(Debug, Clone)]
pub struct Due {
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
    /// An alert's text; customers' are made of the above.
    pub letter: Option<PlainEmail>,
}

/// As selected, field for column.
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
    /// `None` for a damaged row: it must not take the others of its claim with it, its own lease will lapse.
    fn due(self) -> Option<Due> {
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
        Some(Due {
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
    pub async fn claim(&self, wishes: &[LaneDemand], lease: LeaseTerms) -> Result<Vec<Due>, LedgerError> {
        let lanes: Vec<i32> = wishes.iter().map(|wish| wish.lane.0).collect();
        let counts: Vec<i32> = wishes.iter().map(|wish| wish.count).collect();
        let floors: Vec<DateTime<Utc>> = wishes.iter().map(|wish| wish.floor).collect();
        let rows = retrying(|| async {
            sqlx::query_file_as!(
                Row,
                "src/sql/claim.sql",
                &lanes,
                &counts,
                &floors,
                lease.id,
                lease.worker,
                lease.secs
            )
            .fetch_all(&self.pool)
            .await
        })
        .await?;
        Ok(rows.into_iter().filter_map(Row::due).collect())
    }

    /// Claims the oldest suspect of these lanes, to be tried alone.
    pub async fn claim_suspect(
        &self,
        lanes: &[AccountId],
        lease: LeaseTerms,
    ) -> Result<Option<Due>, LedgerError> {
        let lanes: Vec<i32> = lanes.iter().map(|lane| lane.0).collect();
        let row = retrying(|| async {
            sqlx::query_file_as!(Row, "src/sql/claim_suspect.sql", &lanes, lease.id, lease.worker, lease.secs)
                .fetch_optional(&self.pool)
                .await
        })
        .await?;
        Ok(row.and_then(Row::due))
    }

    /// How long the oldest due message of each lane has waited, in seconds; claimed ones not counted.
    pub async fn oldest_due(&self, lanes: &[AccountId]) -> Result<Vec<(AccountId, f64)>, LedgerError> {
        let lanes: Vec<i32> = lanes.iter().map(|lane| lane.0).collect();
        let rows = sqlx::query_file!("src/sql/oldest_due.sql", &lanes)
            .map(|row| (AccountId(row.lane), row.age_secs))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// Gives claims back that were not begun; each is due again at the time that comes with it.
    pub async fn release(&self, claims: &[(MessageId, i32, DateTime<Utc>)]) -> Result<(), LedgerError> {
        let mut claims = claims.to_vec();
        claims.sort_unstable();
        let ids: Vec<Uuid> = claims.iter().map(|claim| claim.0.0).collect();
        let epochs: Vec<i32> = claims.iter().map(|claim| claim.1).collect();
        let times: Vec<DateTime<Utc>> = claims.iter().map(|claim| claim.2).collect();
        retrying(|| async {
            sqlx::query_file!("src/sql/release.sql", &ids, &epochs, &times, LAPSES_SUSPECT)
                .execute(&self.pool)
                .await
        })
        .await?;
        Ok(())
    }
}
