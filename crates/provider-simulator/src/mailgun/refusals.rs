//! Mailgun's error answers, and the check of its API key.
//!
//! An invalid key is answered in plain text, everything else in JSON, as by the real one.

use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    call_plan::Refusal,
    clock,
    http_answer::{json_response, text_response},
    http_request::basic_credentials,
    state::SimulatorState,
};

const INVALID_TO: &str = "'to' parameter is not a valid address. please check documentation";

/// The answer to a missing or wrong API key.
pub(super) fn refuse_wrong_key(state: &SimulatorState, headers: &HeaderMap) -> Option<Response> {
    match basic_credentials(headers) {
        Some((user, key)) if user == "api" && key == state.settings.mailgun_api_key => None,
        Some(_) | None => Some(forbidden()),
    }
}

/// The answer to a planned refusal.
pub(super) fn refuse(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Busy => busy(),
        Refusal::Invalid => bad_request(INVALID_TO),
        Refusal::Misconfigured => forbidden(),
        Refusal::Spam | Refusal::OptedOut => bad_request("message content is not acceptable"),
        Refusal::Magnificent => text_response(StatusCode::OK, "text/plain", "Mailgun Magnificent API"),
        Refusal::Error => {
            json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "message": "Internal Server Error" }))
        }
        Refusal::Unavailable | Refusal::Outage => {
            json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "message": "Service Unavailable" }))
        }
    }
}

pub(super) fn bad_request(message: &str) -> Response {
    json_response(StatusCode::BAD_REQUEST, &json!({ "message": message }))
}

fn forbidden() -> Response {
    text_response(StatusCode::UNAUTHORIZED, "text/plain", "Forbidden")
}

fn busy() -> Response {
    let retry_at = clock::now() + chrono::Duration::seconds(2);
    let message = format!("request limit exceeded, try again after {}", retry_at.to_rfc2822());
    let limits = [("retry-after", "2".to_owned()), ("x-ratelimit-reset", retry_at.timestamp().to_string())];
    (limits, json_response(StatusCode::TOO_MANY_REQUESTS, &json!({ "message": message }))).into_response()
}
