//! The paths of all simulated HTTP providers, and what every handler needs from a call first.
//!
//! Bodies are bounded in size and time, because hyper bounds neither (docs/dependency-hazards.md#f12).
//! `/_simulator/…` is the simulator's own: the ledger as JSON lines, and counters. An unknown path under `/v3`
//! answers as the real Mailgun does: 200 and a text that is no answer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;

use super::{
    http_answer::{json_response, text_response},
    mailgun,
    records::{Provider, Verdict},
    state::SimulatorState,
    twilio,
};

pub(super) type Shared = State<Arc<SimulatorState>>;
/// Names and values as they came: repeats and blanks kept.
pub(super) type Pairs = Vec<(String, String)>;

const BODY_BYTES_MAX: usize = 25 * 1024 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn router(house: Arc<SimulatorState>) -> Router {
    Router::new()
        .route("/v3/{domain}/messages", post(mailgun::take_form))
        .route("/v3/{domain}/messages.mime", post(mailgun::take_mime))
        .route("/v3/{domain}/events", get(mailgun::events))
        .route("/v3/{domain}/events/{page}", get(mailgun::events_page))
        .route("/v1/analytics/logs", post(mailgun::logs))
        .route("/2010-04-01/Accounts/{sid}/Messages.json", get(twilio::list).post(twilio::create))
        .route("/2010-04-01/Accounts/{sid}/Messages/{file}", get(twilio::fetch))
        .route("/_simulator/ledger", get(ledger))
        .route("/_simulator/stats", get(stats))
        .fallback(unknown_path)
        .with_state(house)
}

/// The whole body, or the answer to one too large or too slow.
pub(super) async fn read_body(body: Body) -> Result<Bytes, Response> {
    let reading = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(problem)) if problem.is::<LengthLimitError>() => Err(json_response(
            StatusCode::PAYLOAD_TOO_LARGE,
            &json!({ "message": "Request Entity Too Large" }),
        )),
        Ok(Err(_)) => Err(json_response(StatusCode::BAD_REQUEST, &json!({ "message": "body unreadable" }))),
        Err(_) => Err(json_response(StatusCode::REQUEST_TIMEOUT, &json!({ "message": "body too slow" }))),
    }
}

pub(super) fn pairs(form: &[u8]) -> Pairs {
    form_urlencoded::parse(form).into_owned().collect()
}

pub(super) fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// User and password of HTTP Basic.
pub(super) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = STANDARD.decode(text.strip_prefix("Basic ")?.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    decoded.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

async fn unknown_path(State(house): Shared, uri: Uri) -> Response {
    let mailgun = uri.path().starts_with("/v3");
    if house.is_out(if mailgun { Provider::Mailgun } else { Provider::Twilio }) {
        json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "message": "Service Unavailable" }))
    } else if mailgun {
        text_response(StatusCode::OK, "text/plain", "Mailgun Magnificent API")
    } else {
        twilio::not_found(uri.path())
    }
}

async fn ledger(State(house): Shared) -> Response {
    let mut text = String::new();
    for accepted in house.book().accepted() {
        text.push_str(&json!(accepted).to_string());
        text.push('\n');
    }
    ([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response()
}

async fn stats(State(house): Shared) -> Response {
    let mut by_provider = BTreeMap::new();
    for provider in Provider::ALL {
        let (mut accepted, mut refused, mut unanswered, mut in_ledger) = (0u64, 0u64, 0u64, 0u64);
        let book = house.book();
        for call in book.calls().iter().filter(|call| call.provider == provider) {
            match call.verdict {
                Verdict::Accepted => accepted += 1,
                Verdict::Refused(_) => refused += 1,
                Verdict::None => unanswered += 1,
            }
        }
        in_ledger += book.accepted().iter().filter(|entry| entry.provider == provider).count() as u64;
        by_provider.insert(
            provider.as_str(),
            json!({ "accepted": accepted, "refused": refused, "none": unanswered, "ledger": in_ledger }),
        );
    }
    let webhooks =
        json!({ "posted": house.courier.posted_count(), "pending": house.courier.pending_count() });
    json_response(StatusCode::OK, &json!({ "calls": by_provider, "webhooks": webhooks }))
}
