//! Mailgun's sending: a form or a MIME message in, `Queued. Thank you.` out.
//!
//! One recipient a call: Postrider sends no other, and a journal line is one message. As at the real Mailgun, a
//! proper Message-Id of the sender is kept and becomes the message's id.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::json;

use super::refusals::{bad_request, refuse, refuse_wrong_key};
use crate::{
    accept::accept,
    call_plan::{CallPlan, Refusal},
    clock,
    connection::Connection,
    http_answer::{answer_accepted, reset},
    http_request::{self, Fields, Form, SharedState, value},
    mime,
    records::{AcceptanceDetail, Correlation, IncomingMessage, Provider},
    state::SimulatorState,
};

pub(crate) async fn send_form(
    State(state): SharedState,
    Path(domain): Path<String>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (form, raw) = match read_form(&state, &headers, body).await {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    let fields = form.fields;
    let Some(from) = value(&fields, "from") else { return bad_request("from parameter is missing") };
    if value(&fields, "text").or(value(&fields, "html")).is_none() {
        return bad_request(
            "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified",
        );
    }
    let email = Email {
        given_id: value(&fields, "h:Message-Id").and_then(mime::message_id).map(str::to_owned),
        from: from.to_owned(),
        subject: value(&fields, "subject").unwrap_or_default().to_owned(),
        raw,
    };
    send(&state, &connection, domain, &fields, email).await
}

pub(crate) async fn send_mime(
    State(state): SharedState,
    Path(domain): Path<String>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (form, _raw) = match read_form(&state, &headers, body).await {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    let message = form.files.into_iter().find(|(name, _)| name == "message");
    let Some((_, mime)) = message else { return bad_request("message parameter is missing") };
    let email = Email {
        given_id: mime::header(&mime, "Message-ID").as_deref().and_then(mime::message_id).map(str::to_owned),
        from: mime::header(&mime, "From").unwrap_or_default(),
        subject: mime::header(&mime, "Subject").unwrap_or_default(),
        raw: mime.to_vec(),
    };
    send(&state, &connection, domain, &form.fields, email).await
}

/// The email of either kind of call.
#[derive(Debug)]
struct Email {
    /// The sender's Message-Id, without brackets.
    given_id: Option<String>,
    from: String,
    subject: String,
    raw: Vec<u8>,
}

/// The form and the body's bytes; the error is the answer to a call that is refused before its recipient is known.
async fn read_form(
    state: &SimulatorState,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Form, Vec<u8>), Response> {
    let body = http_request::read_body(body).await?;
    if let Some(answer) = refuse_wrong_key(state, headers) {
        return Err(answer);
    }
    let form = http_request::read_form(headers, &body).await;
    Ok((form.ok_or_else(|| bad_request("multipart body is malformed"))?, body.to_vec()))
}

async fn send(
    state: &Arc<SimulatorState>,
    connection: &Connection,
    domain: String,
    fields: &Fields,
    email: Email,
) -> Response {
    let Some(to) = value(fields, "to") else { return bad_request("to parameter is missing") };
    let recipient = mime::address(to).to_owned();
    if recipient.contains(',') || fields.iter().filter(|(name, _)| name == "to").count() > 1 {
        return bad_request("the simulator takes one recipient a call");
    }
    let by_id = email.given_id.as_deref().map(Correlation::from_message_id).unwrap_or_default();
    let correlation = Correlation::new(value(fields, "v:m"), value(fields, "v:a")).or(by_id);
    let call = state.begin_call(Provider::Mailgun, &recipient, &correlation);
    state.faults.wait_latency().await;
    let plan = match call.plan {
        CallPlan::Accept(_) if !recipient.contains('@') => CallPlan::Refuse(Refusal::Invalid),
        plan => plan,
    };
    let answer_plan = match plan {
        CallPlan::Accept(answer_plan) => answer_plan,
        CallPlan::Reset => return reset(connection).await,
        CallPlan::Refuse(refusal) => {
            let answer = refuse(refusal);
            state.refuse_call(&call, answer.status().as_u16().to_string());
            return answer;
        }
    };
    let id = email.given_id.unwrap_or_else(|| format!("{}@{domain}", clock::random_id().simple()));
    let variables =
        fields.iter().filter_map(|(name, value)| Some((name.strip_prefix("v:")?.to_owned(), value.clone())));
    let message = IncomingMessage {
        provider: Provider::Mailgun,
        provider_id: id.clone(),
        recipient,
        from: email.from,
        text_or_subject: email.subject,
        correlation,
        detail: AcceptanceDetail {
            account: domain,
            variables: variables.collect(),
            ..AcceptanceDetail::default()
        },
        raw: email.raw,
    };
    if let Err(problem) = accept(state, message, call).await {
        tracing::error!(%problem, "accept simulated email");
        return refuse(Refusal::Error);
    }
    let proper = json!({ "id": format!("<{id}>"), "message": "Queued. Thank you." });
    answer_accepted(state, connection, (answer_plan, call), StatusCode::OK, proper).await
}
