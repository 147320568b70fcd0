//! The common parts of calls that submit jobs: entry point, company, and the header `Idempotency-Key`.
//!
//! `one`, `batch`, `preview` and `settings::rejected` use them; the bodies stay unparsed.

use axum::http::HeaderMap;

use crate::api::{ApiState, Caller, Problem, Scope};
use crate::intake::{InboundJob, inbound::EntryPoint};
use postrider_domain::{document::fields::LABEL_CHARS_MAX, job::JobOrigin};

/// Name of the header.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The job of this caller with its entry point; `path` is the route, `key` the idempotency key of the header.
pub(in crate::api) fn inbound_job(
    caller: &Caller,
    path: &str,
    key: Option<String>,
    body: Vec<u8>,
) -> InboundJob {
    InboundJob {
        body,
        company: Some(caller.slug.to_string()),
        routing: path.to_owned(),
        entry_point: EntryPoint::Http { test: !caller.live, manager: caller.scopes.contains(&Scope::Manage) },
        key,
        origin: JobOrigin::Automatic,
        suspect: None,
    }
}

/// Refreshes the company cache if it does not hold the caller's company yet.
///
/// # Errors
/// 503 if the ledger cannot be read.
pub(in crate::api) async fn ensure_company_is_known(api: &ApiState, caller: &Caller) -> Result<(), Problem> {
    if api.company_cache.snapshot().company(&caller.slug).is_none() {
        api.company_cache.refresh().await?;
    }
    Ok(())
}

/// The idempotency key of the header: visible ASCII characters, with or without quotes around them.
///
/// # Errors
/// 400 for any other value and for a repeated header.
pub(in crate::api) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let refuse = || {
        let detail = format!(
            "send one Idempotency-Key of 1 to {LABEL_CHARS_MAX} visible ASCII characters; nothing was changed"
        );
        Problem::bad_request(detail)
    };
    let text = value.to_str().map_err(|_| refuse())?.trim();
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = quoted.unwrap_or(text);
    let visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let good = visible && (1..=LABEL_CHARS_MAX).contains(&text.len()) && given.next().is_none();
    if good { Ok(Some(text.to_owned())) } else { Err(refuse()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(values: &[&str]) -> Result<Option<String>, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, value.parse().expect("a header's value"));
        }
        idempotency_key(&headers).map_err(|problem| problem.status)
    }

    #[test]
    fn a_key_is_given_once_quoted_or_not() {
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(key(&["order 7"]), Ok(Some("order 7".to_owned())));
        assert_eq!(key(&["\"8e03978e-40d5\""]), Ok(Some("8e03978e-40d5".to_owned())));
        for wrong in [&[""][..], &["\"\""], &["a", "a"], &["a\tb"], &["é"], &[&"x".repeat(256)]] {
            assert_eq!(key(wrong), Err(400), "{wrong:?}");
        }
    }
}
