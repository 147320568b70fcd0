//! The company's file: the TOML that an operator writes, read into the policy and the team members.
//!
//! PURE. Every mistake is listed by its path (`brands[0].survey_url`), unknown keys are refused with
//! the nearest known one, and what is left out gets the default named here. Secrets are never in the
//! file: accounts name environment variables. `accounts` reads the providers' settings, `member` the team,
//! `check` runs last and compares the parts; `deploy/example-company.toml` shows every key.

use crate::{
    document::{
        Problem,
        fields::{Fields, LABEL_CHARS_MAX, Lines, Problems, read_any_text, read_text},
        node::Node,
    },
    ids::Medium,
    job::parse::{read_email, read_language},
};

use super::{
    Brand, Channel, Member, Policy, SuppressionScope, accounts, alerts,
    check::check,
    connectors,
    fields::{open_or_empty, read_choice, read_slug},
    member::read_member,
    policy::Binding,
    syntax::survey_url_problem,
};

/// Longest company file, in bytes.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most brands, channels, accounts or bindings of one company.
const ITEMS_MAX: usize = 1_000;
/// Most team members of one company.
pub const MEMBERS_MAX: usize = 50_000;
const SUPPRESSION_DAYS_DEFAULT: u32 = 30;
const SUPPRESSION_DAYS_MAX: i64 = 366;
const EXPIRES_AFTER_SECS_DEFAULT: u32 = 259_200;
const POSTAL_ADDRESS_CHARS_MAX: usize = 500;
const URL_CHARS_MAX: usize = 1_000;

/// The content of the file, with every default filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct CompanyFile {
    /// Everything but the team members.
    pub policy: Policy,
    /// The team members.
    pub members: Vec<Member>,
}

/// Every key of the file.
pub const COMPANY_FIELDS: &[&str] = &[
    "slug",
    "name",
    "default_brand",
    "suppression_days",
    "suppression_scope",
    "medium_preference",
    "delay_secs",
    "expires_after_secs",
    "require_approved",
    "admin_may_request_on_behalf",
    "resend_if_absent",
    "test_email",
    "test_phone",
    "alerts",
    "brands",
    "channels",
    "members",
    "accounts",
    "bindings",
    "recipes",
];
const BRAND_FIELDS: &[&str] = &[
    "label",
    "name",
    "survey_url",
    "email_from",
    "reply_to",
    "postal_address",
    "language",
    "delay_secs",
    "email_account",
    "sms_account",
];
const CHANNEL_FIELDS: &[&str] = &["name", "automatic", "manual", "delay_secs"];
const BINDING_FIELDS: &[&str] = &["user", "test"];

/// Reads a company's file.
///
/// # Errors
/// Every problem of the file, by path.
pub fn parse(toml_text: &str) -> Result<CompanyFile, Vec<Problem>> {
    let mut problems = Problems::default();
    let file = read_toml(toml_text, &mut problems).and_then(|document| read_file(&document, &mut problems));
    problems.settle(file)
}

/// Reads a company's document, parsed from TOML or JSON.
///
/// # Errors
/// Every problem of the document, by path.
pub fn read(document: &Node) -> Result<CompanyFile, Vec<Problem>> {
    let mut problems = Problems::default();
    let file = read_file(document, &mut problems);
    problems.settle(file)
}

fn read_toml(toml_text: &str, problems: &mut Problems) -> Option<Node> {
    if toml_text.len() > FILE_BYTES_MAX {
        problems.add("", "too_long", format!("the file has more than {FILE_BYTES_MAX} bytes"));
        return None;
    }
    match toml::from_str::<toml::Table>(toml_text) {
        Ok(table) => Some(Node::from(toml::Value::Table(table))),
        Err(error) => {
            let before = error.span().and_then(|span| toml_text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let message = format!("the file is not TOML: {} in line {line}", error.message());
            problems.add("", "not_toml", message);
            None
        }
    }
}

fn read_file(document: &Node, problems: &mut Problems) -> Option<CompanyFile> {
    let fields = Fields::open("", document, COMPANY_FIELDS, problems)?;
    let brands = read_items(&fields, "brands", ITEMS_MAX, problems, read_brand);
    let channels = read_items(&fields, "channels", ITEMS_MAX, problems, read_channel);
    let accounts = read_items(&fields, "accounts", ITEMS_MAX, problems, accounts::read_account);
    let bindings = read_items(&fields, "bindings", ITEMS_MAX, problems, read_binding);
    let connectors = read_items(&fields, "recipes", ITEMS_MAX, problems, connectors::read_connector);
    let members = read_items(&fields, "members", MEMBERS_MAX, problems, read_member);
    let only_brand = || (brands.len() == 1).then(|| brands[0].label.clone());
    let policy = Policy {
        slug: read_slug(&fields, "slug", problems),
        name: fields.required_text("name", LABEL_CHARS_MAX, problems).unwrap_or_default(),
        default_brand: fields.text("default_brand", LABEL_CHARS_MAX, problems).or_else(only_brand),
        suppression_days: fields
            .number("suppression_days", 0..=SUPPRESSION_DAYS_MAX, problems)
            .unwrap_or(SUPPRESSION_DAYS_DEFAULT),
        suppression_scope: read_choice(&fields, "suppression_scope", SCOPES, problems)
            .unwrap_or(SuppressionScope::Company),
        medium_preference: read_media(&fields, problems),
        delay_secs: fields.secs("delay_secs", problems).unwrap_or(0),
        expires_after_secs: fields.secs("expires_after_secs", problems).unwrap_or(EXPIRES_AFTER_SECS_DEFAULT),
        require_approved: fields.flag("require_approved", problems).unwrap_or(true),
        admin_may_request_on_behalf: fields.flag("admin_may_request_on_behalf", problems).unwrap_or(false),
        resend_if_absent: fields.flag("resend_if_absent", problems).unwrap_or(false),
        test_email: read_email(&fields, "test_email", problems),
        test_phone: read_phone(&fields, "test_phone", problems),
        alerts: alerts::read(&fields, problems),
        brands,
        channels,
        accounts,
        bindings,
        connectors,
    };
    check(&policy, &members, problems);
    Some(CompanyFile { policy, members })
}

const SCOPES: &[(&str, SuppressionScope)] =
    &[("company", SuppressionScope::Company), ("brand", SuppressionScope::Brand)];

/// The items of a list of tables, read one by one. An item that is none keeps its place with empty
/// values, so that the paths of the others stay right; its problem keeps the file from being used.
fn read_items<T>(
    fields: &Fields,
    name: &str,
    items_max: usize,
    problems: &mut Problems,
    read: impl Fn(&str, &Node, &mut Problems) -> T,
) -> Vec<T> {
    let items = fields.list(name, items_max, problems);
    items.iter().map(|(path, item)| read(path, item, problems)).collect()
}

fn read_phone(fields: &Fields, name: &str, problems: &mut Problems) -> Option<String> {
    let text = fields.text(name, LABEL_CHARS_MAX, problems)?;
    if !crate::address::is_e164(&text) {
        problems.add(
            fields.at(name),
            "bad_address",
            "give the number in international form, as in +14155552671",
        );
        return None;
    }
    Some(text)
}

fn read_brand(path: &str, item: &Node, problems: &mut Problems) -> Brand {
    let fields = open_or_empty(path, item, BRAND_FIELDS, problems);
    let survey_url = fields.required_text("survey_url", URL_CHARS_MAX, problems).unwrap_or_default();
    if let Some(problem) = survey_url_problem(&survey_url) {
        problems.add(fields.at("survey_url"), "bad_url", problem);
    }
    Brand {
        label: fields.required_text("label", LABEL_CHARS_MAX, problems).unwrap_or_default(),
        name: fields.required_text("name", LABEL_CHARS_MAX, problems).unwrap_or_default(),
        survey_url,
        email_from: read_email(&fields, "email_from", problems),
        reply_to: read_email(&fields, "reply_to", problems),
        postal_address: read_postal_address(&fields, problems),
        language: read_language(&fields, "language", problems).unwrap_or_else(|| "en".to_owned()),
        delay_secs: fields.secs("delay_secs", problems),
        email_account: fields.text("email_account", LABEL_CHARS_MAX, problems),
        sms_account: fields.text("sms_account", LABEL_CHARS_MAX, problems),
    }
}

fn read_channel(path: &str, item: &Node, problems: &mut Problems) -> Channel {
    let fields = open_or_empty(path, item, CHANNEL_FIELDS, problems);
    Channel {
        name: fields.required_text("name", LABEL_CHARS_MAX, problems).unwrap_or_default(),
        automatic: fields.flag("automatic", problems).unwrap_or(true),
        manual: fields.flag("manual", problems).unwrap_or(false),
        delay_secs: fields.secs("delay_secs", problems),
    }
}

fn read_binding(path: &str, item: &Node, problems: &mut Problems) -> Binding {
    let fields = open_or_empty(path, item, BINDING_FIELDS, problems);
    Binding {
        user: fields.required_text("user", LABEL_CHARS_MAX, problems).unwrap_or_default(),
        test: fields.flag("test", problems).unwrap_or(false),
    }
}

fn read_media(fields: &Fields, problems: &mut Problems) -> Vec<Medium> {
    let name = "medium_preference";
    if fields.get(name).is_none() {
        return Medium::ALL.to_vec();
    }
    let mut media = Vec::new();
    for (path, item) in fields.list(name, Medium::ALL.len(), problems) {
        let word = read_text(&path, item, LABEL_CHARS_MAX, problems);
        let medium = Medium::ALL.into_iter().find(|medium| Some(medium.as_str()) == word.as_deref());
        match medium {
            Some(medium) if media.contains(&medium) => {
                problems.add(path, "duplicate", "the medium is listed twice, keep one");
            }
            Some(medium) => media.push(medium),
            None if word.is_some() => problems.add(path, "bad_choice", "give email or sms"),
            None => {}
        }
    }
    if matches!(fields.get(name), Some(Node::List(items)) if items.is_empty()) {
        problems.add(name, "empty", "list at least one of email and sms");
    }
    media
}

fn read_postal_address(fields: &Fields, problems: &mut Problems) -> Option<String> {
    let name = "postal_address";
    let path = fields.at(name);
    let text = read_any_text(&path, fields.get(name)?, POSTAL_ADDRESS_CHARS_MAX, Lines::Several, problems)?;
    let text = text.trim();
    if text.is_empty() {
        problems.add(&path, "empty", "the text is empty, leave the field out instead");
    }
    Some(text.to_owned())
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
