//! `POST /v1/requests/preview`: the decision and the text of a job, before it is submitted.
//!
//! For manual requests and for the integration of a producer. The call writes nothing: no request, no reservation, no
//! rejected job, no idempotency key.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::{
    ApiState, Caller, Problem, Scope, extract,
    problem::FieldProblem,
    submit::{
        call::{ensure_company_is_known, idempotency_key, inbound_job},
        job::JobBody,
        submission_answer::{self, DecisionView},
    },
};
use crate::intake::{
    Acceptor,
    preview::{Preview, PreviewMessage},
};
use postrider_domain::{content::compose::ComposedText, ids::Medium, job::parse::BODY_BYTES_MAX};

const PATH: &str = "/v1/requests/preview";

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(preview))
}

/// The outcome that the job would have.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct PreviewResult {
    /// `send`, `suppress`, `duplicate` of an existing request, or `reject`.
    pub outcome: &'static str,
    /// The first status of the new request, or the status of the existing one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// The reason of a suppression, or of the existing request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The existing request of a duplicate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The key is a test key: the request would reach no customer.
    pub test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// `email` or `sms`; for a suppressed job the medium that would have been used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<&'static str>,
    /// The account that would send it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
    /// The message as the customer would read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<PreviewText>,
    /// The problems of a rejected job.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<FieldProblem>,
}

/// The message as the customer would read it; its links are placeholders.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewText {
    pub medium: &'static str,
    pub to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// Segments of a text message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<usize>,
}

/// Evaluates a job without accepting it.
///
/// Takes the body of `POST /v1/requests` and changes nothing. The answer says whether the request would be sent, when,
/// by which medium and with which text, or why not. A body that is not a job is refused as it would be there.
#[utoipa::path(
    post, path = "/v1/requests/preview", tag = "requests",
    request_body = JobBody,
    responses((status = 200, description = "The outcome that the job would have", body = PreviewResult))
)]
async fn preview(
    State(api): State<Arc<ApiState>>,
    caller: Caller,
    request: Request,
) -> Result<Json<PreviewResult>, Problem> {
    caller.require(Scope::Send)?;
    let key = idempotency_key(request.headers())?;
    let body = extract::read(request, &api, BODY_BYTES_MAX).await?;
    ensure_company_is_known(&api, &caller).await?;
    // The pool of the web role: a preview does not delay the accepting of jobs.
    let acceptor = Acceptor { ledger: api.ledger.clone(), ..api.acceptor.clone() };
    let job = inbound_job(&caller, PATH, key, body);
    let view = match acceptor.preview(&job, &api.public_base_url).await? {
        Preview::Unreadable(problems) => return Err(submission_answer::refusal(problems)),
        preview => view(preview),
    };
    Ok(Json(PreviewResult { test: !caller.live, ..view }))
}

fn view(preview: Preview) -> PreviewResult {
    match preview {
        Preview::Decided { request, account, message } => {
            let decision = &request.decision;
            let reason = decision.reason();
            PreviewResult {
                outcome: if reason.is_some() { "suppress" } else { "send" },
                status: Some(if reason.is_some() { "suppressed" } else { "queued" }),
                reason: reason.map(|reason| reason.as_str().to_owned()),
                medium: decision.candidate.as_ref().map(|candidate| candidate.medium.as_str()),
                account,
                due_at: Some(decision.due_at),
                expires_at: Some(decision.expires_at),
                decision: Some(DecisionView::from(decision)),
                message: message.map(PreviewText::from),
                brand: Some(request.brand),
                channel: Some(request.channel),
                ..PreviewResult::default()
            }
        }
        Preview::Duplicate { id, state, reason } => PreviewResult {
            outcome: "duplicate",
            status: Some(state.status().as_str()),
            reason,
            id: Some(id),
            ..PreviewResult::default()
        },
        Preview::Rejected(problems) | Preview::Unreadable(problems) => PreviewResult {
            outcome: "reject",
            problems: problems.into_iter().map(FieldProblem::from).collect(),
            ..PreviewResult::default()
        },
    }
}

impl From<PreviewMessage> for PreviewText {
    fn from(message: PreviewMessage) -> PreviewText {
        let PreviewMessage { to, text } = message;
        match text {
            ComposedText::Email { from_address, email } => PreviewText {
                medium: Medium::Email.as_str(),
                to,
                from: Some(from_address),
                subject: Some(email.subject),
                text: email.text,
                html: Some(email.html),
                segments: None,
            },
            ComposedText::Sms(sms) => PreviewText {
                medium: Medium::Sms.as_str(),
                to,
                from: None,
                subject: None,
                text: sms.text,
                html: None,
                segments: Some(sms.segments),
            },
        }
    }
}
