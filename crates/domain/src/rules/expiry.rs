//! Rule 8, expiry: how long after its first due time a request may still go out.
//!
//! Never stops a request by itself; begin's fence and the sweeper end what it bounds.

use chrono::{DateTime, Duration, Utc};

use super::{Case, Finding};

/// The end of the request's time, and the rule's finding.
pub(super) fn expires(case: &Case, due_at: DateTime<Utc>) -> (DateTime<Utc>, Finding) {
    let (secs, source) = match case.job.expires_after_secs {
        Some(secs) => (secs, "the job's"),
        None => (case.company.policy.expires_after_secs, "the company's"),
    };
    let expires_at = due_at + Duration::seconds(i64::from(secs));
    (expires_at, Finding::pass("expiry", format!("{source} {secs} s: until {expires_at}")))
}
