//! Twilio's `POST …/Messages.json`: a form in, the queued message out.
//!
//! Checks run in Twilio's order: credentials, presence, sender, recipient, opt-out. `message` builds the answer,
//! `errors` the refusals.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{
    errors::{error, recipient_code, refusal_code, refuse_wrong_credentials, sender_code},
    message,
};
use crate::{
    accept::accept,
    call_plan::{AnswerPlan, CallPlan, Refusal},
    clock,
    connection::Connection,
    http_answer::{answer_accepted, reset, text_response},
    http_request::{self, Fields, SharedState, value},
    records::{AcceptanceDetail, Correlation, IncomingMessage, Provider},
    state::{PlannedCall, SimulatorState},
};

const BODY_CHARS_MAX: usize = 1_600;

pub(crate) async fn create(
    State(state): SharedState,
    Path(account): Path<String>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let body = match http_request::read_body(body).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    if let Some(answer) = refuse_wrong_credentials(&state, &account, &headers) {
        return answer;
    }
    let form = http_request::parse_fields(&body);
    let Some(to) = given(&form, "To") else { return error(21604) };
    let callback = given(&form, "StatusCallback");
    let call = state.begin_call(Provider::Twilio, to, &correlation(callback));
    state.faults.wait_latency().await;
    // During an outage nothing of the call is checked.
    let is_out = call.plan == CallPlan::Refuse(Refusal::Outage);
    let invalid = if is_out { None } else { parameter_error(&state, &account, &form) };
    let (code, answer) = match (invalid, call.plan) {
        (Some(code), _) => (code.to_string(), error(code)),
        (None, CallPlan::Refuse(refusal)) => refuse(refusal),
        (None, CallPlan::Reset) => return reset(&connection).await,
        (None, CallPlan::Accept(answer_plan)) => {
            return accept_and_answer(&state, &connection, (answer_plan, call), account, &form, &body).await;
        }
    };
    state.refuse_call(&call, code);
    answer
}

async fn accept_and_answer(
    state: &Arc<SimulatorState>,
    connection: &Connection,
    (answer_plan, call): (AnswerPlan, PlannedCall),
    account: String,
    form: &Fields,
    body: &[u8],
) -> Response {
    let callback = given(form, "StatusCallback");
    let sid = format!("SM{}", clock::random_id().simple());
    let message = IncomingMessage {
        provider: Provider::Twilio,
        provider_id: sid.clone(),
        recipient: given(form, "To").unwrap_or_default().to_owned(),
        from: given(form, "From").unwrap_or_default().to_owned(),
        text_or_subject: given(form, "Body").unwrap_or_default().to_owned(),
        correlation: correlation(callback),
        detail: AcceptanceDetail {
            account,
            callback: callback.map(str::to_owned),
            service: given(form, "MessagingServiceSid").map(str::to_owned),
            ..AcceptanceDetail::default()
        },
        raw: body.to_vec(),
    };
    let proper = message::queued(&message, clock::now());
    if let Err(problem) = accept(state, message, call).await {
        tracing::error!(%problem, "accept simulated SMS");
        return error(20500);
    }
    answer_accepted(state, connection, (answer_plan, call), StatusCode::CREATED, proper).await
}

/// A field that is present and not empty.
fn given<'a>(form: &'a Fields, name: &str) -> Option<&'a str> {
    value(form, name).filter(|text| !text.is_empty())
}

/// The code of the first invalid parameter.
fn parameter_error(state: &SimulatorState, account: &str, form: &Fields) -> Option<u32> {
    let Some(body) = given(form, "Body") else { return Some(21602) };
    if body.chars().count() > BODY_CHARS_MAX {
        return Some(21617);
    }
    let from = given(form, "From");
    if from.is_none() && given(form, "MessagingServiceSid").is_none() {
        return Some(21603);
    }
    let is_url =
        |text: &str| reqwest::Url::parse(text).is_ok_and(|url| url.has_host() && !text.contains('_'));
    if given(form, "StatusCallback").is_some_and(|text| !is_url(text)) {
        return Some(21609);
    }
    let to = given(form, "To").unwrap_or_default();
    let opted_out = state.journal.read().is_opted_out(from.unwrap_or_default(), to);
    from.and_then(|from| sender_code(account, from))
        .or_else(|| recipient_code(to))
        .or(opted_out.then_some(21610))
}

/// The correlation in the query of the callback URL.
fn correlation(callback: Option<&str>) -> Correlation {
    let without_fragment = callback.and_then(|url| url.split('#').next());
    let Some((_, query)) = without_fragment.and_then(|url| url.split_once('?')) else {
        return Correlation::default();
    };
    let query = http_request::parse_fields(query.as_bytes());
    Correlation::new(value(&query, "m"), value(&query, "a"))
}

/// The code for the journal, and the answer.
fn refuse(refusal: Refusal) -> (String, Response) {
    match refusal_code(refusal) {
        Some(code) => (code.to_string(), error(code)),
        None => {
            let page = "<!DOCTYPE html><html><body><h1>It works!</h1></body></html>";
            ("200".to_owned(), text_response(StatusCode::OK, "text/html", page))
        }
    }
}
