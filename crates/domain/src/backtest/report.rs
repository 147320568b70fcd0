//! The report of a backtest: counts before and after, and samples of changed requests.
//!
//! No personal data: requests are named by their ids.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ids::Medium;

/// The outcomes of a company's requests under a changed policy, compared with the recorded ones.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = SimulationReport)]
pub struct BacktestReport {
    pub company: String,
    /// The policy version in force, the base of `changes`.
    pub policy_version: i32,
    /// The differences between that version and the changed policy, a line each.
    pub changes: Vec<String>,
    /// Requests accepted from here on count.
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// Requests of the period without tests; requests that could not be replayed are included.
    pub requests: u64,
    /// Earlier requests that were read for the reservations at the start of the period.
    pub read_before: u64,
    /// The recorded outcomes, without requests that could not be replayed.
    pub before: Counts,
    /// The outcomes under the changed policy.
    pub after: Counts,
    /// Requests with another outcome, by kind of change.
    pub changed: Changed,
    pub by_reason: Vec<ReasonCounts>,
    pub by_brand: Vec<BrandCounts>,
    pub by_week: Vec<WeekCounts>,
    pub samples: Vec<Sample>,
    /// Requests without a reproducible recorded outcome or with an unknowable new one. All counts above exclude
    /// them.
    pub not_replayable: Vec<NotReplayable>,
    /// Jobs refused in the period: they never became requests and are not replayed.
    pub rejected_jobs: u64,
    /// The assumptions of the replay.
    pub assumptions: Vec<&'static str>,
}

/// The kind of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SimulationStanding)]
pub enum Standing {
    /// It was sent, or may have been.
    Sent,
    /// Still to be sent.
    Waiting,
    NotSent,
    /// The job would have been rejected.
    Rejected,
}

/// The outcome of a request, before or after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SimulationOutcome)]
pub struct BacktestOutcome {
    pub standing: Standing,
    /// The reason for not sending: of the rules, or the code of a rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub medium: Option<Medium>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
}

impl BacktestOutcome {
    #[must_use]
    pub fn not_sent(reason: &str) -> BacktestOutcome {
        BacktestOutcome {
            standing: Standing::NotSent,
            reason: Some(reason.to_owned()),
            medium: None,
            due_at: None,
        }
    }

    #[must_use]
    pub fn rejected(code: String) -> BacktestOutcome {
        BacktestOutcome { standing: Standing::Rejected, reason: Some(code), medium: None, due_at: None }
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

/// One request with another outcome.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = SimulationSample)]
pub struct Sample {
    pub request: uuid::Uuid,
    pub accepted_at: DateTime<Utc>,
    pub brand: String,
    pub before: BacktestOutcome,
    pub after: BacktestOutcome,
    /// The note of the rule that stops it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub because: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = SimulationNotReplayable)]
pub struct NotReplayable {
    pub why: &'static str,
    pub explanation: &'static str,
    pub requests: u64,
    /// The ids of a few of them.
    pub samples: Vec<uuid::Uuid>,
}

/// The reason for excluding a request from the counts.
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
            ExclusionReason::PolicyMissing => "its recorded policy cannot be read by this version",
            ExclusionReason::HeldByEarlier => {
                "its reservation was held by a request that was not read or was excluded itself"
            }
            ExclusionReason::HistoryDiffers => {
                "the recorded policy does not reproduce the recorded outcome: an input that is not stored played a part"
            }
            ExclusionReason::ExpiryExtended => {
                "it expired unsent, and it is unknown whether it would have been sent in the longer time"
            }
            ExclusionReason::SentAgain => "it was retried manually, which no rule decides",
            ExclusionReason::BrandUnnamed => {
                "it is not stored whether the job named its brand, and the brand of a job without one changes"
            }
        }
    }
}
