//! The paths of all simulated HTTP providers.
//!
//! `/_simulator/…` is the simulator's own: the journal as JSON lines, and counters. An unknown path under `/v3`
//! answers as the real Mailgun does: 200 and a text that is no answer.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use crate::{
    http_answer::{json_response, text_response},
    http_request::SharedState,
    mailgun,
    records::{Provider, Verdict},
    state::SimulatorState,
    twilio,
};

pub(crate) fn router(state: Arc<SimulatorState>) -> Router {
    Router::new()
        .route("/v3/{domain}/messages", post(mailgun::send_form))
        .route("/v3/{domain}/messages.mime", post(mailgun::send_mime))
        .route("/v3/{domain}/events", get(mailgun::events))
        .route("/v3/{domain}/events/{page}", get(mailgun::events_page))
        .route("/v1/analytics/logs", post(mailgun::logs))
        .route("/2010-04-01/Accounts/{sid}/Messages.json", get(twilio::list).post(twilio::create))
        .route("/2010-04-01/Accounts/{sid}/Messages/{file}", get(twilio::fetch))
        .route("/_simulator/journal", get(journal))
        .route("/_simulator/stats", get(stats))
        .fallback(unknown_path)
        .with_state(state)
}

async fn unknown_path(State(state): SharedState, uri: Uri) -> Response {
    let is_mailgun = uri.path().starts_with("/v3");
    if state.faults.is_out(if is_mailgun { Provider::Mailgun } else { Provider::Twilio }) {
        json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "message": "Service Unavailable" }))
    } else if is_mailgun {
        text_response(StatusCode::OK, "text/plain", "Mailgun Magnificent API")
    } else {
        twilio::not_found()
    }
}

async fn journal(State(state): SharedState) -> Response {
    let mut text = String::new();
    for accepted in state.journal.read().accepted() {
        text.push_str(&json!(accepted).to_string());
        text.push('\n');
    }
    ([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response()
}

async fn stats(State(state): SharedState) -> Response {
    let mut by_provider = BTreeMap::new();
    for provider in Provider::ALL {
        let (mut accepted, mut refused, mut none) = (0u64, 0u64, 0u64);
        let log = state.journal.read();
        for call in log.calls().iter().filter(|call| call.provider == provider) {
            match call.verdict {
                Verdict::Accepted => accepted += 1,
                Verdict::Refused(_) => refused += 1,
                Verdict::None => none += 1,
            }
        }
        let in_journal = log.accepted().iter().filter(|message| message.provider == provider).count();
        by_provider.insert(
            provider.as_str(),
            json!({ "accepted": accepted, "refused": refused, "none": none, "journal": in_journal }),
        );
    }
    let webhooks = json!({ "posted": state.webhooks.posted(), "pending": state.webhooks.pending() });
    json_response(StatusCode::OK, &json!({ "calls": by_provider, "webhooks": webhooks }))
}
