//! Recipient addresses that name the fault of their calls, and the words for the faults.
//!
//! No I/O. An email address names a fault by its local part up to the first `+`, `.`, `-` or digit; a phone
//! number by the last two digits of `+15005551 0NN`. Every other recipient has the fault `ok`. The command
//! `simulate-providers` prints the table of this file; `call_plan` maps each fault to a provider's behaviour.

/// The behaviour that a recipient's address asks for; the table below explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecipientFault {
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

/// The first digits of the phone numbers that name a fault; two more follow.
pub(crate) const PHONE_PREFIX: &str = "+150055510";

/// Fault, email word, explanation. The row's index is the last two digits of the phone number.
const TABLE: [(RecipientFault, &str, &str); 30] = [
    (RecipientFault::Ok, "ok", "accepted, then delivered"),
    (RecipientFault::Busy, "busy", "always refused temporarily, with a Retry-After hint"),
    (RecipientFault::Flaky, "flaky", "the first call refused temporarily, later ones accepted"),
    (RecipientFault::Invalid, "invalid", "refused permanently: no such recipient"),
    (RecipientFault::OptOut, "optout", "the recipient opted out (Mailgun: accepted, then failed 606)"),
    (RecipientFault::Misconfigured, "misconfigured", "credentials or sender refused"),
    (RecipientFault::Slow, "slow", "accepted, answered late"),
    (RecipientFault::Reset, "reset", "read whole, not accepted, connection reset"),
    (RecipientFault::AcceptReset, "acceptreset", "accepted, connection reset without an answer"),
    (RecipientFault::Hang, "hang", "accepted, never answered until released"),
    (RecipientFault::Cut, "cut", "accepted, the answer cut in the middle"),
    (RecipientFault::Garbage, "garbage", "accepted, the answer has another shape than documented"),
    (RecipientFault::Magnificent, "magnificent", "200 with a page instead of an answer, not accepted"),
    (RecipientFault::Error, "error", "500, not accepted"),
    (RecipientFault::AcceptError, "accepterror", "accepted, yet answered 500"),
    (RecipientFault::Bounce, "bounce", "accepted, then failed permanently"),
    (RecipientFault::SoftBounce, "softbounce", "accepted, failed temporarily, then delivered"),
    (RecipientFault::Complain, "complain", "delivered, then complained (SMS: STOP)"),
    (RecipientFault::Unsubscribe, "unsubscribe", "delivered, then unsubscribed (SMS: STOP, typed)"),
    (RecipientFault::Silent, "silent", "accepted, no receipt ever"),
    (RecipientFault::Early, "early", "the receipts are posted before the call is answered"),
    (RecipientFault::Twice, "twice", "every receipt is posted twice"),
    (RecipientFault::Shuffled, "shuffled", "the receipts come in reverse order"),
    (RecipientFault::LateBounce, "latebounce", "delivered, then failed permanently"),
    (RecipientFault::Spam, "spam", "filtered as spam (Twilio 30007 later, Mailgun 400 at once)"),
    (RecipientFault::NoDot, "nodot", "SMTP: accepted, silence after the dot; HTTP: as hang"),
    (RecipientFault::DotReset, "dotreset", "SMTP: accepted, reset after the dot; HTTP: as acceptreset"),
    (RecipientFault::Dot451, "dot451", "SMTP: 451 after the dot, not accepted; HTTP: 503, not accepted"),
    (RecipientFault::LostReceipt, "lostreceipt", "delivered, the receipt lost; a lookup shows it"),
    (RecipientFault::RejectedLater, "rejectedlater", "accepted, then rejected by the provider itself"),
];

impl RecipientFault {
    /// Each fault's email word, phone number and explanation, in the order of the numbers.
    pub fn table() -> impl Iterator<Item = (&'static str, String, &'static str)> {
        TABLE
            .iter()
            .enumerate()
            .map(|(digits, (_, word, text))| (*word, format!("{PHONE_PREFIX}{digits:02}"), *text))
    }

    /// The fault with this email word, in any letter case.
    #[must_use]
    pub fn parse(word: &str) -> Option<RecipientFault> {
        TABLE.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(word)).map(|(fault, _, _)| *fault)
    }

    /// The fault that an email address names; `Ok` for an ordinary address.
    #[must_use]
    pub fn from_email(address: &str) -> RecipientFault {
        let local = address.split('@').next().unwrap_or_default();
        let end = local.find(|c: char| matches!(c, '+' | '.' | '-') || c.is_ascii_digit());
        // The word dot451 itself ends in digits.
        if local.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("dot451")) {
            return RecipientFault::Dot451;
        }
        RecipientFault::parse(&local[..end.unwrap_or(local.len())]).unwrap_or(RecipientFault::Ok)
    }

    /// The fault that a phone number (E.164) names; `Ok` for an ordinary number.
    #[must_use]
    pub fn from_phone(number: &str) -> RecipientFault {
        let digits = number.strip_prefix(PHONE_PREFIX).filter(|digits| digits.len() == 2);
        let index = digits.and_then(|digits| digits.parse::<usize>().ok());
        index.and_then(|index| TABLE.get(index)).map_or(RecipientFault::Ok, |(fault, _, _)| *fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_chooses_by_word_or_by_digits() {
        assert_eq!(RecipientFault::from_email("busy+7@example.test"), RecipientFault::Busy);
        assert_eq!(RecipientFault::from_email("HANG12.x@example.test"), RecipientFault::Hang);
        assert_eq!(RecipientFault::from_email("dot451-3@example.test"), RecipientFault::Dot451);
        assert_eq!(RecipientFault::from_email("busybody@example.test"), RecipientFault::Ok);
        assert_eq!(RecipientFault::from_phone("+15005551010"), RecipientFault::Cut);
        assert_eq!(RecipientFault::from_phone("+15005551099"), RecipientFault::Ok);
        assert_eq!(RecipientFault::from_phone("+14155552671"), RecipientFault::Ok);
    }

    #[test]
    fn every_row_of_the_table_is_reachable_both_ways() {
        for (word, number, _) in RecipientFault::table() {
            assert_eq!(
                RecipientFault::from_email(&format!("{word}+1@example.test")),
                RecipientFault::from_phone(&number),
                "{word}"
            );
            assert_eq!(RecipientFault::parse(word), Some(RecipientFault::from_phone(&number)), "{word}");
        }
    }
}
