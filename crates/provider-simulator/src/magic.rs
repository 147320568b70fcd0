//! The recipients that choose their own fault, and the words for the faults.
//!
//! No I/O. An email address chooses by its local part up to the first `+`, `.`, `-` or digit; a phone
//! number by the last two digits of `+15005551 0NN`. Every other recipient is `ok`. The table here is
//! the one that the command prints; `plan` says what each word does at each provider.

/// What a recipient makes the provider do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Magic {
    Ok,
    Busy,
    Flaky,
    Invalid,
    OptOut,
    Misconfigured,
    Slow,
    Reset,
    AcceptReset,
    Hang,
    Cut,
    Garbage,
    Magnificent,
    Error,
    AcceptError,
    Bounce,
    SoftBounce,
    Complain,
    Unsubscribe,
    Silent,
    Early,
    Twice,
    Shuffled,
    LateBounce,
    Spam,
    NoDot,
    DotReset,
    Dot451,
    LostReceipt,
    RejectedLater,
}

/// Our own magic numbers start so and go on with two digits.
pub(super) const PHONE_PREFIX: &str = "+150055510";

/// A word's row: the email word, and what happens. The row's place is the phone number's digits.
const TABLE: [(Magic, &str, &str); 30] = [
    (Magic::Ok, "ok", "accepted, then delivered"),
    (Magic::Busy, "busy", "refused for now, always, with a hint when to come back"),
    (Magic::Flaky, "flaky", "the first call refused for now, the next accepted"),
    (Magic::Invalid, "invalid", "refused for good: no such recipient"),
    (Magic::OptOut, "optout", "the recipient opted out (Mailgun: accepted, then failed 606)"),
    (Magic::Misconfigured, "misconfigured", "credentials or sender refused"),
    (Magic::Slow, "slow", "accepted, the answer takes its time"),
    (Magic::Reset, "reset", "read whole, not accepted, connection reset"),
    (Magic::AcceptReset, "acceptreset", "accepted, connection reset without an answer"),
    (Magic::Hang, "hang", "accepted, never answered until released"),
    (Magic::Cut, "cut", "accepted, the answer cut in the middle"),
    (Magic::Garbage, "garbage", "accepted, the answer is not what was promised"),
    (Magic::Magnificent, "magnificent", "200 with a page instead of an answer, not accepted"),
    (Magic::Error, "error", "500, not accepted"),
    (Magic::AcceptError, "accepterror", "accepted, yet answered 500"),
    (Magic::Bounce, "bounce", "accepted, then failed for good"),
    (Magic::SoftBounce, "softbounce", "accepted, failed for a while, then delivered"),
    (Magic::Complain, "complain", "delivered, then complained (SMS: STOP)"),
    (Magic::Unsubscribe, "unsubscribe", "delivered, then unsubscribed (SMS: STOP, typed)"),
    (Magic::Silent, "silent", "accepted, no receipt ever"),
    (Magic::Early, "early", "the receipts are posted before the call is answered"),
    (Magic::Twice, "twice", "every receipt is posted twice"),
    (Magic::Shuffled, "shuffled", "the receipts come in reverse order"),
    (Magic::LateBounce, "latebounce", "delivered, then failed for good after all"),
    (Magic::Spam, "spam", "filtered as spam (Twilio 30007 later, Mailgun 400 at once)"),
    (Magic::NoDot, "nodot", "SMTP: accepted, silence after the dot; HTTP: as hang"),
    (Magic::DotReset, "dotreset", "SMTP: accepted, reset after the dot; HTTP: as acceptreset"),
    (Magic::Dot451, "dot451", "SMTP: 451 after the dot, not accepted; HTTP: 503, not accepted"),
    (Magic::LostReceipt, "lostreceipt", "delivered, the receipt lost; a look-up shows it"),
    (Magic::RejectedLater, "rejectedlater", "accepted, then rejected by the provider itself"),
];

impl Magic {
    /// Every word with its phone number and what it does, in the order of the numbers.
    pub fn table() -> impl Iterator<Item = (&'static str, String, &'static str)> {
        TABLE
            .iter()
            .enumerate()
            .map(|(digits, (_, word, what))| (*word, format!("{PHONE_PREFIX}{digits:02}"), *what))
    }

    #[must_use]
    pub fn from_word(word: &str) -> Option<Magic> {
        TABLE.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(word)).map(|(magic, _, _)| *magic)
    }

    #[must_use]
    pub fn of_email(address: &str) -> Magic {
        let local = address.split('@').next().unwrap_or_default();
        let end = local.find(|c: char| matches!(c, '+' | '.' | '-') || c.is_ascii_digit());
        // dot451 ends in digits of its own.
        if local.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("dot451")) {
            return Magic::Dot451;
        }
        Magic::from_word(&local[..end.unwrap_or(local.len())]).unwrap_or(Magic::Ok)
    }

    #[must_use]
    pub fn of_phone(number: &str) -> Magic {
        let digits = number.strip_prefix(PHONE_PREFIX).filter(|digits| digits.len() == 2);
        let place = digits.and_then(|digits| digits.parse::<usize>().ok());
        place.and_then(|place| TABLE.get(place)).map_or(Magic::Ok, |(magic, _, _)| *magic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_chooses_by_word_or_by_digits() {
        assert_eq!(Magic::of_email("busy+7@example.test"), Magic::Busy);
        assert_eq!(Magic::of_email("HANG12.x@example.test"), Magic::Hang);
        assert_eq!(Magic::of_email("dot451-3@example.test"), Magic::Dot451);
        assert_eq!(Magic::of_email("busybody@example.test"), Magic::Ok);
        assert_eq!(Magic::of_phone("+15005551010"), Magic::Cut);
        assert_eq!(Magic::of_phone("+15005551099"), Magic::Ok);
        assert_eq!(Magic::of_phone("+14155552671"), Magic::Ok);
    }

    #[test]
    fn every_row_of_the_table_is_reachable_both_ways() {
        for (word, number, _) in Magic::table() {
            assert_eq!(
                Magic::of_email(&format!("{word}+1@example.test")),
                Magic::of_phone(&number),
                "{word}"
            );
            assert_eq!(Magic::from_word(word), Some(Magic::of_phone(&number)), "{word}");
        }
    }
}
