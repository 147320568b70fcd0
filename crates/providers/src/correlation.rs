//! How a correlation travels in text and comes back, and how a notice is fingerprinted.
//!
//! PURE. Twilio carries it in the query of the status callback, Mailgun in `v:` variables, under the
//! same three names. Reading normalises: two spellings of one correlation are one. Whether its token
//! is ours is checked later, by `webhooks` with `TokenKey::verify`.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use postrider_domain::ids::MessageId;

use super::{Correlation, Token};

/// Names of message, attempt and token, in queries and variables alike.
pub const NAMES: [&str; 3] = ["m", "a", "t"];

/// The three values in the order of `NAMES`.
#[must_use]
pub fn values(correlation: &Correlation) -> [String; 3] {
    [correlation.message.0.simple().to_string(), correlation.attempt.to_string(), correlation.token.to_hex()]
}

/// `m=…&a=…&t=…`, ready to stand in a URL's query: nothing in it needs escaping.
#[must_use]
pub fn query(correlation: &Correlation) -> String {
    let [message, attempt, token] = values(correlation);
    format!("m={message}&a={attempt}&t={token}")
}

/// Reads a correlation from the query of a callback; the first of each name counts.
#[must_use]
pub fn from_query(query: &str) -> Option<Correlation> {
    let mut found = [const { None }; NAMES.len()];
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if let Some(place) = NAMES.iter().position(|name| *name == key) {
            found[place].get_or_insert(value);
        }
    }
    let [message, attempt, token] = found;
    from_values(message.as_deref(), attempt.as_deref(), token.as_deref())
}

/// Reads a correlation from its three values; `None` where one is missing or malformed.
#[must_use]
pub fn from_values(message: Option<&str>, attempt: Option<&str>, token: Option<&str>) -> Option<Correlation> {
    let message = MessageId(Uuid::try_parse(message?).ok()?);
    let attempt: i16 = attempt?.parse().ok()?;
    let token = Token::from_hex(token?)?;
    (attempt > 0).then_some(Correlation { message, attempt, token })
}

/// SHA-256 over the parts, each after its length, so that no two lists of parts share one.
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
