//! What a refused call is told: `application/problem+json` (RFC 9457), with every problem by field path.
//!
//! The type's last word is stable and for programs; the detail is for people and names the remedy. No
//! problem repeats what was sent: it may be personal.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use postrider_domain::document;
use postrider_ledger::LedgerError;

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:problem-type:postrider:` and a stable word.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is wrong with this call and what to do about it.
    pub detail: String,
    /// Every mistake in what was sent, by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<FieldProblem>,
    /// Seconds after which to try again.
    #[serde(skip)]
    pub retry_after_secs: Option<u64>,
}

/// One mistake in what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Path as in `customer.email` or `tags[3]`; empty for the whole.
    pub field: String,
    /// A stable word for programs.
    pub code: String,
    /// For people, with the remedy.
    pub message: String,
}

impl From<document::Problem> for FieldProblem {
    fn from(problem: document::Problem) -> FieldProblem {
        FieldProblem { field: problem.path, code: problem.code, message: problem.message }
    }
}

impl FieldProblem {
    pub fn new(field: impl Into<String>, code: &str, message: impl Into<String>) -> FieldProblem {
        FieldProblem { field: field.into(), code: code.to_owned(), message: message.into() }
    }
}

impl Problem {
    /// Any other than the named ones below.
    pub fn new(status: StatusCode, word: &str, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("urn:problem-type:postrider:{word}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            problems: Vec::new(),
            retry_after_secs: None,
        }
    }

    /// 422 with every problem by field path.
    pub fn unprocessable<P: Into<FieldProblem>>(problems: impl IntoIterator<Item = P>) -> Problem {
        let detail = "what was sent cannot be taken as it is; nothing was changed; mend every field named";
        Problem {
            problems: problems.into_iter().map(Into::into).collect(),
            ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", detail)
        }
    }

    /// 400: the call itself is malformed.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// 401: no key, or none of ours.
    #[must_use]
    pub fn unauthorized(detail: &str) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 403: the key may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404: there is no such thing in the caller's company.
    #[must_use]
    pub fn not_found() -> Problem {
        let detail = "there is no such thing here; check the path and its ids";
        Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 405: the path is right and the method is not.
    #[must_use]
    pub fn method_not_allowed() -> Problem {
        let detail = "this path does not take that method; see the header allow, or /docs";
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// 409: it stands in the way of what is there.
    pub fn conflict(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// 429: more calls than the key's share.
    #[must_use]
    pub fn too_many(retry_after_secs: u64) -> Problem {
        let detail =
            format!("this key has made more calls than its share; try again in {retry_after_secs} s");
        Problem {
            retry_after_secs: Some(retry_after_secs),
            ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_calls", detail)
        }
    }

    /// 503: not now; the same call again will be taken once.
    #[must_use]
    pub fn unavailable(retry_after_secs: u64) -> Problem {
        let detail = "it cannot be taken just now; send the same again later";
        Problem {
            retry_after_secs: Some(retry_after_secs),
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
        }
    }
}

/// The database's trouble is nobody's mistake: logged here, told as 503.
impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Problem {
        tracing::warn!(%error, "a call could not be answered");
        Problem::unavailable(2)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).expect("a problem is plain data");
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(secs) = self.retry_after_secs {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey"));
        }
        response
    }
}
