//! How many segments a text message takes (3GPP TS 23.038).
//!
//! PURE. Segments are what providers bill: one letter outside the GSM alphabet turns 160 per message
//! into 70. What a provider reports later is only compared with this count, never fed back. The
//! vectors of the test were computed apart from this code.

/// The letters that take one septet, but for the escape.
const GSM_BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡\
    ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Those that take an escape and a septet.
const GSM_EXTENDED: &str = "\u{c}^{}\\[~]|€";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Gsm7,
    Ucs2,
}

impl Encoding {
    /// Septets or UTF-16 units that `character` takes; `None` if it cannot be written.
    fn units(self, character: char) -> Option<usize> {
        match self {
            Encoding::Gsm7 if GSM_BASIC.contains(character) => Some(1),
            Encoding::Gsm7 if GSM_EXTENDED.contains(character) => Some(2),
            Encoding::Gsm7 => None,
            Encoding::Ucs2 => Some(character.len_utf16()),
        }
    }

    /// Units of a message of one segment, and of each of several.
    fn capacity(self) -> (usize, usize) {
        match self {
            Encoding::Gsm7 => (160, 153),
            Encoding::Ucs2 => (70, 67),
        }
    }
}

/// What a text takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmsSize {
    pub encoding: Encoding,
    pub segments: usize,
}

/// Counts the way networks fill segments: in order, never splitting an escape or a surrogate pair.
#[must_use]
pub fn size(text: &str) -> SmsSize {
    match count(text, Encoding::Gsm7) {
        Some(segments) => SmsSize { encoding: Encoding::Gsm7, segments },
        None => {
            let segments = count(text, Encoding::Ucs2).expect("UTF-16 writes every character");
            SmsSize { encoding: Encoding::Ucs2, segments }
        }
    }
}

fn count(text: &str, encoding: Encoding) -> Option<usize> {
    let (alone, part) = encoding.capacity();
    let (mut total, mut segments, mut filled) = (0, 1, 0);
    for character in text.chars() {
        let units = encoding.units(character)?;
        total += units;
        if filled + units > part {
            segments += 1;
            filled = 0;
        }
        filled += units;
    }
    Some(if total <= alone { 1 } else { segments })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Encoding::{Gsm7, Ucs2};
    use proptest::prelude::*;

    fn check(text: &str, encoding: Encoding, segments: usize) {
        assert_eq!(size(text), SmsSize { encoding, segments }, "{text}");
    }

    #[test]
    fn the_alphabet_is_complete() {
        assert_eq!(GSM_BASIC.chars().count(), 127);
        assert_eq!(GSM_EXTENDED.chars().count(), 10);
    }

    #[test]
    fn texts_take_the_known_number_of_segments() {
        let times = |text: &str, count: usize| text.repeat(count);
        for (text, encoding, segments) in [
            (String::new(), Gsm7, 1),
            (times("A", 160), Gsm7, 1),
            (times("A", 161), Gsm7, 2),
            (times("A", 306), Gsm7, 2),
            (times("A", 307), Gsm7, 3),
            (times("€", 80), Gsm7, 1),
            (times("€", 81), Gsm7, 2),
            (times("€", 153), Gsm7, 3),
            (times("A", 158) + "€", Gsm7, 1),
            (times("A", 159) + "€", Gsm7, 2),
            (times("A", 152) + "€" + &times("A", 152), Gsm7, 3),
            (times("✓", 70), Ucs2, 1),
            (times("✓", 71), Ucs2, 2),
            (times("✓", 134), Ucs2, 2),
            (times("✓", 135), Ucs2, 3),
            (times("😀", 35), Ucs2, 1),
            (times("😀", 36), Ucs2, 2),
            (times("😀", 67), Ucs2, 3),
            (times("✓", 66) + "😀" + &times("✓", 66), Ucs2, 3),
            (times("é", 160), Gsm7, 1),
            (times("ç", 70), Ucs2, 1),
            (times("ç", 71), Ucs2, 2),
            ("It’s".to_owned(), Ucs2, 1),
            ("\r\n".to_owned() + &times("A", 158), Gsm7, 1),
            ("\r\n".to_owned() + &times("A", 159), Gsm7, 2),
        ] {
            check(&text, encoding, segments);
        }
    }

    #[test]
    fn letters_that_look_like_gsm_are_told_apart() {
        for text in ["`", "ç", "\t", "“", "–", "…", "\u{a0}", "😀", "á", "ê", "ω", "я"] {
            check(text, Ucs2, 1);
        }
    }

    proptest! {
        #[test]
        fn segments_hold_what_they_count(text in "[a-zé€✓😀]{0,400}") {
            let SmsSize { encoding, segments } = size(&text);
            let total: usize = text.chars().filter_map(|character| encoding.units(character)).sum();
            let (alone, part) = encoding.capacity();
            let room = if segments == 1 { alone } else { segments * part };
            prop_assert!(total <= room);
            // A segment wastes at most one unit, in front of a pair.
            prop_assert!(segments == 1 || total > (segments - 1) * (part - 1));
        }
    }
}
