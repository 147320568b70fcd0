//! Enhanced status codes of mail (RFC 3463), in SMTP replies and in Mailgun's events.
//!
//! PURE. `lettre` leaves the code in the reply's text, Mailgun puts it into one of three fields; both search for
//! it here. `DEAD_ADDRESS` is the one list of codes that prove an address dead. `wire` has the table of the others.

use std::fmt;

/// An enhanced status code: `5.1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EnhancedStatus {
    /// 2 success, 4 temporary, 5 permanent.
    pub class: u16,
    /// The area: 1 address, 2 mailbox, 7 policy.
    pub subject: u16,
    /// The exact condition within `subject`.
    pub detail: u16,
}

impl EnhancedStatus {
    /// The first code among the words of a text.
    #[must_use]
    pub(crate) fn find(text: &str) -> Option<EnhancedStatus> {
        let separator = |char: char| !char.is_ascii_digit() && char != '.';
        text.split(separator).find_map(|word| EnhancedStatus::parse(word.trim_end_matches('.')))
    }

    /// Whether the code proves that the address takes no mail.
    #[must_use]
    pub(crate) fn is_dead_address(self) -> bool {
        self.class == 5 && DEAD_ADDRESS.contains(&(self.subject, self.detail))
    }

    /// Parses a word that is one code and nothing else.
    #[must_use]
    pub(crate) fn parse(word: &str) -> Option<EnhancedStatus> {
        let mut parts = word.split('.').map(|part| match part.len() {
            1..=3 => part.parse::<u16>().ok(),
            _ => None,
        });
        let code = EnhancedStatus { class: parts.next()??, subject: parts.next()??, detail: parts.next()?? };
        let known_class = matches!(code.class, 2 | 4 | 5) && word.as_bytes().get(1) == Some(&b'.');
        (known_class && parts.next().is_none()).then_some(code)
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Subject and detail of the codes that prove that the address takes no mail.
const DEAD_ADDRESS: &[(u16, u16)] = &[
    (1, 1),  // no such mailbox
    (1, 3),  // bad syntax
    (1, 6),  // moved, no forwarding
    (1, 10), // null MX
    (2, 1),  // disabled
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_enhanced_code_is_found_among_words_but_not_within_numbers() {
        let found = |text| EnhancedStatus::find(text).map(|code| code.to_string());
        assert_eq!(found("5.1.1 <a@b> unknown"), Some("5.1.1".to_owned()));
        assert_eq!(found("550-5.7.26 unauthenticated"), Some("5.7.26".to_owned()));
        assert_eq!(found("unknown (5.1.10)."), Some("5.1.10".to_owned()));
        for text in ["", "5.1", "15.1.1", "5.1.1.1", "5..1", "3.1.1", "5.1.1000", "from 10.1.5.1"] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn only_permanent_address_codes_prove_an_address_dead() {
        let dead = |text| EnhancedStatus::parse(text).is_some_and(EnhancedStatus::is_dead_address);
        for text in ["5.1.1", "5.1.3", "5.1.6", "5.1.10", "5.2.1"] {
            assert!(dead(text), "{text}");
        }
        for text in ["4.1.1", "2.1.1", "5.1.2", "5.2.2", "5.7.1", "5.1.8"] {
            assert!(!dead(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_searched_without_a_panic(text in ".*") {
            if let Some(code) = EnhancedStatus::find(&text) {
                prop_assert_eq!(EnhancedStatus::parse(&code.to_string()), Some(code));
            }
        }
    }
}
