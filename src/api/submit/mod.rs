//! Handing in requests: `POST /v1/requests` and `POST /v1/requests/batch`.
//!
//! The bytes of each job go to intake as they are: parsing, idempotency and the record of a rejection are
//! the same as over AMQP, and concurrent calls share commits (`intake::jobs`). `one` and `batch` are the two
//! calls, `told` is what both answer, `job` describes what both take.

mod batch;
pub mod job;
mod one;
pub mod submission_answer;

use std::sync::Arc;

use axum::http::HeaderMap;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{Api, Caller, Problem, Scope};
use crate::intake::{InboundJob, inbound::EntryPoint};
use postrider_domain::{document::fields::LABEL_CHARS_MAX, job::JobOrigin};

const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(one::submit_job)).routes(routes!(batch::submit_batch))
}

/// A job as it came from this caller.
pub(super) fn inbound_job(caller: &Caller, path: &str, key: Option<String>, body: Vec<u8>) -> InboundJob {
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

/// A company younger than this worker's view of companies is looked for once more.
pub(super) async fn ensure_company_is_known(api: &Api, caller: &Caller) -> Result<(), Problem> {
    if api.company_cache.snapshot().company(&caller.slug).is_none() {
        api.company_cache.refresh().await?;
    }
    Ok(())
}

/// The key of the header: a string of visible characters, with or without quotes around it.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let refuse = || {
        let detail = format!(
            "Idempotency-Key must be given once and have 1 to {LABEL_CHARS_MAX} visible ASCII characters; nothing was changed"
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
