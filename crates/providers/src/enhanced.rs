//! Enhanced status codes of mail (RFC 3463), as SMTP replies and bounce events carry them.
//!
//! PURE. `lettre` keeps them as text only, Mailgun in one of three fields; both are read here. Which
//! codes prove an address dead is said once, for both. Read `smtp::wire` for the rest of the table.

use std::fmt;

/// An enhanced status code: `5.1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enhanced {
    pub class: u16,
    pub subject: u16,
    pub detail: u16,
}

impl Enhanced {
    /// The first enhanced code among the words of a text.
    #[must_use]
    pub fn find(text: &str) -> Option<Enhanced> {
        let edge = |char: char| !char.is_ascii_digit() && char != '.';
        text.split(edge).find_map(|word| Enhanced::parse(word.trim_end_matches('.')))
    }

    /// Whether the code proves that the address takes no mail.
    #[must_use]
    pub fn is_dead_address(self) -> bool {
        self.class == 5 && DEAD_ADDRESS.contains(&(self.subject, self.detail))
    }

    /// Reads a word that is an enhanced code and nothing else.
    #[must_use]
    pub fn parse(word: &str) -> Option<Enhanced> {
        let mut parts = word.split('.').map(|part| match part.len() {
            1..=3 => part.parse::<u16>().ok(),
            _ => None,
        });
        let code = Enhanced { class: parts.next()??, subject: parts.next()??, detail: parts.next()?? };
        let known_class = matches!(code.class, 2 | 4 | 5) && word.as_bytes().get(1) == Some(&b'.');
        (known_class && parts.next().is_none()).then_some(code)
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Codes (without their class) that prove that the address takes no mail.
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
        let found = |text| Enhanced::find(text).map(|code| code.to_string());
        assert_eq!(found("5.1.1 <a@b> unknown"), Some("5.1.1".to_owned()));
        assert_eq!(found("550-5.7.26 unauthenticated"), Some("5.7.26".to_owned()));
        assert_eq!(found("unknown (5.1.10)."), Some("5.1.10".to_owned()));
        for text in ["", "5.1", "15.1.1", "5.1.1.1", "5..1", "3.1.1", "5.1.1000", "from 10.1.5.1"] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn only_permanent_address_codes_prove_an_address_dead() {
        let dead = |text| Enhanced::parse(text).is_some_and(Enhanced::is_dead_address);
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
            if let Some(code) = Enhanced::find(&text) {
                prop_assert_eq!(Enhanced::parse(&code.to_string()), Some(code));
            }
        }
    }
}
