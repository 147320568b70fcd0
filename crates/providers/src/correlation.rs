//! The correlation of a receipt with its attempt, and its text form.
//!
//! PURE. Twilio carries it in the query of the status callback, Mailgun in `v:` variables, both under `NAMES`. Two
//! spellings of one correlation parse to the same value. Parsing does not check the token: the worker's
//! `webhooks::verify` does, by `TokenKey::verify`.

use uuid::Uuid;

use postrider_domain::ids::MessageId;

use super::Token;

/// Names of message, attempt and token, in queries and in variables.
pub(crate) const NAMES: [&str; 3] = ["m", "a", "t"];

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

impl Correlation {
    /// The three values in the order of `NAMES`.
    #[must_use]
    pub fn to_values(&self) -> [String; 3] {
        [self.message.0.simple().to_string(), self.attempt.to_string(), self.token.to_hex()]
    }

    /// `m=…&a=…&t=…` for a URL's query; no character of it needs escaping.
    #[must_use]
    pub fn to_query(&self) -> String {
        let [message, attempt, token] = self.to_values();
        format!("m={message}&a={attempt}&t={token}")
    }

    /// Parses the query of a callback; the first value of each name counts.
    pub(crate) fn from_query(query: &str) -> Option<Correlation> {
        let mut found = [const { None }; NAMES.len()];
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Some(index) = NAMES.iter().position(|name| *name == key) {
                found[index].get_or_insert(value);
            }
        }
        Correlation::from_values(found.each_ref().map(Option::as_deref))
    }

    /// Parses the three values in the order of `NAMES`; `None` if one is missing or malformed.
    pub(crate) fn from_values([message, attempt, token]: [Option<&str>; 3]) -> Option<Correlation> {
        let message = MessageId(Uuid::try_parse(message?).ok()?);
        let attempt: i16 = attempt?.parse().ok()?;
        let token = Token::from_hex(token?)?;
        (attempt > 0).then_some(Correlation { message, attempt, token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_correlation_survives_its_way_through_a_query() {
        let sent =
            Correlation { message: MessageId(Uuid::from_u128(7)), attempt: 3, token: Token([0xab; 16]) };
        assert_eq!(Correlation::from_query(&sent.to_query()), Some(sent));
        let longer = format!("x=1&{}&m=other", sent.to_query());
        assert_eq!(Correlation::from_query(&longer), Some(sent), "the first value counts");
    }

    #[test]
    fn a_correlation_with_a_missing_or_malformed_part_is_none() {
        let token = "ab".repeat(16);
        let id = Uuid::from_u128(7).to_string();
        assert!(Correlation::from_values([Some(&id), Some("1"), Some(&token)]).is_some());
        for values in [
            [None, Some("1"), Some(token.as_str())],
            [Some("no-uuid"), Some("1"), Some(&token)],
            [Some(&id), Some("0"), Some(&token)],
            [Some(&id), Some("-1"), Some(&token)],
            [Some(&id), Some("40000"), Some(&token)],
            [Some(&id), Some("1"), Some("abcd")],
            [Some(&id), Some("1"), None],
        ] {
            assert_eq!(Correlation::from_values(values), None, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_without_a_panic(query in ".*") {
            let _ = Correlation::from_query(&query);
        }
    }
}
