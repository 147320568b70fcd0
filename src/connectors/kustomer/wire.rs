//! Kustomer's wire: the notification of a closed conversation, the objects looked up for it, and the job of both.
//!
//! PURE. The mapping is that of Kustomer's own workflow "Send Stella Connect Request": a voice conversation is a phone
//! call, tags go by their names, the custom attribute sets `do_not_send`. Notifications carry
//! `X-Kustomer-Webhook-Signature`, the lower-case hex HMAC-SHA256 of the raw body under the webhook's token
//! (developer.kustomer.com, outbound webhooks). Ids become part of URLs: only letters, digits, `-` and `_` are
//! accepted. `client` makes the calls.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use postrider_domain::company::{Connector, KustomerSettings};

/// The event of notifications that can make requests.
pub const EVENT: &str = "kustomer.conversation.update";
const DONE: &str = "done";
const VOICE: &str = "voice";
const PHONE: &str = "phone";
/// Bound of a job's tags.
const TAGS_MAX: usize = 50;
const ID_CHARS_MAX: usize = 64;
/// An id without a tag, added to each question: Kustomer answers a question for a single id without a list.
pub const NO_TAG: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";

/// Whether the body is signed under one of the tokens (several during a rotation), compared in constant time.
#[must_use]
pub fn is_authentic(tokens: &[SecretString], body: &[u8], signature: Option<&str>) -> bool {
    let given = signature.unwrap_or_default().as_bytes();
    let mut matching = Choice::from(0);
    for token in tokens.iter().map(|token| token.expose_secret().as_bytes()) {
        // Under an empty token any sender can sign.
        if !token.is_empty() {
            let mut mac = Hmac::<Sha256>::new_from_slice(token).expect("HMAC takes keys of any length");
            mac.update(body);
            matching |= hex::encode(mac.finalize().into_bytes()).as_bytes().ct_eq(given);
        }
    }
    matching.into()
}

/// A parsed notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParsedNotification {
    /// No conversation was closed, or no user is assigned.
    Irrelevant,
    Closed(ClosedConversation),
}

/// A conversation that was marked done while a user was assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedConversation {
    /// Id of the notification's envelope: the same in every repeat.
    pub notification: String,
    pub conversation: String,
    pub customer: String,
    pub user: String,
    /// Ids of the tags.
    pub tags: Vec<String>,
    pub channels: Vec<String>,
    /// The custom attribute's value. One that is not a boolean is passed on, so that the job is rejected, not sent.
    do_not_send: Option<Value>,
}

/// A notification that differs from its documentation: the field, and how it differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableConversation {
    pub path: &'static str,
    pub message: &'static str,
}

/// Parses a notification.
///
/// # Errors
/// It is about a closed conversation and lacks a field that each such notification has.
pub fn parse(body: &[u8], settings: &KustomerSettings) -> Result<ParsedNotification, UnreadableConversation> {
    let unreadable = |path, message| Err(UnreadableConversation { path, message });
    let notification: Value = serde_json::from_slice(body).unwrap_or_default();
    if !notification.is_object() {
        return unreadable("", "the notice is no JSON object");
    }
    // First, because other events have other shapes.
    if notification["name"] != EVENT || notification["changes"]["attributes"]["status"]["after"] != DONE {
        return Ok(ParsedNotification::Irrelevant);
    }
    let Ok(Envelope { id, data }) = serde_json::from_value(notification) else {
        return unreadable("", "the notice is not of Kustomer's documented shape");
    };
    let Some(data) = data else { return unreadable("data", "the conversation is missing") };
    let attributes = data.attributes.unwrap_or_default();
    let user = attributes.assigned_users.unwrap_or_default().into_iter().next();
    let Some(user) = user else { return Ok(ParsedNotification::Irrelevant) };
    let customer = data.relationships.and_then(|related| related.customer).and_then(|customer| customer.data);
    let conversation = ClosedConversation {
        notification: id,
        conversation: data.id,
        customer: customer.map(|customer| customer.id).unwrap_or_default(),
        user,
        tags: attributes.tags.unwrap_or_default().into_iter().take(TAGS_MAX).collect(),
        channels: attributes.channels.unwrap_or_default(),
        do_not_send: attributes.custom.and_then(|mut custom| custom.remove(&settings.do_not_send_attribute)),
    };
    for (path, id) in [
        ("id", &conversation.notification),
        ("data.id", &conversation.conversation),
        ("data.relationships.customer.data.id", &conversation.customer),
        ("data.attributes.assignedUsers", &conversation.user),
    ] {
        if !is_id(id) {
            return unreadable(path, "the id is missing or not one of Kustomer's");
        }
    }
    if conversation.tags.iter().any(|tag| !is_id(tag)) {
        return unreadable("data.attributes.tags", "a tag's id is not one of Kustomer's");
    }
    Ok(ParsedNotification::Closed(conversation))
}

/// Letters, digits, `-` and `_` need no escaping in a URL and cannot change its path.
fn is_id(text: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The objects looked up for a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookedUp {
    pub customer_name: Option<String>,
    pub customer_email: Option<String>,
    pub user_email: Option<String>,
    /// Names of the tags.
    pub tags: Vec<String>,
}

/// The customer's name and first email address, from the answer to `GET /v1/customers/{id}`.
#[must_use]
pub fn customer(answer: &Value) -> (Option<String>, Option<String>) {
    let attributes = &answer["data"]["attributes"];
    (text(&attributes["name"]), text(&attributes["emails"][0]["email"]))
}

/// The user's email address, from the answer to `GET /v1/users/{id}`.
#[must_use]
pub fn user(answer: &Value) -> Option<String> {
    text(&answer["data"]["attributes"]["email"])
}

/// The names of tags, from the answer to `GET /v1/tags/{id},{id}`, in the order of the answer.
#[must_use]
pub fn tags(answer: &Value) -> Vec<String> {
    let tags = answer["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    tags.iter().filter_map(|tag| text(&tag["attributes"]["name"])).collect()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The job of a closed conversation, as JSON; `None`: the customer has no email address, without which Kustomer's
/// workflow asks nothing either.
#[must_use]
pub fn job(
    conversation: &ClosedConversation,
    found: &LookedUp,
    connector: &Connector,
    settings: &KustomerSettings,
) -> Option<Vec<u8>> {
    let email = found.customer_email.clone()?;
    let is_voice = conversation.channels.iter().any(|channel| channel == VOICE);
    let channel = if is_voice { Some(PHONE) } else { conversation.channels.first().map(String::as_str) };
    let url = settings.conversation_url.as_ref().map(|url| {
        url.replace("{customer}", &conversation.customer)
            .replace("{conversation}", &conversation.conversation)
    });
    let job = Job {
        customer: Person { name: found.customer_name.clone(), email: Some(email) },
        employee: Person { name: None, email: found.user_email.clone() },
        channel,
        ext_interaction_id: &conversation.conversation,
        external_url: url,
        tags: &found.tags,
        do_not_send: conversation.do_not_send.as_ref(),
        brand: connector.brand.as_deref(),
    };
    Some(serde_json::to_vec(&job).expect("a job is plain data"))
}

#[derive(Serialize)]
struct Job<'j> {
    customer: Person,
    employee: Person,
    channel: Option<&'j str>,
    ext_interaction_id: &'j str,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_url: Option<String>,
    tags: &'j [String],
    do_not_send: Option<&'j Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brand: Option<&'j str>,
}

#[derive(Serialize)]
struct Person {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// The fields of the envelope that are read. Kustomer adds fields at will and writes null for missing ones.
#[derive(Deserialize)]
struct Envelope {
    id: String,
    data: Option<Conversation>,
}

#[derive(Deserialize)]
struct Conversation {
    id: String,
    attributes: Option<Attributes>,
    relationships: Option<Relationships>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attributes {
    assigned_users: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    channels: Option<Vec<String>>,
    custom: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Relationships {
    customer: Option<Related>,
}

#[derive(Deserialize)]
struct Related {
    data: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    id: String,
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
