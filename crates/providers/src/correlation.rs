//! The correlation of a receipt with its attempt, its text form, and the fingerprint of a webhook.
//!
//! PURE. Twilio carries the correlation in the query of the status callback, Mailgun in `v:` variables, both
//! under `NAMES`. Two spellings of one correlation parse to the same value. Parsing does not check the token:
//! the worker's `webhooks::verify` does, by `TokenKey::verify`.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use postrider_domain::ids::MessageId;

use super::Token;

/// The attempt that a call makes; it travels to the provider and comes back in the attempt's receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correlation {
    /// The message.
    pub message: MessageId,
    /// Number of the attempt, from 1.
    pub attempt: i16,
    /// Proof that the correlation is ours.
    pub token: Token,
}

/// Names of message, attempt and token, in queries and in variables.
pub(crate) const NAMES: [&str; 3] = ["m", "a", "t"];

/// The three values in the order of `NAMES`.
#[must_use]
pub fn values(correlation: &Correlation) -> [String; 3] {
    [correlation.message.0.simple().to_string(), correlation.attempt.to_string(), correlation.token.to_hex()]
}

/// `m=…&a=…&t=…` for a URL's query; no character of it needs escaping.
#[must_use]
pub fn query(correlation: &Correlation) -> String {
    let [message, attempt, token] = values(correlation);
    format!("m={message}&a={attempt}&t={token}")
}

/// Parses the query of a callback; the first value of each name counts.
#[must_use]
pub fn from_query(query: &str) -> Option<Correlation> {
    let mut found = [const { None }; NAMES.len()];
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if let Some(index) = NAMES.iter().position(|name| *name == key) {
            found[index].get_or_insert(value);
        }
    }
    let [message, attempt, token] = found;
    from_values(message.as_deref(), attempt.as_deref(), token.as_deref())
}

/// Parses the three values; `None` if one is missing or malformed.
#[must_use]
pub fn from_values(message: Option<&str>, attempt: Option<&str>, token: Option<&str>) -> Option<Correlation> {
    let message = MessageId(Uuid::try_parse(message?).ok()?);
    let attempt: i16 = attempt?.parse().ok()?;
    let token = Token::from_hex(token?)?;
    (attempt > 0).then_some(Correlation { message, attempt, token })
}

/// SHA-256 over the parts, each preceded by its length, so that two different lists have different inputs.
#[must_use]
pub fn fingerprint(parts: &[&str]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_correlation_survives_its_way_through_a_query() {
        let sent =
            Correlation { message: MessageId(Uuid::from_u128(7)), attempt: 3, token: Token([0xab; 16]) };
        assert_eq!(from_query(&query(&sent)), Some(sent));
        assert_eq!(from_query(&format!("x=1&{}&m=other", query(&sent))), Some(sent), "the first counts");
    }

    #[test]
    fn a_correlation_with_a_missing_or_malformed_part_is_none() {
        let token = "ab".repeat(16);
        let id = Uuid::from_u128(7).to_string();
        assert!(from_values(Some(&id), Some("1"), Some(&token)).is_some());
        for (message, attempt, token) in [
            (None, Some("1"), Some(token.as_str())),
            (Some("no-uuid"), Some("1"), Some(&token)),
            (Some(&id), Some("0"), Some(&token)),
            (Some(&id), Some("-1"), Some(&token)),
            (Some(&id), Some("40000"), Some(&token)),
            (Some(&id), Some("1"), Some("abcd")),
            (Some(&id), Some("1"), None),
        ] {
            assert_eq!(from_values(message, attempt, token), None, "{message:?} {attempt:?} {token:?}");
        }
    }

    #[test]
    fn shifting_text_between_parts_changes_the_fingerprint() {
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
        assert_ne!(fingerprint(&["ab"]), fingerprint(&["ab", ""]));
    }

    proptest! {
        #[test]
        fn any_query_is_read_without_a_panic(query in ".*") {
            let _ = from_query(&query);
        }
    }
}
