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
    /// Absent: inherited by a service recovery.
    pub customer: Option<Customer>,
    /// The team member of the interaction.
    pub employee: Employee,
    /// Name of a channel of the company.
    pub channel: Option<String>,
    /// The producer's id of the interaction.
    pub ext_interaction_id: Option<String>,
    /// Kept and shown; rendered as a link only when http or https; never fetched.
    pub external_url: Option<String>,
    /// At most 50.
    pub tags: Vec<String>,
    /// Label of a brand of the company; absent: its default brand.
    pub brand: Option<String>,
    /// BCP 47, normalised (`fr-CA`).
    pub language: Option<String>,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: Option<String>,
    /// Record the request, never send it.
    pub do_not_send: bool,
    /// Our id or a `former_id` of the earlier request that this service recovery answers.
    pub initial_feedback_request_id: Option<Uuid>,
    /// Values for templates, by name.
    pub custom_properties: BTreeMap<String, String>,
    /// Absent: the company's order of preference.
    pub medium: Option<Medium>,
    /// Earliest time of sending.
    pub send_after: Option<DateTime<Utc>>,
    /// Seconds from acceptance to sending.
    pub delay_secs: Option<u32>,
    /// Seconds after the first due time in which it may be sent.
    pub expires_after_secs: Option<u32>,
    /// Not part of the content hash.
    pub idempotency_key: Option<String>,
    /// Id that another system gave this request.
    pub former_id: Option<Uuid>,
    /// Fields of a request by hand; boxed, because few jobs have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<Box<Manual>>,
}

/// A request that a named person made by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manual {
    /// Name or email address of the person.
    pub requested_by: String,
    /// As stated by the caller; not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RequesterRole>,
    /// The written reason for passing over the suppression period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_reason: Option<String>,
}

/// The stated role of the requesting person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequesterRole {
    /// A team member.
    TeamMember,
    /// A team leader.
    TeamLeader,
    /// An administrator of the company.
    CompanyAdmin,
}

impl RequesterRole {
    /// Every role.
    pub const ALL: [RequesterRole; 3] =
        [RequesterRole::TeamMember, RequesterRole::TeamLeader, RequesterRole::CompanyAdmin];

    /// The stored and public word.
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
    /// The written reason for passing over the suppression period.
    #[must_use]
    pub fn override_reason(&self) -> Option<&str> {
        self.manual.as_ref().and_then(|manual| manual.override_reason.as_deref())
    }
}

/// The customer as the job names them. Addresses are normalised: email with a lower-case domain,
/// phone in E.164.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The producer's own id of the customer.
    pub custom_id: Option<String>,
    /// Cleaned of control and invisible characters.
    pub name: Option<String>,
    /// Lower-case domain.
    pub email: Option<String>,
    /// E.164.
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
    /// Lower-case domain.
    pub email: Option<String>,
    /// The company's own id of the team member.
    pub custom_id: Option<String>,
}

/// The origin of a job; channels are switched on or off for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobOrigin {
    /// A system: AMQP, HTTP with a key, connectors.
    Automatic,
    /// A person.
    Manual,
}
