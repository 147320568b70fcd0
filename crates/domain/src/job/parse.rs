//! Parsing of a job: every rule of its shape that needs no look-up.
//!
//! PURE and total: no input panics, and a refused body is answered with all of its problems by field path, never
//! with its values. Addresses, language, country, ids and times leave in their one normal form, names without
//! harmful characters. `rules::place` and intake check that brand, channel and team member exist. Read
//! `document::fields` for how fields are read, `shape` for the result.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use oxilangtag::LanguageTag;
use uuid::Uuid;

use crate::{
    address::{normalise_email, normalise_phone},
    country::normalise_country,
    document::{
        Problem,
        fields::{
            Fields, LABEL_CHARS_MAX, Lines, Problems, expected, is_short_enough, read_any_text, read_text,
            read_with,
        },
        node::Node,
        strict,
        text::one_line,
    },
    ids::Medium,
    job::{
        Customer, Employee, Job,
        manual::{BodySource, read_manual},
    },
};

/// Longest body of a job, in bytes.
pub const BODY_BYTES_MAX: usize = 65_536;

const URL_CHARS_MAX: usize = 2_000;
/// Most tags of a job.
pub const TAGS_MAX: usize = 50;
/// Longest tag, in characters.
pub const TAG_CHARS_MAX: usize = 200;
/// Most custom properties of a job.
pub const PROPERTIES_MAX: usize = 50;
/// Longest name of a custom property, in characters.
pub const PROPERTY_KEY_CHARS_MAX: usize = 64;
/// Longest value of a custom property, in characters.
pub const PROPERTY_VALUE_CHARS_MAX: usize = 2_000;
/// RFC 5646 section 4.4.1: no registered tag needs more.
const LANGUAGE_CHARS_MAX: usize = 35;

/// Every field of a job.
pub const JOB_FIELDS: &[&str] = &[
    "customer",
    "employee",
    "channel",
    "ext_interaction_id",
    "external_url",
    "tags",
    "brand",
    "language",
    "country",
    "do_not_send",
    "initial_feedback_request_id",
    "custom_properties",
    "medium",
    "send_after",
    "delay_secs",
    "expires_after_secs",
    "idempotency_key",
    "former_id",
    "requested_by",
    "requested_by_role",
    "override",
];
/// Every field of its customer.
pub const CUSTOMER_FIELDS: &[&str] = &["custom_id", "name", "email", "phone"];
/// Every field of its team member.
pub const EMPLOYEE_FIELDS: &[&str] = &["email", "custom_id"];

/// Reads a job from the broker or a connector; manual fields are refused.
///
/// # Errors
/// Every problem of the body, by field path, in the order of the fields.
pub fn parse(body: &[u8]) -> Result<Job, Vec<Problem>> {
    parse_from(body, BodySource::System)
}

/// Reads a job from the command line; manual fields are allowed.
///
/// # Errors
/// As `parse`.
pub fn parse_manual(body: &[u8]) -> Result<Job, Vec<Problem>> {
    parse_from(body, BodySource::Operator)
}

/// Reads a job from an HTTP call; manual fields are allowed, and no character is cleaned silently.
///
/// # Errors
/// As `parse`, and for every NUL and carriage return.
pub fn parse_call(body: &[u8]) -> Result<Job, Vec<Problem>> {
    parse_from(body, BodySource::HttpCall)
}

fn parse_from(body: &[u8], source: BodySource) -> Result<Job, Vec<Problem>> {
    let mut problems = Problems::default();
    let document = read_json(body, &mut problems);
    let job = document.as_ref().and_then(|document| read_job(document, source, &mut problems));
    if let (Some(document), BodySource::HttpCall) = (&document, source) {
        strict::check_characters(document, &mut problems);
    }
    problems.settle(job)
}

pub(super) fn read_json(body: &[u8], problems: &mut Problems) -> Option<Node> {
    if body.len() > BODY_BYTES_MAX {
        let message = format!("the body has {} bytes, at most {BODY_BYTES_MAX} are allowed", body.len());
        problems.add("", "too_long", message);
        return None;
    }
    if body.trim_ascii().is_empty() {
        problems.add("", "not_json", "the body is empty, send a JSON object");
        return None;
    }
    match serde_json::from_slice(body) {
        Ok(document) => Some(document),
        // The error holds kind and position ("line 11 column 50"), never the text around it.
        Err(error) => {
            problems.add("", "not_json", format!("the body is not JSON: {error}"));
            None
        }
    }
}

fn read_job(document: &Node, source: BodySource, problems: &mut Problems) -> Option<Job> {
    let fields = Fields::open("", document, JOB_FIELDS, problems)?;
    let country = read_with(&fields, "country", 2, problems, |text| {
        normalise_country(text).ok_or(("bad_country", "give the ISO 3166-1 alpha-2 code, as in CA or GB"))
    });
    let do_not_send = fields.flag("do_not_send", problems).unwrap_or(false);
    let initial_feedback_request_id = read_id(&fields, "initial_feedback_request_id", problems);
    let medium = read_with(&fields, "medium", LABEL_CHARS_MAX, problems, |text| {
        let known = Medium::ALL.into_iter().find(|medium| medium.as_str() == text);
        known.ok_or(("bad_choice", "the medium must be email or sms"))
    });
    let customer = fields
        .get("customer")
        .and_then(|node| read_customer(node, country.as_deref(), problems))
        .filter(|customer| *customer != Customer::default());
    check_required(&fields, medium, do_not_send, problems);
    Some(Job {
        customer,
        employee: read_employee(&fields, problems),
        channel: fields.text("channel", LABEL_CHARS_MAX, problems),
        ext_interaction_id: fields.text("ext_interaction_id", LABEL_CHARS_MAX, problems),
        external_url: fields.text("external_url", URL_CHARS_MAX, problems),
        tags: read_tags(&fields, problems),
        brand: fields.text("brand", LABEL_CHARS_MAX, problems),
        language: read_language(&fields, "language", problems),
        country,
        do_not_send,
        initial_feedback_request_id,
        custom_properties: read_properties(&fields, problems),
        medium,
        send_after: read_with(&fields, "send_after", LABEL_CHARS_MAX, problems, read_time),
        delay_secs: fields.secs("delay_secs", problems),
        expires_after_secs: fields.secs("expires_after_secs", problems),
        idempotency_key: fields.text("idempotency_key", LABEL_CHARS_MAX, problems),
        former_id: read_id(&fields, "former_id", problems),
        manual: read_manual(&fields, source, problems).map(Box::new),
    })
}

fn read_customer(node: &Node, country: Option<&str>, problems: &mut Problems) -> Option<Customer> {
    let fields = Fields::open("customer", node, CUSTOMER_FIELDS, problems)?;
    let phone = fields.get("phone").and_then(|node| {
        let text = read_text("customer.phone", node, LABEL_CHARS_MAX, problems)?;
        let phone = normalise_phone(&text, country);
        phone.map_err(|problem| problems.add("customer.phone", "bad_address", problem.to_string())).ok()
    });
    Some(Customer {
        custom_id: fields.text("custom_id", LABEL_CHARS_MAX, problems),
        name: read_name(&fields, "name", problems),
        email: read_email(&fields, "email", problems),
        phone,
    })
}

fn read_employee(fields: &Fields, problems: &mut Problems) -> Employee {
    let remedy = "name the team member by employee.email or employee.custom_id";
    let Some(node) = fields.get("employee") else {
        problems.add("employee", "missing", remedy);
        return Employee::default();
    };
    let Some(fields) = Fields::open("employee", node, EMPLOYEE_FIELDS, problems) else {
        return Employee::default();
    };
    if fields.get("email").is_none() && fields.get("custom_id").is_none() {
        problems.add("employee", "missing", remedy);
    }
    Employee {
        email: read_email(&fields, "email", problems),
        custom_id: fields.text("custom_id", LABEL_CHARS_MAX, problems),
    }
}

/// Requires channel, customer and an address, but for a service recovery, which inherits them. Reads the fields
/// as written, so that a malformed field is not called missing as well.
fn check_required(fields: &Fields, medium: Option<Medium>, do_not_send: bool, problems: &mut Problems) {
    if fields.get("initial_feedback_request_id").is_some() {
        return;
    }
    let inherits = "is required, only a service recovery (initial_feedback_request_id) may leave it out";
    if fields.get("channel").is_none() {
        problems.add("channel", "missing", format!("the channel {inherits}"));
    }
    let written = match fields.get("customer") {
        None => Vec::new(),
        Some(Node::Object(written)) => {
            written.iter().filter(|(_, node)| *node != Node::Null).map(|(name, _)| name.as_str()).collect()
        }
        Some(_) => return,
    };
    if written.is_empty() {
        problems.add("customer", "missing", format!("the customer {inherits}"));
    } else if !do_not_send {
        check_address(&written, medium, problems);
    }
}

fn check_address(written: &[&str], medium: Option<Medium>, problems: &mut Problems) {
    let (has_email, has_phone) = (written.contains(&"email"), written.contains(&"phone"));
    // The addresses of a known custom_id are looked up later; without any, the rules refuse the job.
    if !has_email && !has_phone && written.contains(&"custom_id") {
        return;
    }
    match medium {
        Some(Medium::Email) if !has_email => {
            problems.add("customer.email", "no_address", "the medium is email, give customer.email");
        }
        Some(Medium::Sms) if !has_phone => {
            problems.add("customer.phone", "no_address", "the medium is sms, give customer.phone");
        }
        None if !has_email && !has_phone => {
            problems.add(
                "customer",
                "no_address",
                "give customer.email, customer.phone or a known custom_id",
            );
        }
        Some(Medium::Email | Medium::Sms) | None => {}
    }
}

/// A person's name, cleaned; a name that is empty then is absent.
pub fn read_name(fields: &Fields, name: &str, problems: &mut Problems) -> Option<String> {
    let node = fields.get(name)?;
    let path = fields.at(name);
    match node {
        Node::Text(text) => {
            let cleaned = one_line(text);
            let fits = is_short_enough(&path, &cleaned, LABEL_CHARS_MAX, problems);
            (fits && !cleaned.is_empty()).then_some(cleaned)
        }
        other => {
            problems.add(path, "wrong_type", expected("a string", other));
            None
        }
    }
}

/// An email address in its normal form.
pub fn read_email(fields: &Fields, name: &str, problems: &mut Problems) -> Option<String> {
    let text = fields.text(name, 320, problems)?;
    let email = normalise_email(&text);
    email.map_err(|problem| problems.add(fields.at(name), "bad_address", problem.to_string())).ok()
}

/// A language tag in its normal form (`fr_ca` becomes `fr-CA`).
pub fn read_language(fields: &Fields, name: &str, problems: &mut Problems) -> Option<String> {
    read_with(fields, name, LANGUAGE_CHARS_MAX, problems, |text| {
        let tag = LanguageTag::parse_and_normalize(&text.replace('_', "-"));
        tag.map(LanguageTag::into_inner).map_err(|_| ("bad_language", "give a BCP 47 tag, as in en or fr-CA"))
    })
}

pub(super) fn read_id(fields: &Fields, name: &str, problems: &mut Problems) -> Option<Uuid> {
    read_with(fields, name, LABEL_CHARS_MAX, problems, |text| {
        let remedy = ("bad_id", "give a UUID of 32 hexadecimal digits, with or without hyphens");
        Uuid::try_parse(text).map_err(|_| remedy)
    })
}

pub(super) fn read_time(text: &str) -> Result<DateTime<Utc>, (&'static str, &'static str)> {
    let remedy = ("bad_time", "give an RFC 3339 time with its offset, as in 2026-03-01T09:00:00+01:00");
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| remedy)?.to_utc();
    // A leap second and digits beyond Postgres's microseconds have no place in the ledger.
    let plain = DateTime::from_timestamp(time.timestamp(), 0).ok_or(remedy)?;
    let micros = time.timestamp_subsec_micros().min(999_999);
    let time = plain + chrono::TimeDelta::microseconds(i64::from(micros));
    // An offset may push the last day of year 9999 over the end of what RFC 3339 can write.
    let written = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    if written.starts_with(['+', '-']) { Err(remedy) } else { Ok(time) }
}

fn read_tags(fields: &Fields, problems: &mut Problems) -> Vec<String> {
    let items = fields.list("tags", TAGS_MAX, problems);
    items.iter().filter_map(|(path, item)| read_text(path, item, TAG_CHARS_MAX, problems)).collect()
}

pub(super) fn read_properties(fields: &Fields, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    let path = "custom_properties";
    let Some(fields) = fields.get(path).and_then(|node| Fields::open_any(path, node, problems)) else {
        return properties;
    };
    let count = fields.present().count();
    if count > PROPERTIES_MAX {
        problems.add(path, "too_many", format!("{count} properties, at most {PROPERTIES_MAX} are allowed"));
        return properties;
    }
    for (key, node) in fields.present() {
        let place = fields.at(key);
        if key.trim().is_empty() {
            problems.add(path, "empty", "a property has no name, give it one");
        } else if key.chars().any(crate::document::text::is_control) {
            problems.add(place, "control_character", "the name holds a control character, take it out");
        } else if is_short_enough(&place, key, PROPERTY_KEY_CHARS_MAX, problems) {
            let value = read_any_text(&place, node, PROPERTY_VALUE_CHARS_MAX, Lines::Several, problems);
            properties.extend(value.map(|value| (key.to_owned(), value)));
        }
    }
    properties
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
