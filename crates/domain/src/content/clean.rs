//! Names as messages may show them: one short line that no mail client turns into a link.
//!
//! PURE. A name is the one text in a message that a stranger can choose, so it could carry a link or a
//! page of signs into mail that we vouch for. `document::text` already removed what breaks headers;
//! this is done again here because a name may also come from elsewhere than a job. Template syntax
//! needs no cleaning: values are never templates.

use crate::document::text::one_line;

/// Longest name shown, in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Combining marks on one letter; Vietnamese needs two, more is a tower that covers other lines.
const MARKS_MAX: usize = 4;

/// A customer's name, harmless; `None` if nothing is left of it.
#[must_use]
pub fn display_name(name: &str) -> Option<String> {
    // A space after a dot is how initials are set anyway, and "evil. com" is no link.
    let line = one_line(name).replace("://", ": ");
    let mut shown = String::with_capacity(line.len() + 4);
    let (mut marks, mut after_dot) = (0, false);
    for character in line.chars() {
        marks = if is_combining(character) { marks + 1 } else { 0 };
        if marks > MARKS_MAX {
            continue;
        }
        if after_dot && character.is_alphanumeric() {
            shown.push(' ');
        }
        shown.push(character);
        after_dot = is_dot(character);
    }
    let shown = short(&one_line(&shown), NAME_CHARS_MAX);
    (!shown.is_empty()).then_some(shown)
}

/// A brand's name: on one line and not endless, but with its dots (they are the company's own).
#[must_use]
pub fn label(text: &str) -> String {
    short(&one_line(text), NAME_CHARS_MAX)
}

/// A text of several lines on one, its lines separated by commas.
#[must_use]
pub fn joined_lines(text: &str) -> String {
    let lines = text.lines().map(one_line).filter(|line| !line.is_empty());
    lines.map(|line| line.trim_end_matches(',').to_owned()).collect::<Vec<_>>().join(", ")
}

/// Typographic look-alikes in the letters of the GSM alphabet: one curly quote would otherwise more
/// than halve what fits into a text message.
#[must_use]
pub fn plain_punctuation(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{201B}' | '\u{2032}' | '`' | '\u{B4}' => {
                plain.push('\'')
            }
            '\u{201C}' | '\u{201D}' | '\u{201E}' | '\u{201F}' | '\u{2033}' | '\u{AB}' | '\u{BB}' => {
                plain.push('"');
            }
            '\u{2010}'..='\u{2015}' | '\u{2212}' => plain.push('-'),
            '\u{2026}' => plain.push_str("..."),
            _ if character.is_whitespace() => plain.push(' '),
            _ => plain.push(character),
        }
    }
    plain
}

fn short(text: &str, chars_max: usize) -> String {
    let cut: String = text.chars().take(chars_max).collect();
    cut.trim_end().to_owned()
}

/// The full stop and what domain names take for one (UTS 46).
fn is_dot(character: char) -> bool {
    matches!(character, '.' | '\u{3002}' | '\u{FF0E}' | '\u{FF61}' | '\u{2024}')
}

fn is_combining(character: char) -> bool {
    matches!(character,
        '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_are_links_are_links_no_more() {
        for (name, shown) in [
            ("Jane", "Jane"),
            ("J.R. O'Neill-Smith Jr.", "J. R. O'Neill-Smith Jr."),
            ("Visit http://evil.com/now", "Visit http: evil. com/now"),
            ("bob@evil.com", "bob@evil. com"),
            ("evil\u{3002}com", "evil\u{3002} com"),
            ("evil\u{200b}.\u{200b}com", "evil. com"),
            ("evil.\u{202e}com", "evil. com"),
            ("Bob\r\nBcc: x", "Bob Bcc: x"),
        ] {
            assert_eq!(display_name(name).as_deref(), Some(shown), "{name:?}");
        }
        assert_eq!(display_name("\u{0}\u{200f} \n"), None);
    }

    #[test]
    fn towers_of_marks_are_cut_down_and_accents_stay() {
        let tower = format!("e{}", "\u{301}".repeat(50));
        assert_eq!(display_name(&tower).map(|name| name.chars().count()), Some(1 + MARKS_MAX));
        assert_eq!(display_name("Nguye\u{302}\u{303}n").as_deref(), Some("Nguye\u{302}\u{303}n"));
    }

    #[test]
    fn postal_addresses_and_punctuation_become_plain() {
        assert_eq!(joined_lines("Blanca Peak,\n1 Road \r\n\nAlamosa"), "Blanca Peak, 1 Road, Alamosa");
        assert_eq!(plain_punctuation("It’s “x” – y…\u{a0}z"), "It's \"x\" - y... z");
    }

    proptest! {
        #[test]
        fn shown_names_are_short_and_stay_as_they_are(name in any::<String>()) {
            if let Some(shown) = display_name(&name) {
                prop_assert!(shown.chars().count() <= NAME_CHARS_MAX);
                prop_assert_eq!(one_line(&shown), shown.clone());
                prop_assert!(!shown.contains("://"));
                let letters: Vec<char> = shown.chars().collect();
                prop_assert!(!letters.windows(2).any(|pair| is_dot(pair[0]) && pair[1].is_alphanumeric()));
            }
        }
    }
}
