//! The connectors of a company's file (`[[recipes]]`): systems with notifications that make requests.
//!
//! PURE. A connector's id is part of its webhook's path and selects the key to verify with. Secrets stay in the
//! environment; the public keys of 8x8's signatures are no secrets: they stand in the file, or 8x8 publishes them.
//! `connectors` of the worker turns a notification into a job; `docs/connectors.md` tells how one is added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::document::{
    fields::{Fields, LABEL_CHARS_MAX, Problems, read_text},
    node::Node,
};

use super::{
    fields::{open_or_empty, read_base_url, read_choice, read_env, read_slug},
    syntax::base_url_problem,
};

/// One connected system of a company.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// Opaque, unique over all companies; part of the webhook's path.
    pub id: String,
    /// Label of the brand of its requests; `None`: the company's default.
    pub brand: Option<String>,
    /// Its requests take the real path but reserve nothing and reach no customer.
    #[serde(default)]
    pub test: bool,
    /// The system's own settings.
    pub settings: ConnectorSettings,
}

/// The settings of each kind of system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "recipe")]
pub enum ConnectorSettings {
    /// Kustomer.
    #[serde(rename = "kustomer")]
    Kustomer(KustomerSettings),
    /// 8x8 Contact Center.
    #[serde(rename = "8x8")]
    EightByEight(EightByEightSettings),
}

/// Kustomer's outbound webhook `kustomer.conversation.update`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KustomerSettings {
    /// e.g. `https://api.kustomerapp.com`
    pub base_url: String,
    /// Reads customers, users and tags.
    pub api_key_env: String,
    /// The token from the webhook's registration; it signs the notifications.
    pub webhook_token_env: String,
    /// Page of a conversation; `{customer}` and `{conversation}` are replaced.
    pub conversation_url: Option<String>,
    /// Custom attribute of a conversation that sets `do_not_send`.
    pub do_not_send_attribute: String,
}

/// 8x8 Contact Center: notifications of the Chat Gateway and of the event stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EightByEightSettings {
    /// The accepted tenant: 8x8 signs the notifications of all its tenants with the same keys.
    pub tenant_id: String,
    /// Name of the company's channel for its requests.
    pub channel: String,
    /// The Chat Gateway's channels that count as social, compared without case.
    pub social_channels: Vec<String>,
    /// Page of a case; `{case}` is replaced.
    pub case_url: Option<String>,
    /// Seconds from a complete interaction to its request; notifications within them still count.
    #[serde(rename = "settle_secs")]
    pub debounce_secs: u32,
    /// Tags by transaction code, written `list|item`; a code that is not here is a tag as it is.
    pub transaction_codes: BTreeMap<String, String>,
    /// RSA keys of the signatures.
    pub keys: Vec<PublicKey>,
    /// URL of further keys; `{kid}` is replaced by the key's id.
    pub keys_url: Option<String>,
}

/// An RSA key as a JWK writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    /// Key id.
    pub kid: String,
    /// Modulus, base64url without padding.
    pub n: String,
    /// Exponent, base64url without padding.
    pub e: String,
}

impl Connector {
    /// The kind's word in webhook paths, metrics and lists.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self.settings {
            ConnectorSettings::Kustomer(_) => "kustomer",
            ConnectorSettings::EightByEight(_) => "8x8",
        }
    }
}

const COMMON_FIELDS: &[&str] = &["id", "recipe", "brand", "test"];
const KUSTOMER_FIELDS: &[&str] =
    &["base_url", "api_key_env", "webhook_token_env", "conversation_url", "do_not_send_attribute"];
const EIGHT_BY_EIGHT_FIELDS: &[&str] = &[
    "tenant_id",
    "channel",
    "social_channels",
    "case_url",
    "settle_secs",
    "transaction_codes",
    "keys",
    "keys_url",
];
const KEY_FIELDS: &[&str] = &["kid", "n", "e"];

#[cfg(test)]
pub(super) const FIELDS: [&[&str]; 4] = [COMMON_FIELDS, KUSTOMER_FIELDS, EIGHT_BY_EIGHT_FIELDS, KEY_FIELDS];

/// The Chat Gateway's names of its social channels.
const SOCIAL_CHANNELS: &[&str] =
    &["Facebook", "Instagram", "Twitter", "X", "WhatsApp", "Viber", "Telegram", "Line", "WeChat"];
const SETTLE_SECS_DEFAULT: u32 = 30;
const SETTLE_SECS_MAX: i64 = 3_600;
const URL_CHARS_MAX: usize = 1_000;
const CHANNELS_MAX: usize = 50;
const CODES_MAX: usize = 1_000;
const TAG_CHARS_MAX: usize = 200;
const KEYS_MAX: usize = 20;
/// 8,192 bits in base64url, and some.
const MODULUS_CHARS_MAX: usize = 1_400;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Kustomer,
    EightByEight,
}

const KINDS: &[(&str, Kind)] = &[("kustomer", Kind::Kustomer), ("8x8", Kind::EightByEight)];

/// Reads one item of `recipes`.
pub(super) fn read_connector(path: &str, item: &Node, problems: &mut Problems) -> Connector {
    // The known fields depend on the kind, so it is read first, without adding problems.
    let written: &[(String, Node)] = if let Node::Object(written) = item { written } else { &[] };
    let recipe = written.iter().find(|(name, _)| name == "recipe").map(|(_, node)| node);
    let kind = KINDS.iter().find(|(word, _)| matches!(recipe, Some(Node::Text(text)) if text == word));
    let own: Vec<&str> = match kind.map(|(_, kind)| kind) {
        Some(Kind::Kustomer) => KUSTOMER_FIELDS.to_vec(),
        Some(Kind::EightByEight) => EIGHT_BY_EIGHT_FIELDS.to_vec(),
        None => [KUSTOMER_FIELDS, EIGHT_BY_EIGHT_FIELDS].concat(),
    };
    let fields = open_or_empty(path, item, &[COMMON_FIELDS, &own].concat(), problems);
    if fields.get("recipe").is_none() {
        problems.add(fields.at("recipe"), "missing", "give one of kustomer, 8x8");
    }
    // The settings of an unknown kind are a stand-in: the problem keeps the file from being used.
    let settings = match read_choice(&fields, "recipe", KINDS, problems) {
        Some(Kind::EightByEight) => ConnectorSettings::EightByEight(read_eight_by_eight(&fields, problems)),
        Some(Kind::Kustomer) => ConnectorSettings::Kustomer(read_kustomer(&fields, problems)),
        None => ConnectorSettings::Kustomer(read_kustomer(&Fields::empty(path), &mut Problems::default())),
    };
    Connector {
        id: read_slug(&fields, "id", problems),
        brand: fields.text("brand", LABEL_CHARS_MAX, problems),
        test: fields.flag("test", problems).unwrap_or(false),
        settings,
    }
}

fn read_kustomer(fields: &Fields, problems: &mut Problems) -> KustomerSettings {
    KustomerSettings {
        base_url: read_base_url(fields, "https://api.kustomerapp.com", problems),
        api_key_env: read_env(fields, "api_key_env", problems),
        webhook_token_env: read_env(fields, "webhook_token_env", problems),
        conversation_url: read_page_url(
            fields,
            "conversation_url",
            &["{customer}", "{conversation}"],
            problems,
        ),
        do_not_send_attribute: fields
            .text("do_not_send_attribute", LABEL_CHARS_MAX, problems)
            .unwrap_or_else(|| "doNotSendStellaConnectRequestBool".to_owned()),
    }
}

fn read_eight_by_eight(fields: &Fields, problems: &mut Problems) -> EightByEightSettings {
    let keys: Vec<PublicKey> = fields
        .list("keys", KEYS_MAX, problems)
        .iter()
        .map(|(path, item)| read_key(path, item, problems))
        .collect();
    let keys_url = read_keys_url(fields, problems);
    if keys.is_empty() && fields.get("keys_url").is_none() {
        let message = "give keys_url or at least one [[recipes.keys]] to verify notifications with";
        problems.add(fields.at("keys"), "missing", message);
    }
    let named = fields.list("social_channels", CHANNELS_MAX, problems);
    let social_channels = match fields.get("social_channels") {
        None => SOCIAL_CHANNELS.iter().map(|name| (*name).to_owned()).collect(),
        Some(_) => {
            named.iter().filter_map(|(path, item)| read_text(path, item, LABEL_CHARS_MAX, problems)).collect()
        }
    };
    EightByEightSettings {
        tenant_id: fields.required_text("tenant_id", LABEL_CHARS_MAX, problems).unwrap_or_default(),
        channel: fields.text("channel", LABEL_CHARS_MAX, problems).unwrap_or_else(|| "social".to_owned()),
        social_channels,
        case_url: read_page_url(fields, "case_url", &["{case}"], problems),
        debounce_secs: fields
            .number("settle_secs", 0..=SETTLE_SECS_MAX, problems)
            .unwrap_or(SETTLE_SECS_DEFAULT),
        transaction_codes: read_codes(fields, problems),
        keys,
        keys_url,
    }
}

/// The URL of 8x8's published keys; workers call it, so it is checked like a provider's URL.
fn read_keys_url(fields: &Fields, problems: &mut Problems) -> Option<String> {
    let url = fields.text("keys_url", URL_CHARS_MAX, problems)?;
    let filled = url.replace("{kid}", "0");
    let braces = filled.contains(['{', '}', ' ']).then_some("only {kid} may stand in braces");
    if let Some(problem) = braces.or_else(|| base_url_problem(&filled)) {
        problems.add(fields.at("keys_url"), "bad_url", problem);
    }
    Some(url)
}

fn read_key(path: &str, item: &Node, problems: &mut Problems) -> PublicKey {
    let fields = open_or_empty(path, item, KEY_FIELDS, problems);
    let mut part = |name: &str, chars_max: usize| {
        let text = fields.required_text(name, chars_max, problems).unwrap_or_default();
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name != "kid" && !text.bytes().all(is_base64url) {
            let message = "copy the key's number from its JWK: base64url, without padding";
            problems.add(fields.at(name), "bad_key", message);
        }
        text
    };
    PublicKey { kid: part("kid", LABEL_CHARS_MAX), n: part("n", MODULUS_CHARS_MAX), e: part("e", 16) }
}

fn read_codes(fields: &Fields, problems: &mut Problems) -> BTreeMap<String, String> {
    let name = "transaction_codes";
    let Some(node) = fields.get(name) else { return BTreeMap::new() };
    let Some(codes) = Fields::open_any(&fields.at(name), node, problems) else { return BTreeMap::new() };
    if codes.present().count() > CODES_MAX {
        problems.add(&codes.path, "too_many", format!("at most {CODES_MAX} codes are allowed"));
        return BTreeMap::new();
    }
    let mut tags = BTreeMap::new();
    for (code, node) in codes.present() {
        let is_pair = code.split_once('|').is_some_and(|(list, item)| !list.is_empty() && !item.is_empty());
        if !is_pair {
            problems.add(codes.at(code), "bad_id", "write the code as list|item, as in \"5|12\"");
        }
        if let Some(tag) = read_text(&codes.at(code), node, TAG_CHARS_MAX, problems) {
            tags.insert(code.to_owned(), tag);
        }
    }
    tags
}

/// A page that requests link to, with places for ids.
fn read_page_url(fields: &Fields, name: &str, places: &[&str], problems: &mut Problems) -> Option<String> {
    let text = fields.text(name, URL_CHARS_MAX, problems)?;
    let filled = places.iter().fold(text.clone(), |filled, place| filled.replace(place, "0"));
    let is_web =
        Url::parse(&filled).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !is_web || filled.contains(['{', '}', ' ']) {
        let message = format!("give an http or https URL; only {} may stand in braces", places.join(" and "));
        problems.add(fields.at(name), "bad_url", message);
    }
    Some(text)
}

#[cfg(test)]
#[path = "connectors_tests.rs"]
mod tests;
