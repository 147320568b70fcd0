//! A job after parsing: every field well-formed and normalised, nothing looked up yet.
//!
//! `parse` is the only maker. The normalised form is what the content hash of idempotency covers, so
//! two spellings of one job are one job. Read `parse` for the rules of each field.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::Medium;

/// A parsed, normalised job. Serialised field order is the order of the content hash.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub customer: Option<Customer>,
    pub employee: Employee,
    pub channel: Option<String>,
    pub ext_interaction_id: Option<String>,
    /// Kept and shown; rendered as a link only when http or https; never fetched.
    pub external_url: Option<String>,
    pub tags: Vec<String>,
    pub brand: Option<String>,
    /// BCP 47, normalised (`fr-CA`).
    pub language: Option<String>,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: Option<String>,
    pub do_not_send: bool,
    /// Our id or a `former_id` of the earlier request that this service recovery answers.
    pub initial_feedback_request_id: Option<Uuid>,
    pub custom_properties: BTreeMap<String, String>,
    pub medium: Option<Medium>,
    pub send_after: Option<DateTime<Utc>>,
    pub delay_secs: Option<u32>,
    pub expires_after_secs: Option<u32>,
    /// Not part of the content hash.
    pub idempotency_key: Option<String>,
    pub former_id: Option<Uuid>,
    /// A person asks: boxed, because hardly any job is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<Box<Manual>>,
}

/// A named person's wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manual {
    /// Name or email address of the person.
    pub requested_by: String,
    /// As whoever hands the job in says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RequesterRole>,
    /// Why the suppression period is not to hold this request back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_reason: Option<String>,
}

/// In which role a person asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequesterRole {
    TeamMember,
    TeamLeader,
    CompanyAdmin,
}

impl RequesterRole {
    pub const ALL: [RequesterRole; 3] =
        [RequesterRole::TeamMember, RequesterRole::TeamLeader, RequesterRole::CompanyAdmin];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RequesterRole::TeamMember => "team_member",
            RequesterRole::TeamLeader => "team_leader",
            RequesterRole::CompanyAdmin => "company_admin",
        }
    }
}

impl Job {
    /// The written reason for which the suppression period is to be passed over.
    #[must_use]
    pub fn override_reason(&self) -> Option<&str> {
        self.manual.as_ref().and_then(|manual| manual.override_reason.as_deref())
    }
}

/// The customer as the job names them. Addresses are normalised: email with a lower-case domain,
/// phone in E.164.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    pub custom_id: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

impl Customer {
    /// The address that `medium` would write to.
    #[must_use]
    pub fn address(&self, medium: Medium) -> Option<&str> {
        match medium {
            Medium::Email => self.email.as_deref(),
            Medium::Sms => self.phone.as_deref(),
        }
    }
}

/// The team member as the job names them: at least one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Employee {
    pub email: Option<String>,
    pub custom_id: Option<String>,
}

/// Through which kind of door the job came; channels are switched on or off per kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobOrigin {
    /// AMQP, HTTP with a key, and the recipes.
    Automatic,
    /// A person with a form.
    Manual,
}
