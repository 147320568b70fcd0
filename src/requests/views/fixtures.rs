//! A request for unit tests: just accepted and waiting.
//!
//! Each test changes the fields that it is about.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use postrider_domain::{
    ids::{CompanyId, Medium, MessageId},
    job::Job,
    lifecycle::State,
};
use postrider_ledger::requests::RequestDetail;

/// A time in seconds since 1970.
pub fn at(secs: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::seconds(secs)
}

/// A request that was accepted at second 0 and is due at second 60; the current time is second 30.
pub fn detail() -> RequestDetail {
    RequestDetail {
        id: Uuid::from_u128(7),
        company: CompanyId(1),
        slug: "acme".into(),
        job: Job::default(),
        brand: "gold".into(),
        channel: "phone".into(),
        source: 0,
        test: false,
        original_request: None,
        decision: String::new(),
        created_at: at(0),
        message: MessageId(Uuid::from_u128(7)),
        seq: 0,
        medium: Some(Medium::Email),
        account: Some("acme-mail".into()),
        reservation_keys: Vec::new(),
        state: State::Waiting,
        epoch: 1,
        attempt: 0,
        may_have_been_sent: false,
        first_due_at: at(0),
        expires_at: at(259_200),
        paused_at: None,
        begun_at: None,
        settled_at: None,
        delivered_at: None,
        ended_at: None,
        answered_at: None,
        answer: None,
        outcome: None,
        code: None,
        reason: None,
        provider_id: None,
        due_at: Some(at(60)),
        now: at(30),
        retry: None,
        past: Vec::new(),
        receipts: Vec::new(),
        others: Vec::new(),
        actions: Vec::new(),
    }
}
