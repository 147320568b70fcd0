//! What a customer means who writes back: stop, start again, or something for people to read.
//!
//! PURE. Twilio counts only a message that is a keyword and nothing else; the law (FCC, since April
//! 2025) counts any reasonable wording. So this is wider than Twilio for STOP and exactly as narrow for
//! START. A text that is not understood changes nothing.

/// What a text asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Stop,
    Start,
    /// Nothing that we act on.
    Other,
}

/// Twilio's default lists (its Advanced Opt-Out page).
const STOP_WORDS: &[&str] = &["stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"];
const START_WORDS: &[&str] = &["start", "yes", "unstop"];
/// Wording that asks to stop, inside of a short text.
const STOP_PHRASES: &[&[&str]] = &[&["stop", "texting", "me"], &["opt", "out"], &["remove", "me"]];
/// Courtesies around a keyword do not change it.
const COURTESIES: &[&str] = &["please", "pls", "thanks", "thank", "you"];
/// "do not opt out" is not understood, so it changes nothing.
const NEGATIONS: &[&str] = &["not", "dont", "never"];
/// "stop" and at most three more words: "stop sending these texts", but no sentence that begins so.
const STOP_FIRST_WORDS_MAX: usize = 4;
const PHRASE_WORDS_MAX: usize = 8;
/// More than any keyword needs; the rest of a long text is not looked at.
const TEXT_CHARS_MAX: usize = 400;

/// Understands a text; `opt_out_type` is Twilio's own verdict, which wins.
#[must_use]
pub fn wish(opt_out_type: Option<&str>, text: &str) -> Wish {
    match opt_out_type.map(str::to_ascii_uppercase).as_deref() {
        Some("STOP") => Wish::Stop,
        Some("START") => Wish::Start,
        Some("HELP") => Wish::Other,
        Some(_) | None => by_wording(text),
    }
}

fn by_wording(text: &str) -> Wish {
    let words = words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let [word] = words.as_slice()
        && START_WORDS.contains(word)
    {
        return Wish::Start;
    }
    let keyword: Vec<&str> = words.iter().copied().filter(|word| !COURTESIES.contains(word)).collect();
    if let [word] = keyword.as_slice()
        && STOP_WORDS.contains(word)
    {
        return Wish::Stop;
    }
    if words.first() == Some(&"stop") && words.len() <= STOP_FIRST_WORDS_MAX {
        return Wish::Stop;
    }
    let negated = words.iter().any(|word| NEGATIONS.contains(word));
    let asked = STOP_PHRASES.iter().any(|phrase| words.windows(phrase.len()).any(|part| part == *phrase));
    if asked && !negated && words.len() <= PHRASE_WORDS_MAX { Wish::Stop } else { Wish::Other }
}

/// Lower-case words; punctuation separates, apostrophes vanish.
fn words(text: &str) -> Vec<String> {
    let plain: String =
        text.chars().take(TEXT_CHARS_MAX).filter(|char| !matches!(char, '\'' | '’')).collect();
    plain
        .to_lowercase()
        .split(|char: char| !char.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn any_reasonable_wording_stops() {
        for text in [
            "STOP",
            "stop",
            " Stop. ",
            "\"stop\"",
            "STOPALL",
            "stop all",
            "Unsubscribe!",
            "cancel",
            "END",
            "quit",
            "Revoke",
            "optout",
            "opt out",
            "opt-out",
            "OPT OUT please",
            "Stop please",
            "please stop",
            "stop texting me",
            "Stop, é ✓ & thanks",
            "please remove me",
            "remove me from this list",
            "I want to opt out",
            "stop sending these texts",
            "cancel, thank you",
        ] {
            assert_eq!(wish(None, text), Wish::Stop, "{text}");
        }
    }

    #[test]
    fn only_a_bare_keyword_starts() {
        for text in ["START", "start", "Yes", "yes!", "unstop"] {
            assert_eq!(wish(None, text), Wish::Start, "{text}");
        }
        for text in ["yes please", "start again", "don't start"] {
            assert_eq!(wish(None, text), Wish::Other, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_changes_nothing() {
        for text in [
            "",
            "   ",
            "HELP",
            "non-stop fun",
            "Thanks, great service",
            "stopped by your shop",
            "stop by the shop when you have time",
            "please don't remove me",
            "I did not opt out",
            "the end",
            "he would never remove me",
            "when I asked the agent to remove me from the call he did it quickly",
        ] {
            assert_eq!(wish(None, text), Wish::Other, "{text}");
        }
    }

    #[test]
    fn twilios_own_verdict_wins() {
        assert_eq!(wish(Some("STOP"), "arrêt"), Wish::Stop);
        assert_eq!(wish(Some("start"), "stop"), Wish::Start);
        assert_eq!(wish(Some("HELP"), "stop"), Wish::Other);
        assert_eq!(wish(Some("NEWER"), "stop"), Wish::Stop, "a verdict that we do not know");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in ".*", kind in proptest::option::of(".*")) {
            let _ = wish(kind.as_deref(), &text);
        }
    }
}
