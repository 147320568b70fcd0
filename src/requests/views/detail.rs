//! One request with everything that is stored about it, as programs read it.
//!
//! The API and `--json` of the command line share it; the order of events is in `timeline`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use postrider_domain::{
    ids::Medium,
    job::{Customer, Employee, RequesterRole},
    lifecycle::Status,
};
use postrider_ledger::requests::{AnswerRecord, MessageDetail, RequestDetail};

use crate::requests::views::{
    status_text::{StatusText, address},
    summary::source_name,
    timeline::{TimelineEvent, timeline},
};

/// One request with its messages, attempts and events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Request)]
pub struct RequestView {
    pub request_id: Uuid,
    pub company: String,
    #[schema(value_type = String)]
    pub status: Status,
    pub detail: Option<&'static str>,
    pub paused: bool,
    pub reason: Option<String>,
    pub code: Option<String>,
    pub source: &'static str,
    pub test: bool,
    #[schema(value_type = Option<Object>)]
    pub customer: Option<Customer>,
    #[schema(value_type = Object)]
    pub employee: Employee,
    pub address: Option<String>,
    #[schema(value_type = Option<String>)]
    pub medium: Option<Medium>,
    pub account: Option<String>,
    pub provider_id: Option<String>,
    pub brand: String,
    pub channel: String,
    pub language: Option<String>,
    pub country: Option<String>,
    pub ext_interaction_id: Option<String>,
    pub external_url: Option<String>,
    pub tags: Vec<String>,
    pub custom_properties: BTreeMap<String, String>,
    pub initial_feedback_request_id: Option<Uuid>,
    /// Name or email address of the person that asks, for a manual request.
    pub requested_by: Option<String>,
    #[schema(value_type = Option<String>)]
    pub requested_by_role: Option<RequesterRole>,
    pub override_reason: Option<String>,
    /// Calls to providers, over all messages.
    pub attempts: i64,
    pub messages: Vec<MessageView>,
    pub created_at: DateTime<Utc>,
    pub first_due_at: DateTime<Utc>,
    /// Time of the next attempt or status query, if one is due.
    pub due_at: Option<DateTime<Utc>>,
    pub expires_at: DateTime<Utc>,
    pub paused_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    /// Time of the customer's response, which completes the request.
    pub answered_at: Option<DateTime<Utc>>,
    /// The response of the customer, as far as it was submitted.
    pub answer: Option<AnswerView>,
    pub ended_at: Option<DateTime<Utc>>,
    pub timeline: Vec<TimelineEvent>,
}

/// The response of a customer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RequestAnswer)]
pub struct AnswerView {
    /// `amqp` or `http`; `cli` for an entry by hand.
    pub source: String,
    /// Id of the response, given by its sender.
    pub response_id: Option<String>,
    pub received_at: Option<DateTime<Utc>>,
    pub score: Option<u32>,
    pub comment: Option<String>,
    pub custom_properties: BTreeMap<String, String>,
}

impl From<AnswerRecord> for AnswerView {
    fn from(answer: AnswerRecord) -> AnswerView {
        let AnswerRecord { source, response_id, received_at, score, comment, custom_properties } = answer;
        AnswerView { source, response_id, received_at, score, comment, custom_properties }
    }
}

/// One message of a request: the first one, or a retry by a person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RequestMessage)]
pub struct MessageView {
    pub message_id: Uuid,
    pub seq: i16,
    #[schema(value_type = String)]
    pub status: Status,
    pub detail: Option<&'static str>,
    pub reason: Option<String>,
    pub code: Option<String>,
    #[schema(value_type = Option<String>)]
    pub medium: Option<Medium>,
    pub account: Option<String>,
    pub provider_id: Option<String>,
    pub attempts: i16,
    pub delivered_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// The retry that made this message; absent for the first message.
    pub retry: Option<RetryView>,
}

/// A retry by a person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RequestRetry)]
pub struct RetryView {
    pub of: Uuid,
    pub at: DateTime<Utc>,
    pub requested_by: String,
    /// Name of the API key, or `cli`.
    pub through: String,
    pub note: Option<String>,
    pub acknowledged_possible_duplicate: bool,
}

impl From<MessageDetail> for MessageView {
    fn from(message: MessageDetail) -> MessageView {
        MessageView {
            message_id: message.id.0,
            seq: message.seq,
            status: message.state.status(),
            detail: message.state.detail(),
            reason: message.reason,
            code: message.code,
            medium: message.medium,
            account: message.account,
            provider_id: message.provider_id,
            attempts: message.attempt,
            delivered_at: message.delivered_at,
            ended_at: message.ended_at,
            retry: message.retry.map(|retry| RetryView {
                of: retry.previous_message.0,
                at: retry.at,
                requested_by: retry.requested_by,
                through: retry.entry_point,
                note: retry.note,
                acknowledged_possible_duplicate: retry.acknowledged,
            }),
        }
    }
}

impl From<RequestDetail> for RequestView {
    fn from(detail: RequestDetail) -> RequestView {
        let messages: Vec<MessageView> = detail.messages().into_iter().map(MessageView::from).collect();
        let (paused, timeline) = (StatusText::new(&detail).is_paused(), timeline(&detail));
        let RequestDetail { job, .. } = detail;
        let used = job.customer.as_ref().and_then(|customer| address(customer, detail.medium));
        RequestView {
            request_id: detail.id,
            company: detail.slug,
            status: detail.state.status(),
            detail: detail.state.detail(),
            paused,
            reason: detail.reason,
            code: detail.code,
            source: source_name(detail.source),
            test: detail.test,
            address: used.map(str::to_owned),
            requested_by: job.manual.as_ref().map(|manual| manual.requested_by.clone()),
            requested_by_role: job.manual.as_ref().and_then(|manual| manual.role),
            override_reason: job.override_reason().map(str::to_owned),
            customer: job.customer,
            employee: job.employee,
            medium: detail.medium,
            account: detail.account,
            provider_id: detail.provider_id,
            brand: detail.brand,
            channel: detail.channel,
            language: job.language,
            country: job.country,
            ext_interaction_id: job.ext_interaction_id,
            external_url: job.external_url,
            tags: job.tags,
            custom_properties: job.custom_properties,
            initial_feedback_request_id: detail.original_request,
            attempts: messages.iter().map(|message| i64::from(message.attempts)).sum(),
            messages,
            created_at: detail.created_at,
            first_due_at: detail.first_due_at,
            due_at: detail.due_at,
            expires_at: detail.expires_at,
            paused_at: detail.paused_at,
            delivered_at: detail.delivered_at,
            answered_at: detail.answered_at,
            answer: detail.answer.map(AnswerView::from),
            ended_at: detail.ended_at,
            timeline,
        }
    }
}
