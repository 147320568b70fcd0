//! What the rules said, in the form that is stored with the request and printed by `why`.
//!
//! Compact on purpose: one row per request holds it. Absent fields are left out of the JSON.

use std::ops::Not;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{AccountId, Medium},
    lifecycle::Reason,
};

use super::{Case, MemberFact};

/// Send at `due_at`, or keep back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Send,
    Suppress(Reason),
}

/// One medium that could reach the customer, with the account that would carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub medium: Medium,
    pub address: String,
    pub account: AccountId,
}

/// One rule's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub rule: String,
    /// The reason for which this rule keeps the request back; absent: it passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops: Option<Reason>,
    /// The inputs that it went by, for people; holds no address and no name, but for what a person wrote as
    /// the reason of an override.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// When it could pass next; absent where it passes or never will by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes_at: Option<DateTime<Utc>>,
}

impl Finding {
    #[must_use]
    pub fn pass(rule: &str, note: impl Into<String>) -> Finding {
        Finding { rule: rule.to_owned(), stops: None, note: note.into(), passes_at: None }
    }

    #[must_use]
    pub fn stop(rule: &str, reason: Reason, note: impl Into<String>) -> Finding {
        Finding { rule: rule.to_owned(), stops: Some(reason), note: note.into(), passes_at: None }
    }
}

/// The decision about one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub verdict: Verdict,
    /// The medium chosen; of a suppressed request the one that would have been first.
    #[serde(skip)]
    pub candidate: Option<Candidate>,
    pub due_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub policy_version: i32,
    pub decided_at: DateTime<Utc>,
    pub trail: Vec<Finding>,
    #[serde(default, skip_serializing_if = "Inputs::is_empty")]
    pub inputs: Inputs,
}

/// What the rules went by that nothing else keeps, so that a simulation can ask them again; most
/// requests have none of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inputs {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_secs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_after: Option<DateTime<Utc>>,
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
    pub(super) fn of(case: &Case) -> Inputs {
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
