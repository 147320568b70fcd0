//! The decision of the rules, in the form that is stored with the request and printed by `why`.
//!
//! Compact on purpose: one row per request holds it. Absent fields are left out of the JSON. Field names and
//! reason words are stored: never change them.

use std::ops::Not;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{AccountId, Medium},
    lifecycle::Reason,
};

use super::{Case, MemberFact};

/// Send at `due_at`, or suppress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Send at the due time.
    Send,
    /// Never send, for this reason.
    Suppress(Reason),
}

/// One medium that could reach the customer, with the account that would carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The medium of delivery.
    pub medium: Medium,
    /// Normalised address.
    pub address: String,
    /// The account that would send.
    pub account: AccountId,
}

/// The result of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's stored name.
    pub rule: String,
    /// The reason for which this rule stops the request; absent: it passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops: Option<Reason>,
    /// The inputs of the rule, for people. Holds no address and no name, except in the written reason of an
    /// override.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Earliest time at which the rule could pass; absent where it passes or never will by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes_at: Option<DateTime<Utc>>,
}

impl Finding {
    /// A finding that passes.
    #[must_use]
    pub fn pass(rule: &str, note: impl Into<String>) -> Finding {
        Finding { rule: rule.to_owned(), stops: None, note: note.into(), passes_at: None }
    }

    /// A finding that stops the request.
    #[must_use]
    pub fn stop(rule: &str, reason: Reason, note: impl Into<String>) -> Finding {
        Finding { rule: rule.to_owned(), stops: Some(reason), note: note.into(), passes_at: None }
    }
}

/// The decision about one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// By the first rule that stops.
    pub verdict: Verdict,
    /// The medium chosen; of a suppressed request the one that would have been first.
    #[serde(skip)]
    pub candidate: Option<Candidate>,
    /// First time of sending.
    pub due_at: DateTime<Utc>,
    /// End of the time in which the message may be sent.
    pub expires_at: DateTime<Utc>,
    /// Version of the company's policy.
    pub policy_version: i32,
    /// Time of the facts.
    pub decided_at: DateTime<Utc>,
    /// The finding of each rule, in order.
    pub trail: Vec<Finding>,
    /// The inputs that are stored for a backtest.
    #[serde(default, skip_serializing_if = "Inputs::is_empty")]
    pub inputs: Inputs,
}

/// Inputs of the rules that are stored nowhere else, so that a backtest can decide again; most requests have
/// none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inputs {
    /// The job's delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_secs: Option<u32>,
    /// The job's earliest time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_after: Option<DateTime<Utc>>,
    /// The job's expiry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_after_secs: Option<u32>,
    /// Block bits of both addresses, by medium code, whichever of them was a candidate.
    #[serde(skip_serializing_if = "no_blocks")]
    pub block_bits: [i32; 2],
    /// The team member was known and not approved.
    #[serde(skip_serializing_if = "Not::not")]
    pub unapproved: bool,
}

impl Inputs {
    pub(super) fn new(case: &Case) -> Inputs {
        Inputs {
            delay_secs: case.job.delay_secs,
            send_after: case.job.send_after,
            expires_after_secs: case.job.expires_after_secs,
            block_bits: case.facts.block_bits,
            unapproved: matches!(case.facts.member, MemberFact::Found { approved: false }),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Inputs::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn no_blocks(bits: &[i32; 2]) -> bool {
    *bits == [0, 0]
}

impl Decision {
    /// The reason of a suppressed request.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self.verdict {
            Verdict::Send => None,
            Verdict::Suppress(reason) => Some(reason),
        }
    }

    /// When every rule could pass; `None` where one never will by itself.
    #[must_use]
    pub fn could_pass_at(&self) -> Option<DateTime<Utc>> {
        let stopping = self.trail.iter().filter(|finding| finding.stops.is_some());
        stopping
            .map(|finding| finding.passes_at)
            .try_fold(self.decided_at, |latest, at| Some(latest.max(at?)))
    }
}
