//! SMTP's wire: the outcome of a reply, by the step of the session and by the enhanced code.
//!
//! PURE. Sources of the tables: reply codes of RFC 5321, enhanced codes of RFC 3463 and of IANA's registry. `client`
//! runs the session. Invariant: a reply about the sender never blocks the recipient.

use crate::{Outcome, Refusal, RefusalKind};
use postrider_domain::ids::BlockKind;

use super::enhanced_status::EnhancedStatus;

/// Longest part of a reply's text that is kept as the relay's id of the message.
const ID_CHARS_MAX: usize = 200;

/// The part of the session that a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionStep {
    /// Greeting, EHLO, STARTTLS.
    Opening,
    Auth,
    /// MAIL FROM: about the sender.
    Sender,
    /// RCPT TO and the content: an email has one recipient.
    Recipient,
}

const RECIPIENT: RefusalKind = RefusalKind::Recipient { block: None };

/// Subject and detail of 5.y.z; `None` is any detail. The first row that matches decides. The codes of
/// `EnhancedStatus::is_dead_address` have priority.
const ENHANCED: &[((u16, Option<u16>), RefusalKind)] = &[
    ((1, Some(7)), RefusalKind::Account), // sender's address
    ((1, Some(8)), RefusalKind::Account), // sender's domain
    ((1, None), RECIPIENT),
    ((2, Some(3)), RefusalKind::Message), // too long for this mailbox
    ((2, None), RECIPIENT),               // mailbox full, mailing list
    ((3, None), RefusalKind::Message),    // size, unsupported features
    ((4, None), RECIPIENT),               // no route
    ((5, None), RefusalKind::Message),
    ((6, None), RefusalKind::Message),
    ((7, Some(8)), RefusalKind::Account),  // credentials
    ((7, Some(9)), RefusalKind::Account),  // mechanism too weak
    ((7, Some(11)), RefusalKind::Account), // encryption needed
    ((7, Some(26)), RefusalKind::Account), // neither SPF nor DKIM holds
    ((7, None), RefusalKind::Message),
];

/// Replies about login and encryption: `Account` at every step and with every enhanced code.
const LOGIN: &[u16] = &[530, 534, 535, 538];

/// Replies 5yz to recipient or content, without an enhanced code in `ENHANCED`.
const WITHOUT_ENHANCED: &[(u16, RefusalKind)] = &[
    (521, RECIPIENT), // takes no mail
    (550, RECIPIENT),
    (551, RECIPIENT),
    (552, RECIPIENT), // mailbox full
    (553, RECIPIENT),
    (556, RECIPIENT), // domain takes no mail
];

/// The refusal in a negative reply: the relay did not take the message.
#[must_use]
pub(super) fn refusal(step: SessionStep, code: u16, text: &str) -> Refusal {
    // Of another class than the reply's (RFC 2034) it is no enhanced code.
    let enhanced = EnhancedStatus::find(text).filter(|enhanced| enhanced.class == code / 100);
    let kind = if code / 100 == 4 { RefusalKind::ForNow } else { permanent(step, code, enhanced) };
    let code = enhanced.map_or_else(|| format!("smtp_{code}"), |enhanced| enhanced.to_string());
    Refusal { kind, code, retry_after: None }
}

/// The outcome of the reply to the content.
#[must_use]
pub(super) fn after_content(code: u16, text: &str) -> Outcome {
    match code {
        250 => Outcome::Accepted { provider_id: queue_id(text) },
        400..=599 => Outcome::Refused(refusal(SessionStep::Recipient, code, text)),
        // A reply to another command: it says nothing about the content.
        _ => Outcome::unknown(format!("smtp_{code}")),
    }
}

fn permanent(step: SessionStep, code: u16, enhanced: Option<EnhancedStatus>) -> RefusalKind {
    if LOGIN.contains(&code) {
        return RefusalKind::Account;
    }
    match step {
        // The relay refuses this client, and so every message of the account.
        SessionStep::Opening | SessionStep::Auth => RefusalKind::Account,
        SessionStep::Sender => match by_enhanced(enhanced) {
            Some(RefusalKind::Message) => RefusalKind::Message,
            // MAIL FROM has the sender's address.
            _ => RefusalKind::Account,
        },
        SessionStep::Recipient => {
            let by_code =
                || WITHOUT_ENHANCED.iter().find(|(listed, _)| *listed == code).map(|(_, kind)| *kind);
            by_enhanced(enhanced).or_else(by_code).unwrap_or(RefusalKind::Message)
        }
    }
}

fn by_enhanced(enhanced: Option<EnhancedStatus>) -> Option<RefusalKind> {
    let code = enhanced?;
    if code.is_dead_address() {
        return Some(RefusalKind::Recipient { block: Some(BlockKind::HardBounced) });
    }
    let matches = |subject: u16, detail: Option<u16>| {
        subject == code.subject && detail.is_none_or(|detail| detail == code.detail)
    };
    ENHANCED.iter().find(|((subject, detail), _)| matches(*subject, *detail)).map(|(_, kind)| *kind)
}

/// The relay's text about the queued message, without the enhanced code.
fn queue_id(text: &str) -> Option<String> {
    let text = text.trim();
    let text = match text.split_once(' ') {
        Some((first, rest)) if EnhancedStatus::parse(first).is_some() => rest,
        _ => text,
    };
    let printable = text.chars().filter(|char| !char.is_control()).take(ID_CHARS_MAX);
    Some(printable.collect::<String>().trim().to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dead() -> RefusalKind {
        RefusalKind::Recipient { block: Some(BlockKind::HardBounced) }
    }

    #[test]
    fn replies_to_the_recipient_follow_the_tables() {
        for (code, text, kind, shown) in [
            (421, "4.7.0 try again", RefusalKind::ForNow, "4.7.0"),
            (450, "greylisted", RefusalKind::ForNow, "smtp_450"),
            (452, "4.2.2 over quota", RefusalKind::ForNow, "4.2.2"),
            (550, "5.1.1 no such user", dead(), "5.1.1"),
            (553, "5.1.3 bad syntax", dead(), "5.1.3"),
            (550, "5.1.6 moved", dead(), "5.1.6"),
            (556, "5.1.10 null MX", dead(), "5.1.10"),
            (550, "5.2.1 disabled", dead(), "5.2.1"),
            (550, "5.1.2 bad host", RECIPIENT, "5.1.2"),
            (552, "5.2.2 mailbox full", RECIPIENT, "5.2.2"),
            (552, "mailbox full", RECIPIENT, "smtp_552"),
            (550, "no thanks", RECIPIENT, "smtp_550"),
            (552, "5.3.4 too big", RefusalKind::Message, "5.3.4"),
            (552, "5.2.3 too big", RefusalKind::Message, "5.2.3"),
            (554, "5.6.0 bad content", RefusalKind::Message, "5.6.0"),
            (554, "spam", RefusalKind::Message, "smtp_554"),
            (550, "5.7.1 policy", RefusalKind::Message, "5.7.1"),
            (550, "5.7.26 unauthenticated", RefusalKind::Account, "5.7.26"),
            (550, "5.1.8 bad sender", RefusalKind::Account, "5.1.8"),
            (530, "5.7.0 must authenticate", RefusalKind::Account, "5.7.0"),
            (535, "5.7.8 bad credentials", RefusalKind::Account, "5.7.8"),
            (500, "what", RefusalKind::Message, "smtp_500"),
            (550, "4.1.1 classes disagree", RECIPIENT, "smtp_550"),
        ] {
            let refusal = refusal(SessionStep::Recipient, code, text);
            assert_eq!((refusal.kind, refusal.code.as_str()), (kind, shown), "{code} {text}");
        }
    }

    #[test]
    fn a_reply_about_the_sender_or_the_session_never_blocks_the_recipient() {
        let kind = |step, code, text| refusal(step, code, text).kind;
        assert_eq!(kind(SessionStep::Sender, 550, "5.1.1 no such user"), RefusalKind::Account);
        assert_eq!(kind(SessionStep::Sender, 553, "not owned by user"), RefusalKind::Account);
        assert_eq!(kind(SessionStep::Sender, 552, "5.3.4 too big"), RefusalKind::Message);
        assert_eq!(kind(SessionStep::Sender, 451, "later"), RefusalKind::ForNow);
        assert_eq!(kind(SessionStep::Opening, 554, "5.7.1 no service for you"), RefusalKind::Account);
        assert_eq!(kind(SessionStep::Opening, 421, "busy"), RefusalKind::ForNow);
        for code in [535, 530, 534, 538, 500] {
            assert_eq!(kind(SessionStep::Auth, code, ""), RefusalKind::Account, "{code}");
        }
        assert_eq!(kind(SessionStep::Auth, 454, "4.7.0 later"), RefusalKind::ForNow);
    }

    #[test]
    fn only_a_250_to_the_content_is_acceptance() {
        let accepted = |id: &str| Outcome::Accepted { provider_id: Some(id.to_owned()) };
        assert_eq!(after_content(250, "2.0.0 Ok: queued as ABC"), accepted("Ok: queued as ABC"));
        assert_eq!(after_content(250, "Ok 1.2 queued"), accepted("Ok 1.2 queued"));
        assert_eq!(after_content(250, "2.0.0"), accepted("2.0.0"));
        assert_eq!(after_content(250, " "), Outcome::Accepted { provider_id: None });
        assert_eq!(after_content(354, "go on"), Outcome::unknown("smtp_354"));
        let Outcome::Refused(refused) = after_content(451, "4.3.0 later") else { panic!("refused") };
        assert_eq!(refused.kind, RefusalKind::ForNow);
    }

    proptest! {
        #[test]
        fn any_reply_has_a_meaning(code in any::<u16>(), text in ".*") {
            for step in [SessionStep::Opening, SessionStep::Auth, SessionStep::Sender, SessionStep::Recipient] {
                let _ = refusal(step, code, &text);
            }
            let accepted = matches!(after_content(code, &text), Outcome::Accepted { .. });
            prop_assert_eq!(accepted, code == 250);
        }
    }
}
