//! PURE: the text of a digest: how many jobs were refused, the most frequent mistakes, an example of each.
//!
//! Field paths, codes and ids only: what a job said is personal and stays where it is kept.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use crate::{company::Policy, content::Letter};

/// What was counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    pub rejected: u64,
    pub accepted: u64,
    pub now: DateTime<Utc>,
}

/// One kind of mistake.
#[derive(Debug, Clone)]
pub struct Mistake {
    /// Empty: the job as a whole.
    pub path: String,
    pub code: String,
    pub message: String,
    pub times: u64,
    pub example: Uuid,
}

pub fn digest(policy: &Policy, counted: Counted, mistakes: &[Mistake]) -> Letter {
    let Counted { rejected, accepted, now } = counted;
    let jobs = rejected + accepted;
    let subject = format!("{}: {rejected} of {jobs} jobs were rejected within an hour", policy.name);
    let mut text = format!(
        "In the hour before {}, {rejected} of {jobs} jobs of {} were rejected.\n\nWhat was wrong, most frequent first:\n",
        now.to_rfc3339_opts(SecondsFormat::Secs, true),
        policy.name,
    );
    for (place, mistake) in mistakes.iter().enumerate() {
        let Mistake { path, code, message, times, example } = mistake;
        let field = if path.is_empty() { "the job" } else { path };
        let _ = write!(
            text,
            "\n{}. {field}: {code} ({times} times)\n   {message}\n   for example rejected job {example}\n",
            place + 1
        );
    }
    let share = policy.alerts.rejected_share_percent;
    let slug = &policy.slug;
    let _ = write!(
        text,
        "\nRejected jobs are kept: `postrider rejected list --company {slug}` lists them, and they can be corrected and replayed.\n\
         This is sent at most once an hour, while more than {share} % of an hour's jobs are rejected.\n"
    );
    Letter::new(&subject, &text)
}
