//! Harmless characters, and the cleaning of names.
//!
//! PURE. Names come from CRMs and from strangers, and end in mail headers, text messages, Postgres
//! `text` and terminals; what breaks any of those (control characters, NUL, bidi and zero-width marks)
//! is removed once, at input. `job::parse` and `company::file` clean with it,
//! `content::clean` cleans again before rendering.

/// C0, DEL and C1: never part of an id, a URL or a label.
#[must_use]
pub fn is_control(character: char) -> bool {
    character.is_control()
}

/// Characters without ink that reorder, hide or split text: bidi marks, zero-width characters, line
/// and paragraph separators, interlinear annotation, tags.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E0FFF}')
}

/// A name on one line: every run of white space, line breaks included, becomes one space; control and
/// invisible characters go.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut space_due = false;
    for character in text.chars() {
        if character.is_whitespace() {
            space_due = !line.is_empty();
        } else if !is_control(character) && !is_invisible(character) {
            if std::mem::take(&mut space_due) {
                line.push(' ');
            }
            line.push(character);
        }
    }
    line
}

/// Text of several lines: keeps `\n` and `\t`, drops every other control character.
#[must_use]
pub fn several_lines(text: &str) -> String {
    text.chars().filter(|&character| matches!(character, '\n' | '\t') || !is_control(character)).collect()
}

/// A field name for messages: at most 64 characters, control and invisible characters replaced by `?`.
#[must_use]
pub fn shown_name(name: &str) -> String {
    let harmless = |character| if is_control(character) || is_invisible(character) { '?' } else { character };
    let mut shown: String = name.chars().take(SHOWN_NAME_CHARS_MAX).map(harmless).collect();
    if name.chars().nth(SHOWN_NAME_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

const SHOWN_NAME_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_lose_what_breaks_headers_and_screens_and_nothing_else() {
        assert_eq!(one_line("Bob\r\nBcc: all@example.com"), "Bob Bcc: all@example.com");
        assert_eq!(one_line("\u{202e}Ja\u{0}ne\u{200b} \t Doe\u{2028}"), "Jane Doe");
        assert_eq!(one_line("José Ñandú 李 👍🏽"), "José Ñandú 李 👍🏽");
        assert_eq!(one_line(" \u{feff}\n"), "");
    }

    #[test]
    fn several_lines_stay_several() {
        assert_eq!(several_lines("a\r\n\tb\u{7}\u{85}"), "a\n\tb");
    }

    #[test]
    fn long_and_forged_field_names_are_shown_tamed() {
        assert_eq!(shown_name("a\nb"), "a?b");
        assert_eq!(shown_name(&"x".repeat(65)), format!("{}…", "x".repeat(64)));
    }

    proptest! {
        #[test]
        fn a_harmless_name_stays_as_it_is(text in any::<String>()) {
            let once = one_line(&text);
            prop_assert_eq!(one_line(&once), once.clone());
            prop_assert!(!once.chars().any(|character| is_control(character) || is_invisible(character)));
        }
    }
}
