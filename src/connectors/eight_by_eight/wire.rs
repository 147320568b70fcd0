//! 8x8's wire: what one notice tells about its interaction.
//!
//! PURE. Two kinds come in: the Chat Gateway's own (`eventType`: who the customer is and through which
//! channel they came) and those of the event stream, which a relay of the company hands on (`Interaction`:
//! what the agents did). A relay names the chat's `conversationId` beside the event; without it the
//! interaction's GUID stands for it, and the Gateway's notices about the same chat are not found. The stream
//! writes texts that look like numbers without quotes, so every value is read as text first. Read
//! `interaction` for what becomes of it.

use std::collections::BTreeMap;

use serde_json::Value;

use postrider_domain::{company::PublicKey, document::text::one_line};

use crate::connectors::eight_by_eight::interaction::{Interaction, Latest};

const TEXT_CHARS_MAX: usize = 255;
/// As many as a job may have tags.
const CODES_MAX: usize = 50;
/// All codes of an interaction in one text.
const ATTACHED_CHARS_MAX: usize = 4_096;
/// A modulus of 8,192 bits in base64url, and some.
const KEY_PART_CHARS_MAX: usize = 1_400;

/// What a notice tells, and of which interaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub interaction: String,
    pub facts: Interaction,
}

/// The notice is no JSON object of either kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// Whether it only asks if somebody listens here.
#[must_use]
pub fn is_greeting(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|notice| notice["eventType"] == "WEB_HOOK_VERIFY")
}

/// Reads a notice; `None`: it tells nothing that matters here.
///
/// # Errors
/// Where it is of neither kind.
pub fn parse(body: &[u8]) -> Result<Option<Told>, Unreadable> {
    let notice: Value = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    if notice["eventType"].is_string() {
        return Ok(gateway(&notice));
    }
    let event =
        ["Interaction", "GuestChatEnd"].into_iter().map(|name| &notice[name]).find(|event| event.is_object());
    match event {
        Some(event) => Ok(stream(&notice, event)),
        // Agents come and go in the stream as well.
        None if notice.is_object() => Ok(None),
        None => Err(Unreadable),
    }
}

/// Whether a key's id may stand in a URL as it is: it is read before anybody was believed.
#[must_use]
pub fn is_kid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The key of this id in the answer of 8x8's key endpoint: one JWK, or a set of them. `None`: it has no such
/// key that signs by RS256.
///
/// # Errors
/// Where the answer is no JSON object.
pub fn public_key(answer: &[u8], kid: &str) -> Result<Option<PublicKey>, Unreadable> {
    let answer: Value = serde_json::from_slice(answer).map_err(|_| Unreadable)?;
    if !answer.is_object() {
        return Err(Unreadable);
    }
    let keys = answer["keys"].as_array().map_or(std::slice::from_ref(&answer), Vec::as_slice);
    let says = |jwk: &Value, name: &str, word: &str| jwk[name].is_null() || jwk[name] == word;
    let part = |jwk: &Value, name: &str| {
        let text = jwk[name].as_str()?.trim_end_matches('=');
        (1..=KEY_PART_CHARS_MAX).contains(&text.len()).then(|| text.to_owned())
    };
    let signs = |jwk: &&Value| {
        jwk["kid"] == kid && jwk["kty"] == "RSA" && says(jwk, "alg", "RS256") && says(jwk, "use", "sig")
    };
    Ok(keys
        .iter()
        .find(signs)
        .and_then(|jwk| Some(PublicKey { kid: kid.to_owned(), n: part(jwk, "n")?, e: part(jwk, "e")? })))
}

/// A notice of the Chat Gateway: who the customer is.
fn gateway(notice: &Value) -> Option<Told> {
    if notice["eventType"] != "CONVERSATION_UPDATE" {
        return None;
    }
    let (data, user) = (&notice["data"], &notice["data"]["user"]);
    let at = notice["timestamp"].as_i64().unwrap_or(0);
    let latest = |value: &Value| Latest::of(at, text(value));
    let facts = Interaction {
        channel: latest(&data["channel"]),
        social_id: latest(&user["userId"]),
        name: latest(&user["name"]),
        email: latest(&user["email"]),
        phone: Latest::of(at, text(&user["phone"]).or_else(|| msisdn(&data["msisdn"]))),
        case: latest(&user["caseId"]),
        language: latest(&user["language"]),
        ..Interaction::default()
    };
    told(text(&notice["conversationId"])?, facts)
}

/// A number as networks write it: international, with or without its `+`.
fn msisdn(value: &Value) -> Option<String> {
    text(value).map(|number| if number.starts_with('+') { number } else { format!("+{number}") })
}

/// An event of the stream: what the agents did, and what is attached to the interaction.
fn stream(notice: &Value, event: &Value) -> Option<Told> {
    let media = text(&event["mediaType"]);
    if media.is_some_and(|media| media != "chat") {
        return None;
    }
    let millis = event["msgInfo"]["timestamp"].as_i64();
    let second = number(&event["interactionEventTS"]).or(millis.map(|millis| millis / 1_000)).unwrap_or(0);
    let at = millis.unwrap_or(second.saturating_mul(1_000));
    let name = text(&event["event"]);
    let name =
        name.as_deref().unwrap_or(if notice["GuestChatEnd"].is_object() { "GuestChatEnd" } else { "" });
    let agents = || agent(event).map(|agent| BTreeMap::from([(agent, second)])).unwrap_or_default();
    let attached = attached(event);
    let latest = |key: &str| Latest::of(at, attached.get(key).filter(|text| fits(text)).cloned());
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
        codes: Latest::of(at, codes),
        ..Interaction::default()
    };
    let id = text(&notice["conversationId"]).or_else(|| text(&event["interactionGUID"]))?;
    told(id, facts)
}

fn told(interaction: String, facts: Interaction) -> Option<Told> {
    (facts != Interaction::default()).then_some(Told { interaction, facts })
}

/// The agent's id; some events give only the GUID that it is part of.
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

/// A value as text, whatever its quotes; empty or endless ones are absent.
fn text(value: &Value) -> Option<String> {
    line(value).filter(|text| fits(text))
}

/// A value on one line. Customers name themselves: what Postgres cannot keep, or would have the job refused,
/// is taken out here.
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
