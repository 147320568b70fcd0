//! Error alerts: the recipients, and the share of refused jobs from which an alert is sent.
//!
//! PURE. Reads the `alerts` table of the company's file and answers whether an alert is due.

use serde::{Deserialize, Serialize};

use crate::{
    address::normalise_email,
    document::fields::{Fields, Problems, read_text},
};

pub(super) const FIELDS: &[&str] = &["emails", "rejected_share_percent", "rejected_min"];
const EMAILS_MAX: usize = 20;
const EMAIL_CHARS_MAX: usize = 320;
const REJECTED_MAX: i64 = 1_000_000;

/// Settings of the alert about refused jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// Recipients; empty: no alerts.
    pub emails: Vec<String>,
    /// An alert is sent above this share of an hour's jobs, in percent.
    pub rejected_share_percent: u32,
    /// Fewest refused jobs of an hour for an alert.
    pub rejected_min: u32,
}

impl Default for Alerts {
    fn default() -> Alerts {
        Alerts { emails: Vec::new(), rejected_share_percent: 5, rejected_min: 1 }
    }
}

impl Alerts {
    /// Whether an hour with these counts is worth an alert.
    #[must_use]
    pub fn is_due(&self, rejected: u64, accepted: u64) -> bool {
        rejected >= u64::from(self.rejected_min) && accepted < self.accepted_enough(rejected)
    }

    /// The number of accepted jobs from which `rejected` jobs are a small share.
    #[must_use]
    pub fn accepted_enough(&self, rejected: u64) -> u64 {
        let share = u64::from(self.rejected_share_percent.clamp(1, 100));
        rejected.saturating_mul(100 - share).div_ceil(share)
    }
}

pub(super) fn read(company: &Fields, problems: &mut Problems) -> Alerts {
    let usual = Alerts::default();
    let Some(node) = company.get("alerts") else { return usual };
    let Some(fields) = Fields::open(&company.at("alerts"), node, FIELDS, problems) else { return usual };
    let mut emails: Vec<String> = Vec::new();
    for (path, item) in fields.list("emails", EMAILS_MAX, problems) {
        let Some(text) = read_text(&path, item, EMAIL_CHARS_MAX, problems) else { continue };
        match normalise_email(&text) {
            Ok(email) if emails.iter().any(|known| known.eq_ignore_ascii_case(&email)) => {
                problems.add(path, "duplicate", "the address is listed twice, keep one");
            }
            Ok(email) => emails.push(email),
            Err(problem) => problems.add(path, "bad_address", problem.to_string()),
        }
    }
    let share = fields.number("rejected_share_percent", 1..=100, problems);
    let least = fields.number("rejected_min", 1..=REJECTED_MAX, problems);
    Alerts {
        emails,
        rejected_share_percent: share.unwrap_or(usual.rejected_share_percent),
        rejected_min: least.unwrap_or(usual.rejected_min),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_share_and_at_least_the_minimum_are_worth_an_alert() {
        let usual = Alerts::default();
        for (rejected, accepted, due) in [
            (0, 0, false),
            (0, 100, false),
            // The only one of an hour: all of its jobs.
            (1, 0, true),
            (1, 18, true),
            (1, 19, false),
            (5, 94, true),
            // Five of a hundred are not more than five percent.
            (5, 95, false),
            (100, 1_899, true),
            (100, 1_900, false),
        ] {
            assert_eq!(usual.is_due(rejected, accepted), due, "{rejected} rejected, {accepted} accepted");
        }
        let patient = Alerts { rejected_min: 5, ..usual.clone() };
        assert!(!patient.is_due(4, 0) && patient.is_due(5, 0));
        let all = Alerts { rejected_share_percent: 100, ..usual };
        assert!(!all.is_due(1_000, 0), "more than all of them there never are");
    }
}
