//! The canonical bytes of a job's content, which idempotency compares.
//!
//! PURE. Made from the parsed, normalised job, so that white space, key order and spelling do not
//! matter. Absent and default values are left out: a field that a later release adds does not change
//! the content of the jobs that do not use it. `IdentityKey::content_hash` hashes these bytes and the hash is
//! stored, so their form never changes; a test holds them to their definition.

use std::{collections::BTreeMap, ops::Not};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    ids::Medium,
    job::{Customer, Employee, Job, Manual},
};

impl Job {
    /// Canonical JSON of everything but the idempotency key: keys sorted, defaults left out.
    #[must_use]
    pub fn content_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        serde_json::to_writer(&mut bytes, &Content::new(self)).expect("a job is plain data");
        bytes
    }
}

/// A job's fields, borrowed, in the order of their names' bytes.
#[derive(Serialize)]
struct Content<'j> {
    #[serde(skip_serializing_if = "Option::is_none")]
    brand: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'j str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    custom_properties: &'j BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<Person<'j>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_secs: Option<u32>,
    #[serde(skip_serializing_if = "Not::not")]
    do_not_send: bool,
    employee: Person<'j>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_after_secs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ext_interaction_id: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_url: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    former_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_feedback_request_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manual: Option<&'j Manual>,
    #[serde(skip_serializing_if = "Option::is_none")]
    medium: Option<Medium>,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_after: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'j [String],
}

/// A customer or a team member.
#[derive(Serialize)]
struct Person<'j> {
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_id: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<&'j str>,
}

impl<'j> Content<'j> {
    /// Names every field, so that none that is added later can be forgotten.
    fn new(job: &'j Job) -> Content<'j> {
        let Job {
            customer,
            employee: Employee { email, custom_id },
            channel,
            ext_interaction_id,
            external_url,
            tags,
            brand,
            language,
            country,
            do_not_send,
            initial_feedback_request_id,
            custom_properties,
            medium,
            send_after,
            delay_secs,
            expires_after_secs,
            idempotency_key: _,
            former_id,
            manual,
        } = job;
        Content {
            brand: brand.as_deref(),
            channel: channel.as_deref(),
            country: country.as_deref(),
            custom_properties,
            customer: customer.as_ref().map(Person::new),
            delay_secs: *delay_secs,
            do_not_send: *do_not_send,
            employee: Person {
                custom_id: custom_id.as_deref(),
                email: email.as_deref(),
                name: None,
                phone: None,
            },
            expires_after_secs: *expires_after_secs,
            ext_interaction_id: ext_interaction_id.as_deref(),
            external_url: external_url.as_deref(),
            former_id: *former_id,
            initial_feedback_request_id: *initial_feedback_request_id,
            language: language.as_deref(),
            manual: manual.as_deref(),
            medium: *medium,
            send_after: *send_after,
            tags,
        }
    }
}

impl<'j> Person<'j> {
    fn new(Customer { custom_id, name, email, phone }: &'j Customer) -> Person<'j> {
        Person {
            custom_id: custom_id.as_deref(),
            email: email.as_deref(),
            name: name.as_deref(),
            phone: phone.as_deref(),
        }
    }
}

#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
