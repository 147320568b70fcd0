//! Detects in an inbound text the intent to stop or to start receiving messages.
//!
//! PURE. Twilio accepts only a text that is one keyword; the law (FCC, since April 2025) accepts any reasonable
//! wording. So `intent` is wider than Twilio for STOP, and exactly as narrow for START. Any other text changes
//! nothing.

/// The intent of an inbound text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Stop,
    Start,
    Other,
}

/// Twilio's default keywords (its Advanced Opt-Out page).
const STOP_WORDS: &[&str] = &["stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"];
const START_WORDS: &[&str] = &["start", "yes", "unstop"];
/// Wordings that ask to stop, as part of a short text.
const STOP_PHRASES: &[&[&str]] = &[&["stop", "texting", "me"], &["opt", "out"], &["remove", "me"]];
/// Words that leave a keyword a keyword.
const COURTESIES: &[&str] = &["please", "pls", "thanks", "thank", "you"];
/// Words that turn a stop phrase into `Other`: "do not opt out".
const NEGATIONS: &[&str] = &["not", "dont", "never"];
/// A text that begins with "stop" has at most this many words: "stop sending these texts", but not "stop by the
/// shop when you have time".
const STOP_FIRST_WORDS_MAX: usize = 4;
/// Longest text in which a stop phrase counts.
const PHRASE_WORDS_MAX: usize = 8;
/// The rest of a longer text is ignored.
const TEXT_CHARS_MAX: usize = 400;

/// The intent of a text. Twilio's own classification `opt_out_type` has priority.
#[must_use]
pub(super) fn intent(opt_out_type: Option<&str>, text: &str) -> Intent {
    match opt_out_type.map(str::to_ascii_uppercase).as_deref() {
        Some("STOP") => Intent::Stop,
        Some("START") => Intent::Start,
        Some("HELP") => Intent::Other,
        Some(_) | None => intent_of_wording(text),
    }
}

fn intent_of_wording(text: &str) -> Intent {
    let words = words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let [word] = words.as_slice()
        && START_WORDS.contains(word)
    {
        return Intent::Start;
    }
    let keyword: Vec<&str> = words.iter().copied().filter(|word| !COURTESIES.contains(word)).collect();
    if let [word] = keyword.as_slice()
        && STOP_WORDS.contains(word)
    {
        return Intent::Stop;
    }
    if words.first() == Some(&"stop") && words.len() <= STOP_FIRST_WORDS_MAX {
        return Intent::Stop;
    }
    let negated = words.iter().any(|word| NEGATIONS.contains(word));
    let asked = STOP_PHRASES.iter().any(|phrase| words.windows(phrase.len()).any(|part| part == *phrase));
    if asked && !negated && words.len() <= PHRASE_WORDS_MAX { Intent::Stop } else { Intent::Other }
}

/// The words in lower case, split at punctuation; apostrophes are dropped.
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
            assert_eq!(intent(None, text), Intent::Stop, "{text}");
        }
    }

    #[test]
    fn only_a_bare_keyword_starts() {
        for text in ["START", "start", "Yes", "yes!", "unstop"] {
            assert_eq!(intent(None, text), Intent::Start, "{text}");
        }
        for text in ["yes please", "start again", "don't start"] {
            assert_eq!(intent(None, text), Intent::Other, "{text}");
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
            assert_eq!(intent(None, text), Intent::Other, "{text}");
        }
    }

    #[test]
    fn twilios_own_classification_wins() {
        assert_eq!(intent(Some("STOP"), "arrêt"), Intent::Stop);
        assert_eq!(intent(Some("start"), "stop"), Intent::Start);
        assert_eq!(intent(Some("HELP"), "stop"), Intent::Other);
        assert_eq!(intent(Some("NEWER"), "stop"), Intent::Stop, "an unknown classification");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in ".*", kind in proptest::option::of(".*")) {
            let _ = intent(kind.as_deref(), &text);
        }
    }
}
