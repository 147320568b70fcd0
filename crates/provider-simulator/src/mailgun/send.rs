//! Mailgun's sending: a form or a MIME message in, `Queued. Thank you.` out.
//!
//! One recipient a call: that is all that Postrider sends, and one ledger line is one message. A
//! proper Message-Id of the sender is kept, as the real one keeps it, and becomes the message's id.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    accept::Parcel,
    call_plan::{CallPlan, Refusal},
    connection::Connection,
    http_answer::{give, json_response, reset, text_response},
    mime, multipart,
    records::{Correlation, Detail, Provider, Verdict},
    routes::{self, Pairs, Shared, basic, value},
    state::SimulatorState,
};

const INVALID_TO: &str = "'to' parameter is not a valid address. please check documentation";

pub(crate) async fn take_form(
    State(house): Shared,
    Path(domain): Path<String>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (fields, body) = match read_fields(&house, &headers, body).await {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    let given_id = value(&fields, "h:Message-Id").and_then(mime::message_id).map(str::to_owned);
    let letter = match (value(&fields, "from"), value(&fields, "text").or(value(&fields, "html"))) {
        (Some(from), Some(_)) => Letter {
            given_id,
            from: from.to_owned(),
            subject: value(&fields, "subject").unwrap_or_default().to_owned(),
            raw: body.to_vec(),
        },
        (None, _) => return bad_request("from parameter is missing"),
        (_, None) => {
            return bad_request(
                "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified",
            );
        }
    };
    take(&house, &connection, domain, &fields, letter).await
}

pub(crate) async fn take_mime(
    State(house): Shared,
    Path(domain): Path<String>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (fields, body) = match read_fields(&house, &headers, body).await {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let parts = multipart::boundary(content_type).and_then(|boundary| multipart::parse(&body, boundary));
    let message =
        parts.unwrap_or_default().into_iter().find(|part| part.name == "message" && part.file_name.is_some());
    let Some(message) = message else { return bad_request("message parameter is missing") };
    let mime = message.content;
    let letter = Letter {
        given_id: mime::header(mime, "Message-ID").as_deref().and_then(mime::message_id).map(str::to_owned),
        from: mime::header(mime, "From").unwrap_or_default(),
        subject: mime::header(mime, "Subject").unwrap_or_default(),
        raw: mime.to_vec(),
    };
    take(&house, &connection, domain, &fields, letter).await
}

/// What both ways of sending come down to.
#[derive(Debug)]
struct Letter {
    given_id: Option<String>,
    from: String,
    subject: String,
    raw: Vec<u8>,
}

async fn read_fields(
    house: &SimulatorState,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Pairs, Bytes), Response> {
    let body = routes::read_body(body).await?;
    if let Some(answer) = refuse_key(house, headers) {
        return Err(answer);
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let Some(boundary) = multipart::boundary(content_type) else {
        let fields = routes::pairs(&body);
        return Ok((fields, body));
    };
    let Some(parts) = multipart::parse(&body, boundary) else {
        return Err(bad_request("multipart body is malformed"));
    };
    let fields = parts.into_iter().filter(|part| part.file_name.is_none());
    let fields = fields.map(|part| (part.name, String::from_utf8_lossy(part.content).into_owned())).collect();
    Ok((fields, body))
}

/// The answer to a wrong key, which is plain text.
pub(super) fn refuse_key(house: &SimulatorState, headers: &HeaderMap) -> Option<Response> {
    match basic(headers) {
        Some((user, key)) if user == "api" && key == house.fixed.mailgun_api_key => None,
        Some(_) | None => Some(forbidden()),
    }
}

async fn take(
    house: &Arc<SimulatorState>,
    connection: &Connection,
    domain: String,
    fields: &Pairs,
    letter: Letter,
) -> Response {
    let Some(to) = value(fields, "to") else { return bad_request("to parameter is missing") };
    let recipient = mime::address(to).to_owned();
    if recipient.contains(',') || fields.iter().filter(|(name, _)| name == "to").count() > 1 {
        return bad_request("the simulator takes one recipient a call");
    }
    let correlation = Correlation::new(value(fields, "v:m"), value(fields, "v:a")).or(letter
        .given_id
        .as_deref()
        .map(Correlation::from_message_id)
        .unwrap_or_default());
    let decided = house.begin(Provider::Mailgun, &recipient, &correlation);
    house.take_time().await;
    let taking = match decided.taking {
        CallPlan::Accept(_) if !recipient.contains('@') => CallPlan::Refuse(Refusal::Invalid),
        taking => taking,
    };
    let how = match taking {
        CallPlan::Accept(how) => how,
        CallPlan::Ignore => return reset(connection).await,
        CallPlan::Refuse(refusal) => {
            let answer = refuse(refusal);
            house.settle(decided.call, Verdict::Refused(answer.status().as_u16().to_string()));
            return answer;
        }
    };
    let id = letter.given_id.unwrap_or_else(|| format!("{}@{domain}", postrider_clock::random_id().simple()));
    let variables =
        fields.iter().filter_map(|(name, value)| Some((name.strip_prefix("v:")?.to_owned(), value.clone())));
    let variables: BTreeMap<String, String> = variables.collect();
    let parcel = Parcel {
        provider: Provider::Mailgun,
        provider_id: id.clone(),
        recipient,
        from: letter.from,
        text_or_subject: letter.subject,
        correlation,
        detail: Detail { account: domain, variables, ..Detail::default() },
        raw: letter.raw,
    };
    if let Err(problem) = house.accept(parcel, decided).await {
        tracing::error!(%problem, "accept simulated mail");
        return refuse(Refusal::Error);
    }
    let proper = json!({ "id": format!("<{id}>"), "message": "Queued. Thank you." });
    give(house, connection, (how, decided), StatusCode::OK, proper).await
}

fn refuse(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Busy => busy(),
        Refusal::Invalid => bad_request(INVALID_TO),
        Refusal::Misconfigured => forbidden(),
        Refusal::Spam | Refusal::OptedOut => bad_request("message content is not acceptable"),
        Refusal::Magnificent => text_response(StatusCode::OK, "text/plain", "Mailgun Magnificent API"),
        Refusal::Error => {
            json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "message": "Internal Server Error" }))
        }
        Refusal::Unavailable | Refusal::Outage => unavailable(),
    }
}

pub(super) fn unavailable() -> Response {
    json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "message": "Service Unavailable" }))
}

pub(super) fn bad_request(message: &str) -> Response {
    json_response(StatusCode::BAD_REQUEST, &json!({ "message": message }))
}

fn forbidden() -> Response {
    text_response(StatusCode::UNAUTHORIZED, "text/plain", "Forbidden")
}

fn busy() -> Response {
    let again_at = postrider_clock::wall() + chrono::Duration::seconds(2);
    let message = format!("request limit exceeded, try again after {}", again_at.to_rfc2822());
    let limits = [("retry-after", "2".to_owned()), ("x-ratelimit-reset", again_at.timestamp().to_string())];
    (limits, json_response(StatusCode::TOO_MANY_REQUESTS, &json!({ "message": message }))).into_response()
}
