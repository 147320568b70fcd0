//! Rule 6, the delay: the job's, else the channel's, the brand's, the company's.
//!
//! If `send_after` and `delay_secs` are both given, the later one counts; a time in the past means now. Due
//! times are in the ledger, so a delayed request costs nothing while it waits.

use chrono::{DateTime, Duration, Utc};

use super::{Case, Finding};

const RULE: &str = "delay";

/// The first due time, and the rule's finding.
pub(super) fn due(case: &Case) -> (DateTime<Utc>, Finding) {
    let now = case.facts.now;
    let (secs, source) = match (case.job.delay_secs, case.job.send_after) {
        (Some(secs), _) => (secs, "the job's"),
        (None, Some(_)) => (0, "the job's send_after"),
        (None, None) => configured(case),
    };
    let delayed = now + Duration::seconds(i64::from(secs));
    let due_at = case.job.send_after.map_or(delayed, |at| at.max(delayed));
    let note = if due_at > now { format!("{source}: due at {due_at}") } else { "due at once".to_owned() };
    (due_at, Finding::pass(RULE, note))
}

fn configured(case: &Case) -> (u32, &'static str) {
    if let Some(secs) = case.placed.channel.delay_secs {
        (secs, "the channel's")
    } else if let Some(secs) = case.placed.brand.delay_secs {
        (secs, "the brand's")
    } else {
        (case.company.policy.delay_secs, "the company's")
    }
}
