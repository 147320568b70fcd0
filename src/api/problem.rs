//! The body of every refused call: `application/problem+json` (RFC 9457), with every mistake by field path.
//!
//! The last part of `type` is a stable word for programs; `detail` is a sentence for people that names the remedy.
//! A problem never repeats sent values: they may be personal data.

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
    /// `urn:problem-type:postrider:` followed by a stable word.
    #[serde(rename = "type")]
    pub kind: String,
    /// The phrase of the status code.
    pub title: String,
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// The mistake of this call, and the remedy.
    pub detail: String,
    /// Every mistake of the sent fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<FieldProblem>,
    /// Seconds after which to try again.
    #[serde(skip)]
    pub retry_after_secs: Option<u64>,
}

/// One mistake of a sent field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Path as in `customer.email` or `tags[3]`; empty for the whole document.
    pub field: String,
    /// A stable word for programs.
    pub code: String,
    /// A sentence for people that names the remedy.
    pub message: String,
}

impl From<document::Problem> for FieldProblem {
    fn from(problem: document::Problem) -> FieldProblem {
        FieldProblem { field: problem.path, code: problem.code, message: problem.message }
    }
}

impl FieldProblem {
    /// A mistake with its stable code and its sentence.
    pub fn new(field: impl Into<String>, code: &str, message: impl Into<String>) -> FieldProblem {
        FieldProblem { field: field.into(), code: code.to_owned(), message: message.into() }
    }
}

impl Problem {
    /// A problem of the type `word`, without field mistakes.
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

    /// 422 with every mistake by field path.
    pub fn unprocessable<P: Into<FieldProblem>>(problems: impl IntoIterator<Item = P>) -> Problem {
        let detail = "the sent fields are not valid; nothing was changed; correct every field in `problems`";
        Problem {
            problems: problems.into_iter().map(Into::into).collect(),
            ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", detail)
        }
    }

    /// 400: the call itself is malformed.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// 401: no API key, or an unknown one.
    #[must_use]
    pub fn unauthorized(detail: &str) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 403: the key may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404: the caller's company has no such object.
    #[must_use]
    pub fn not_found() -> Problem {
        let detail = "no such path or object; check the path and its ids";
        Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 405: the path exists, but not with this method.
    #[must_use]
    pub fn method_not_allowed() -> Problem {
        let detail = "this path does not accept the method; see the header allow, or /docs";
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// 409: the call conflicts with the stored state.
    pub fn conflict(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// 429: more calls than the rate limit of the key.
    #[must_use]
    pub fn too_many(retry_after_secs: u64) -> Problem {
        let detail = format!("this API key exceeded its rate limit; try again in {retry_after_secs} s");
        Problem {
            retry_after_secs: Some(retry_after_secs),
            ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_calls", detail)
        }
    }

    /// 503: temporarily unavailable; the same call may be repeated.
    #[must_use]
    pub fn unavailable(retry_after_secs: u64) -> Problem {
        let detail = "the service cannot answer this call now; repeat the same call later";
        Problem {
            retry_after_secs: Some(retry_after_secs),
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
        }
    }
}

/// A ledger error is not the caller's mistake: it is logged here and answered with 503.
impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Problem {
        tracing::warn!(%error, "API call failed on the database, answered 503");
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
