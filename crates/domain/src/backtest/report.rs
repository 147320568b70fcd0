//! The answer of a simulation: counts before and after, and samples of what would change.
//!
//! No personal data: requests are named by their ids.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ids::Medium;

/// What a changed policy would have made of a company's requests.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = SimulationReport)]
pub struct BacktestReport {
    pub company: String,
    /// The version in force, which the changes are counted from.
    pub policy_version: i32,
    /// What differs between that version and the simulated one, a line each.
    pub changes: Vec<String>,
    /// Requests accepted from here on were counted.
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// Requests of the period, tests left out; those that could not be replayed are among them.
    pub requests: u64,
    /// Earlier requests that were read for who had been asked when the period began.
    pub read_before: u64,
    /// As the ledger has it, without what could not be replayed.
    pub before: Counts,
    /// As it would have been.
    pub after: Counts,
    /// Requests that would have come out otherwise, and how.
    pub changed: Changed,
    pub by_reason: Vec<ReasonCounts>,
    pub by_brand: Vec<BrandCounts>,
    pub by_week: Vec<WeekCounts>,
    pub samples: Vec<Sample>,
    /// Requests whose recorded outcome their own policy does not give again, or whose new one nobody can
    /// know. They are left out of all counts above.
    pub not_replayable: Vec<NotReplayable>,
    /// Jobs refused in the period: they never became requests and are not replayed.
    pub rejected_jobs: u64,
    /// What the counts go by.
    pub assumptions: Vec<&'static str>,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SimulationStanding)]
pub enum Standing {
    /// It went out, or may have.
    Sent,
    /// Still to be sent.
    Waiting,
    NotSent,
    /// It would not even have become a request.
    Rejected,
}

/// What becomes of a request, before or after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SimulationOutcome)]
pub struct Outcome {
    pub standing: Standing,
    /// Why it is not sent: a reason of the rules, or the problem of a rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub medium: Option<Medium>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
}

impl Outcome {
    #[must_use]
    pub fn not_sent(reason: &str) -> Outcome {
        Outcome { standing: Standing::NotSent, reason: Some(reason.to_owned()), medium: None, due_at: None }
    }

    #[must_use]
    pub fn rejected(code: String) -> Outcome {
        Outcome { standing: Standing::Rejected, reason: Some(code), medium: None, due_at: None }
    }

    #[must_use]
    pub fn goes_out(&self) -> bool {
        matches!(self.standing, Standing::Sent | Standing::Waiting)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SimulationCounts)]
pub struct Counts {
    pub sent: u64,
    pub waiting: u64,
    pub not_sent: u64,
    pub rejected: u64,
}

impl Counts {
    pub fn add(&mut self, standing: Standing) {
        match standing {
            Standing::Sent => self.sent += 1,
            Standing::Waiting => self.waiting += 1,
            Standing::NotSent => self.not_sent += 1,
            Standing::Rejected => self.rejected += 1,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SimulationChanged)]
pub struct Changed {
    pub newly_sent: u64,
    pub no_longer_sent: u64,
    /// Not sent either way, for another reason.
    pub other_reason: u64,
    pub other_medium: u64,
    /// Sent by the same medium at another time.
    pub other_time: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SimulationReasonCounts)]
pub struct ReasonCounts {
    pub reason: String,
    pub before: u64,
    pub after: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SimulationBrandCounts)]
pub struct BrandCounts {
    pub brand: String,
    pub before: Counts,
    pub after: Counts,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SimulationWeekCounts)]
pub struct WeekCounts {
    /// The Monday (UTC) of the week of acceptance.
    pub week: NaiveDate,
    pub before: Counts,
    pub after: Counts,
}

/// One request that would have come out otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = SimulationSample)]
pub struct Sample {
    pub request: uuid::Uuid,
    pub accepted_at: DateTime<Utc>,
    pub brand: String,
    pub before: Outcome,
    pub after: Outcome,
    /// What the rule that stops it went by.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub because: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = SimulationNotReplayable)]
pub struct NotReplayable {
    pub why: &'static str,
    pub explanation: &'static str,
    pub requests: u64,
    /// A few of them.
    pub samples: Vec<uuid::Uuid>,
}

/// Why a request is left out of the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExclusionReason {
    DecisionUnreadable,
    PolicyMissing,
    HeldByEarlier,
    HistoryDiffers,
    ExpiryExtended,
    BrandUnnamed,
    SentAgain,
}

impl ExclusionReason {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ExclusionReason::DecisionUnreadable => "decision_unreadable",
            ExclusionReason::PolicyMissing => "policy_missing",
            ExclusionReason::HeldByEarlier => "held_by_earlier",
            ExclusionReason::HistoryDiffers => "history_differs",
            ExclusionReason::ExpiryExtended => "expiry_extended",
            ExclusionReason::BrandUnnamed => "brand_unnamed",
            ExclusionReason::SentAgain => "sent_again",
        }
    }

    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            ExclusionReason::DecisionUnreadable => "its stored decision cannot be read by this version",
            ExclusionReason::PolicyMissing => {
                "the policy that it was decided by cannot be read by this version"
            }
            ExclusionReason::HeldByEarlier => {
                "its person was held by a request that is not in the history that was read, or that was left out itself"
            }
            ExclusionReason::HistoryDiffers => {
                "the policy of its time does not give the recorded outcome again: something that is not stored played a part"
            }
            ExclusionReason::ExpiryExtended => {
                "it expired unsent, and nobody knows whether it would have gone out in the longer time"
            }
            ExclusionReason::SentAgain => "a person had it sent once more, which no rule decides",
            ExclusionReason::BrandUnnamed => {
                "it is not stored whether the job named its brand, and whose a job without one is changes"
            }
        }
    }
}
