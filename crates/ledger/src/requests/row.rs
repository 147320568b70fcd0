//! Rows of request_detail.sql, one per message, and their conversion to `detail`'s types.
//!
//! Only conversion: `requests` runs the query and chooses the decisive message.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::detail::{MessageDetail, RequestDetail, RetryRecord};
use crate::{LedgerError, stored_state};
use postrider_domain::{
    ids::{CompanyId, Medium, MessageId},
    job::{Customer, Employee, Job},
};

/// One row: the request with one of its messages.
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) company: i32,
    pub(super) slug: String,
    pub(super) source: i16,
    pub(super) test: bool,
    pub(super) customer_custom_id: Option<String>,
    pub(super) customer_name: Option<String>,
    pub(super) customer_email: Option<String>,
    pub(super) customer_phone: Option<String>,
    pub(super) employee_email: Option<String>,
    pub(super) employee_custom_id: Option<String>,
    pub(super) channel: String,
    pub(super) brand: String,
    pub(super) language: Option<String>,
    pub(super) country: Option<String>,
    pub(super) asked_medium: Option<i16>,
    pub(super) ext_interaction_id: Option<String>,
    pub(super) external_url: Option<String>,
    pub(super) details: Option<serde_json::Value>,
    pub(super) decision: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) original_request: Option<Uuid>,
    pub(super) message: Uuid,
    pub(super) seq: i16,
    pub(super) medium: Option<i16>,
    pub(super) account: Option<String>,
    pub(super) reservation_keys: Vec<Uuid>,
    pub(super) state: i16,
    pub(super) epoch: i32,
    pub(super) attempt: i16,
    pub(super) may_have_been_sent: bool,
    pub(super) first_due_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) paused_at: Option<DateTime<Utc>>,
    pub(super) begun_at: Option<DateTime<Utc>>,
    pub(super) settled_at: Option<DateTime<Utc>>,
    pub(super) delivered_at: Option<DateTime<Utc>>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) outcome: Option<i16>,
    pub(super) code: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) provider_id: Option<String>,
    pub(super) retry_previous_message: Option<Uuid>,
    pub(super) retried_at: Option<DateTime<Utc>>,
    pub(super) retry_entry_point: Option<String>,
    pub(super) retry_key: Option<Uuid>,
    pub(super) retry_by: Option<String>,
    pub(super) retry_note: Option<String>,
    pub(super) retry_acknowledged: Option<bool>,
    pub(super) due_at: Option<DateTime<Utc>>,
    pub(super) answered_at: Option<DateTime<Utc>>,
    pub(super) now: DateTime<Utc>,
}

impl Row {
    /// The message, without its earlier attempts and receipts.
    pub(super) fn message_detail(&self) -> Result<MessageDetail, LedgerError> {
        let origin = self.retry_entry_point.clone().zip(self.retry_by.clone());
        let retry = self.retry_previous_message.zip(self.retried_at).zip(origin);
        Ok(MessageDetail {
            id: MessageId(self.message),
            seq: self.seq,
            medium: self.medium.and_then(Medium::from_code),
            account: self.account.clone(),
            state: stored_state(self.state)?,
            attempt: self.attempt,
            may_have_been_sent: self.may_have_been_sent,
            first_due_at: self.first_due_at,
            paused_at: self.paused_at,
            begun_at: self.begun_at,
            settled_at: self.settled_at,
            delivered_at: self.delivered_at,
            ended_at: self.ended_at,
            outcome: self.outcome,
            code: self.code.clone(),
            reason: self.reason.clone(),
            provider_id: self.provider_id.clone(),
            retry: retry.map(|((previous_message, at), (entry_point, requested_by))| RetryRecord {
                previous_message: MessageId(previous_message),
                at,
                entry_point,
                key: self.retry_key,
                requested_by,
                note: self.retry_note.clone(),
                acknowledged: self.retry_acknowledged.unwrap_or_default(),
            }),
            past: Vec::new(),
            receipts: Vec::new(),
        })
    }

    /// The request with `message`, made of this row, as decisive message; without actions and answer.
    pub(super) fn into_detail(self, message: MessageDetail, others: Vec<MessageDetail>) -> RequestDetail {
        let details = self.details.unwrap_or_default();
        let job = Job {
            customer: Some(Customer {
                custom_id: self.customer_custom_id,
                name: self.customer_name,
                email: self.customer_email,
                phone: self.customer_phone,
            }),
            employee: Employee { email: self.employee_email, custom_id: self.employee_custom_id },
            channel: Some(self.channel.clone()),
            ext_interaction_id: self.ext_interaction_id,
            external_url: self.external_url,
            tags: serde_json::from_value(details["tags"].clone()).unwrap_or_default(),
            brand: Some(self.brand.clone()),
            language: self.language,
            country: self.country,
            custom_properties: serde_json::from_value(details["custom_properties"].clone())
                .unwrap_or_default(),
            medium: self.asked_medium.and_then(Medium::from_code),
            manual: serde_json::from_value(details["manual"].clone()).unwrap_or_default(),
            ..Job::default()
        };
        RequestDetail {
            id: self.id,
            company: CompanyId(self.company),
            slug: self.slug,
            job,
            brand: self.brand,
            channel: self.channel,
            source: self.source,
            test: self.test,
            original_request: self.original_request,
            decision: self.decision,
            created_at: self.created_at,
            message: message.id,
            seq: message.seq,
            medium: message.medium,
            account: message.account,
            reservation_keys: self.reservation_keys,
            state: message.state,
            epoch: self.epoch,
            attempt: message.attempt,
            may_have_been_sent: message.may_have_been_sent,
            first_due_at: message.first_due_at,
            expires_at: self.expires_at,
            paused_at: message.paused_at,
            begun_at: message.begun_at,
            settled_at: message.settled_at,
            delivered_at: message.delivered_at,
            ended_at: message.ended_at,
            answered_at: self.answered_at,
            answer: None,
            outcome: message.outcome,
            code: message.code,
            reason: message.reason,
            provider_id: message.provider_id,
            due_at: self.due_at,
            now: self.now,
            retry: message.retry,
            past: message.past,
            receipts: message.receipts,
            others,
            actions: Vec::new(),
        }
    }
}
