//! How many segments a text message takes (3GPP TS 23.038).
//!
//! PURE. Segments are what providers bill: one letter outside the GSM alphabet turns 160 per message
//! into 70. A provider's later report is only compared with this count, never fed back. The
//! vectors of the test were computed apart from this code.

/// The letters that take one septet, but for the escape.
const GSM_BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡\
    ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The letters that take an escape and a septet.
const GSM_EXTENDED: &str = "\u{c}^{}\\[~]|€";
/// Both for ASCII, which nearly all letters are: septets by character, 0 where it is in neither.
const ASCII_SEPTETS: [u8; 128] = ascii_septets();

/// The encoding of a text message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// GSM 7-bit default alphabet.
    Gsm7,
    /// UTF-16.
    Ucs2,
}

impl Encoding {
    /// Septets or UTF-16 units that `character` takes; `None` if it cannot be written.
    fn units(self, character: char) -> Option<usize> {
        match self {
            Encoding::Gsm7 => septets(character),
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

/// The size of a text message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmsSize {
    /// The encoding that the text needs.
    pub encoding: Encoding,
    /// Billed segments.
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

fn septets(character: char) -> Option<usize> {
    match u8::try_from(character).ok().and_then(|byte| ASCII_SEPTETS.get(usize::from(byte))) {
        Some(0) => None,
        Some(count) => Some(usize::from(*count)),
        None if GSM_BASIC.contains(character) => Some(1),
        None if GSM_EXTENDED.contains(character) => Some(2),
        None => None,
    }
}

const fn ascii_septets() -> [u8; 128] {
    let mut table = [0; 128];
    let letters = [(GSM_BASIC.as_bytes(), 1), (GSM_EXTENDED.as_bytes(), 2)];
    let mut list = 0;
    while list < letters.len() {
        let (bytes, count) = letters[list];
        let mut at = 0;
        while at < bytes.len() {
            // In UTF-8 a byte below 128 is a character of its own.
            if bytes[at].is_ascii() {
                table[bytes[at] as usize] = count;
            }
            at += 1;
        }
        list += 1;
    }
    table
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
        for character in '\0'..='\u{ff}' {
            let in_basic = GSM_BASIC.contains(character).then_some(1);
            let in_extended = GSM_EXTENDED.contains(character).then_some(2);
            assert_eq!(septets(character), in_basic.or(in_extended), "{character:?}");
        }
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
