//! 8x8's wire: the facts in one notification about an interaction.
//!
//! PURE. There are two kinds: those of the Chat Gateway (`eventType`: the customer and the channel) and those of the
//! event stream, which a relay of the company forwards (`Interaction`: actions of agents). A relay adds the chat's
//! `conversationId` to the event; without it the interaction's GUID stands for it, and is not matched with the
//! Gateway's notifications about the same chat. The stream writes texts that look like numbers without quotes, so
//! every value is read as text first. `interaction` merges the facts.

use std::collections::BTreeMap;

use serde_json::Value;

use postrider_domain::{company::PublicKey, document::text::one_line};

use crate::connectors::eight_by_eight::interaction::{Interaction, Latest};

const TEXT_CHARS_MAX: usize = 255;
/// Bound of a job's tags.
const CODES_MAX: usize = 50;
/// Bound of the text with all codes of an interaction.
const ATTACHED_CHARS_MAX: usize = 4_096;
/// A modulus of 8,192 bits in base64url, with a margin.
const KEY_PART_CHARS_MAX: usize = 1_400;

/// The facts in one notification, and the id of their interaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InteractionUpdate {
    pub interaction: String,
    pub facts: Interaction,
}

/// The notification is not a JSON object of either kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadableUpdate;

/// Whether the body is 8x8's test of a new webhook.
#[must_use]
pub fn is_greeting(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|body| body["eventType"] == "WEB_HOOK_VERIFY")
}

/// Parses a notification; `None`: it has no facts of use.
///
/// # Errors
/// It is of neither kind.
pub fn parse(body: &[u8]) -> Result<Option<InteractionUpdate>, UnreadableUpdate> {
    let notification: Value = serde_json::from_slice(body).map_err(|_| UnreadableUpdate)?;
    if notification["eventType"].is_string() {
        return Ok(gateway(&notification));
    }
    let event = ["Interaction", "GuestChatEnd"]
        .into_iter()
        .map(|name| &notification[name])
        .find(|event| event.is_object());
    match event {
        Some(event) => Ok(stream(&notification, event)),
        // Such as an agent's sign-in, which is in the stream as well.
        None if notification.is_object() => Ok(None),
        None => Err(UnreadableUpdate),
    }
}

/// Whether a key's id can be part of a URL: it comes from a call that is not verified yet.
#[must_use]
pub fn is_kid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The key of this id in an answer of 8x8's key endpoint, which is one JWK or a set; `None`: no RS256 signing key has
/// this id.
///
/// # Errors
/// The answer is not a JSON object.
pub fn public_key(answer: &[u8], kid: &str) -> Result<Option<PublicKey>, UnreadableUpdate> {
    let answer: Value = serde_json::from_slice(answer).map_err(|_| UnreadableUpdate)?;
    if !answer.is_object() {
        return Err(UnreadableUpdate);
    }
    let keys = answer["keys"].as_array().map_or(std::slice::from_ref(&answer), Vec::as_slice);
    let is_absent_or = |jwk: &Value, name: &str, word: &str| jwk[name].is_null() || jwk[name] == word;
    let part = |jwk: &Value, name: &str| {
        let text = jwk[name].as_str()?.trim_end_matches('=');
        (1..=KEY_PART_CHARS_MAX).contains(&text.len()).then(|| text.to_owned())
    };
    let signs = |jwk: &&Value| {
        jwk["kid"] == kid
            && jwk["kty"] == "RSA"
            && is_absent_or(jwk, "alg", "RS256")
            && is_absent_or(jwk, "use", "sig")
    };
    Ok(keys
        .iter()
        .find(signs)
        .and_then(|jwk| Some(PublicKey { kid: kid.to_owned(), n: part(jwk, "n")?, e: part(jwk, "e")? })))
}

/// A notification of the Chat Gateway: facts about the customer.
fn gateway(notification: &Value) -> Option<InteractionUpdate> {
    if notification["eventType"] != "CONVERSATION_UPDATE" {
        return None;
    }
    let (data, user) = (&notification["data"], &notification["data"]["user"]);
    let at = notification["timestamp"].as_i64().unwrap_or(0);
    let latest = |value: &Value| Latest::new(at, text(value));
    let facts = Interaction {
        channel: latest(&data["channel"]),
        social_id: latest(&user["userId"]),
        name: latest(&user["name"]),
        email: latest(&user["email"]),
        phone: Latest::new(at, text(&user["phone"]).or_else(|| msisdn(&data["msisdn"]))),
        case: latest(&user["caseId"]),
        language: latest(&user["language"]),
        ..Interaction::default()
    };
    update(text(&notification["conversationId"])?, facts)
}

/// A phone number in international form, with its `+` added if missing.
fn msisdn(value: &Value) -> Option<String> {
    text(value).map(|number| if number.starts_with('+') { number } else { format!("+{number}") })
}

/// An event of the stream: an action of an agent, and the data attached to the interaction.
fn stream(notification: &Value, event: &Value) -> Option<InteractionUpdate> {
    let media = text(&event["mediaType"]);
    if media.is_some_and(|media| media != "chat") {
        return None;
    }
    let millis = event["msgInfo"]["timestamp"].as_i64();
    let second = number(&event["interactionEventTS"]).or(millis.map(|millis| millis / 1_000)).unwrap_or(0);
    let at = millis.unwrap_or(second.saturating_mul(1_000));
    let name = text(&event["event"]);
    let name =
        name.as_deref().unwrap_or(if notification["GuestChatEnd"].is_object() { "GuestChatEnd" } else { "" });
    let agents = || agent(event).map(|agent| BTreeMap::from([(agent, second)])).unwrap_or_default();
    let attached = attached(event);
    let latest = |key: &str| Latest::new(at, attached.get(key).filter(|text| fits(text)).cloned());
    let codes = attached.get("tclSelectedItems").map(|codes| {
        codes
            .split(',')
            .map(str::trim)
            .filter(|code| !code.is_empty())
            .take(CODES_MAX)
            .map(str::to_owned)
            .collect()
    });
    let facts = Interaction {
        accepted: if name == "InteractionAccepted" { agents() } else { BTreeMap::new() },
        wrapped_up: if name == "InteractionEndPostProcess" { agents() } else { BTreeMap::new() },
        closed: matches!(name, "InteractionDeleted" | "GuestChatEnd"),
        medium: latest("type"),
        name: latest("nam"),
        language: latest("customerLanguage"),
        codes: Latest::new(at, codes),
        ..Interaction::default()
    };
    let id = text(&notification["conversationId"]).or_else(|| text(&event["interactionGUID"]))?;
    update(id, facts)
}

fn update(interaction: String, facts: Interaction) -> Option<InteractionUpdate> {
    (facts != Interaction::default()).then_some(InteractionUpdate { interaction, facts })
}

/// The agent's id; some events have only a GUID that contains it.
fn agent(event: &Value) -> Option<String> {
    text(&event["agentId"]).or_else(|| {
        let guid = text(&event["agentGUID"])?;
        guid.split('-').find(|part| part.starts_with("ag")).map(str::to_owned)
    })
}

fn attached(event: &Value) -> BTreeMap<&str, String> {
    let data = event["attachedData"]["attachedDatum"].as_array().map(Vec::as_slice).unwrap_or_default();
    data.iter()
        .filter_map(|datum| Some((datum["attachedDataKey"].as_str()?, line(&datum["attachedDataValue"])?)))
        .collect()
}

/// A value as text, with or without quotes; `None` if it is empty or too long.
fn text(value: &Value) -> Option<String> {
    line(value).filter(|text| fits(text))
}

/// A value on one line. Customers choose their names: characters that Postgres cannot store, or that would make the
/// job invalid, are removed.
fn line(value: &Value) -> Option<String> {
    let line = match value {
        Value::String(text) => one_line(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!line.is_empty() && line.chars().count() <= ATTACHED_CHARS_MAX).then_some(line)
}

fn fits(text: &str) -> bool {
    text.chars().count() <= TEXT_CHARS_MAX
}

fn number(value: &Value) -> Option<i64> {
    text(value)?.parse().ok()
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
