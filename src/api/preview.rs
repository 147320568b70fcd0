//! `POST /v1/requests/preview`: what would happen to a job, and why, before anything is sent.
//!
//! For people who ask by hand, and for whoever sets a producer up. Writes nothing: no request, no reservation,
//! no rejected job, no idempotency key.

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
    Api, Caller, Problem, Scope, extract,
    problem::FieldProblem,
    submit::{self, job::JobBody, submission_answer::DecisionView},
};
use crate::intake::{
    Acceptor,
    preview::{Preview, Text},
};
use postrider_domain::job::parse::BODY_BYTES_MAX;

const PATH: &str = "/v1/requests/preview";

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(preview))
}

/// What would become of a job.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct PreviewResult {
    /// `send`, `suppress`, `duplicate` of a request that is there, or `reject`.
    pub outcome: &'static str,
    /// The status that the request would have at first, or has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// Why it would be held back, or is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of a duplicate: the request that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Made with a test key: it reaches no customer.
    pub test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// `email` or `sms`; of a suppressed one the medium that would have been first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<&'static str>,
    /// The account that would carry it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
    /// What the customer would read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<PreviewText>,
    /// Why it would be rejected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<FieldProblem>,
}

/// A message as its customer would read it; its links lead nowhere.
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
    /// Of a text message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<usize>,
}

/// Says what would become of a request, and why.
///
/// Takes what `POST /v1/requests` takes and changes nothing: whether it would be sent, when, by which medium
/// and with which text, or why not. What is no job at all is refused as it would be there.
#[utoipa::path(
    post, path = "/v1/requests/preview", tag = "requests",
    request_body = JobBody,
    responses((status = 200, description = "What would happen", body = PreviewResult))
)]
async fn preview(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<Json<PreviewResult>, Problem> {
    caller.require(Scope::Send)?;
    let key = submit::idempotency_key(request.headers())?;
    let body = extract::read(request, &api, BODY_BYTES_MAX).await?;
    submit::ensure_company_is_known(&api, &caller).await?;
    // By the web's own connections: nobody who waits for an answer of intake's is held up.
    let acceptor = Acceptor { ledger: api.ledger.clone(), ..api.acceptor.clone() };
    let inbound_job = submit::inbound_job(&caller, PATH, key, body);
    let view = match acceptor.preview(&inbound_job, &api.public_base_url).await? {
        Preview::Unreadable(problems) => return Err(submit::submission_answer::refusal(problems)),
        preview => view(preview),
    };
    Ok(Json(PreviewResult { test: !caller.live, ..view }))
}

fn view(preview: Preview) -> PreviewResult {
    match preview {
        Preview::Decided { request, account, text } => {
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
                decision: Some(DecisionView::of(decision)),
                message: text.map(PreviewText::from),
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

impl From<Text> for PreviewText {
    fn from(text: Text) -> PreviewText {
        PreviewText {
            medium: text.medium.as_str(),
            to: text.to,
            from: text.from,
            subject: text.subject,
            text: text.text,
            html: text.html,
            segments: text.segments,
        }
    }
}
