//! The accounts of a company's file: each provider's settings with their defaults.
//!
//! PURE. Secrets stay in the environment; the file names the variables. Hosts and ids that become part
//! of a URL are held to characters that need no escaping. Read `file` for the rest of the file,
//! `policy` for what the settings mean.

use crate::{
    address::{is_domain, is_e164},
    document::{
        fields::{Fields, LABEL_CHARS_MAX, Problems},
        node::Node,
    },
};

use super::{
    Account, ProviderSettings,
    fields::{open_or_empty, read_base_url, read_choice, read_env, read_slug},
    policy::SmtpTls,
    syntax::{is_host, is_private_host},
};

const COMMON_FIELDS: [&str; 4] = ["id", "provider", "rate_per_sec", "concurrency"];
const TWILIO_FIELDS: &[&str] = &[
    "base_url",
    "account_sid",
    "api_key_sid",
    "api_secret_env",
    "auth_token_env",
    "from",
    "messaging_service_sid",
];
const MAILGUN_FIELDS: &[&str] = &["base_url", "domain", "api_key_env", "signing_key_env"];
const SMTP_FIELDS: &[&str] = &["host", "port", "tls", "username", "password_env", "domain"];

const RATE_PER_SEC_MAX: i64 = 100_000;
const CONCURRENCY_MAX: i64 = 1_000;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Twilio,
    Mailgun,
    Smtp,
}

const KINDS: &[(&str, Kind)] = &[("twilio", Kind::Twilio), ("mailgun", Kind::Mailgun), ("smtp", Kind::Smtp)];

/// Reads one item of `accounts`.
pub(super) fn read_account(path: &str, item: &Node, problems: &mut Problems) -> Account {
    // The known fields depend on the provider, so it is read first, without adding problems.
    let written: &[(String, Node)] = if let Node::Object(written) = item { written } else { &[] };
    let provider = written.iter().find(|(name, _)| name == "provider").map(|(_, node)| node);
    let kind = KINDS.iter().find(|(word, _)| matches!(provider, Some(Node::Text(text)) if text == word));
    let own: Vec<&str> = match kind.map(|(_, kind)| kind) {
        Some(Kind::Twilio) => TWILIO_FIELDS.to_vec(),
        Some(Kind::Mailgun) => MAILGUN_FIELDS.to_vec(),
        Some(Kind::Smtp) => SMTP_FIELDS.to_vec(),
        None => [TWILIO_FIELDS, MAILGUN_FIELDS, SMTP_FIELDS].concat(),
    };
    let fields = open_or_empty(path, item, &[&COMMON_FIELDS[..], &own].concat(), problems);
    if fields.get("provider").is_none() {
        problems.add(fields.at("provider"), "missing", "give one of twilio, mailgun, smtp");
    }
    let kind = read_choice(&fields, "provider", KINDS, problems);
    let (rate, concurrency, settings) = match kind {
        Some(Kind::Twilio) => (100, 64, read_twilio(&fields, problems)),
        Some(Kind::Mailgun) => (100, 64, read_mailgun(&fields, problems)),
        Some(Kind::Smtp) => (50, 16, read_smtp(&fields, problems)),
        None => (1, 1, unreadable()),
    };
    Account {
        id: read_slug(&fields, "id", problems),
        rate_per_sec: fields.number("rate_per_sec", 1..=RATE_PER_SEC_MAX, problems).unwrap_or(rate),
        concurrency: fields.number("concurrency", 1..=CONCURRENCY_MAX, problems).unwrap_or(concurrency),
        settings,
    }
}

/// A stand-in for the settings of an unknown provider; the problem keeps the file from being used.
fn unreadable() -> ProviderSettings {
    ProviderSettings::Mailgun {
        base_url: String::new(),
        domain: String::new(),
        api_key_env: String::new(),
        signing_key_env: String::new(),
    }
}

fn read_twilio(fields: &Fields, problems: &mut Problems) -> ProviderSettings {
    let auth_token_env = read_env(fields, "auth_token_env", problems);
    let api_key_sid = read_sid(fields, "api_key_sid", problems);
    let api_secret_env = if fields.get("api_secret_env").is_none() && fields.get("api_key_sid").is_none() {
        auth_token_env.clone()
    } else {
        read_env(fields, "api_secret_env", problems)
    };
    let from = fields.text("from", LABEL_CHARS_MAX, problems);
    if from.as_deref().is_some_and(|from| !is_e164(from)) {
        problems.add(fields.at("from"), "bad_address", "give the sender as +<country code><number>");
    }
    if fields.get("from").is_some() == fields.get("messaging_service_sid").is_some() {
        problems.add(&fields.path, "missing", "give exactly one of from and messaging_service_sid");
    }
    if fields.get("account_sid").is_none() {
        problems.add(fields.at("account_sid"), "missing", "the field is required, give account_sid");
    }
    ProviderSettings::Twilio {
        base_url: read_base_url(fields, "https://api.twilio.com", problems),
        account_sid: read_sid(fields, "account_sid", problems).unwrap_or_default(),
        api_key_sid,
        api_secret_env,
        auth_token_env,
        from,
        messaging_service_sid: read_sid(fields, "messaging_service_sid", problems),
    }
}

fn read_mailgun(fields: &Fields, problems: &mut Problems) -> ProviderSettings {
    ProviderSettings::Mailgun {
        base_url: read_base_url(fields, "https://api.mailgun.net", problems),
        domain: read_domain(fields, problems),
        api_key_env: read_env(fields, "api_key_env", problems),
        signing_key_env: read_env(fields, "signing_key_env", problems),
    }
}

fn read_smtp(fields: &Fields, problems: &mut Problems) -> ProviderSettings {
    let choices = [("implicit", SmtpTls::Implicit), ("starttls", SmtpTls::Starttls), ("none", SmtpTls::None)];
    let tls = read_choice(fields, "tls", &choices, problems).unwrap_or(SmtpTls::Starttls);
    let host = fields.required_text("host", LABEL_CHARS_MAX, problems).unwrap_or_default();
    if !host.is_empty() && !is_host(&host) {
        problems.add(fields.at("host"), "bad_host", "give a host name or an IP address, without a port");
    } else if tls == SmtpTls::None && !host.is_empty() && !is_private_host(&host) {
        let message = "tls = \"none\" is only for loopback and private hosts, use starttls or implicit";
        problems.add(fields.at("tls"), "insecure", message);
    }
    if fields.get("username").is_some() != fields.get("password_env").is_some() {
        problems.add(&fields.path, "missing", "give both of username and password_env, or neither");
    }
    let password_env = fields.get("password_env").map(|_| read_env(fields, "password_env", problems));
    let usual_port = match tls {
        SmtpTls::Implicit => 465,
        SmtpTls::Starttls => 587,
        SmtpTls::None => 25,
    };
    let port = fields.number("port", 1..=65_535, problems).and_then(|port| u16::try_from(port).ok());
    ProviderSettings::Smtp {
        host,
        port: port.unwrap_or(usual_port),
        tls,
        username: fields.text("username", LABEL_CHARS_MAX, problems),
        password_env,
        domain: read_domain(fields, problems),
    }
}

fn read_domain(fields: &Fields, problems: &mut Problems) -> String {
    let domain = fields.required_text("domain", LABEL_CHARS_MAX, problems).unwrap_or_default();
    if !domain.is_empty() && !is_domain(&domain) {
        problems.add(fields.at("domain"), "bad_host", "give a domain name with a dot, as in example.com");
    }
    domain.to_ascii_lowercase()
}

fn read_sid(fields: &Fields, name: &str, problems: &mut Problems) -> Option<String> {
    let sid = fields.text(name, LABEL_CHARS_MAX, problems)?;
    if sid.len() > 64 || !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        problems.add(fields.at(name), "bad_id", "only letters and digits are allowed, at most 64");
    }
    Some(sid)
}
