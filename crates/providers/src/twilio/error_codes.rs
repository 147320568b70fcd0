//! Twilio's error codes: the table from a code to its consequence for message, recipient or account.
//!
//! PURE. The codes come in the body of a refused call and as `ErrorCode` of a status callback. For an unlisted code
//! `wire` uses the HTTP status of a call; on a callback it fails the message without a block.
//! Source: twilio.com/docs/api/errors, read in 2026.

use crate::RefusalKind;
use postrider_domain::ids::BlockKind;

/// The consequence of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not sent, for a temporary reason.
    ForNow,
    /// Sender, credentials or plan: no message of this account can be sent.
    Account,
    /// This message can never be sent: its content, or its country from this sender.
    Message,
    /// This recipient is out of reach for this sender.
    Recipient,
    /// The number cannot receive texts at all.
    DeadNumber,
    /// The customer answered STOP.
    Stop,
    /// An internal error of Twilio: the message may have been sent.
    Unknown,
}

impl Verdict {
    /// The refusal of a call with this code; `None` if the message may have been sent.
    #[must_use]
    pub(super) fn refusal(self) -> Option<RefusalKind> {
        match self {
            Verdict::ForNow => Some(RefusalKind::ForNow),
            Verdict::Account => Some(RefusalKind::Account),
            Verdict::Message => Some(RefusalKind::Message),
            Verdict::Recipient | Verdict::DeadNumber | Verdict::Stop => {
                Some(RefusalKind::Recipient { block: self.block() })
            }
            Verdict::Unknown => None,
        }
    }

    /// The block of the number that the code proves.
    #[must_use]
    pub(super) fn block(self) -> Option<BlockKind> {
        match self {
            Verdict::DeadNumber => Some(BlockKind::HardBounced),
            Verdict::Stop => Some(BlockKind::Stop),
            Verdict::ForNow | Verdict::Account | Verdict::Message | Verdict::Recipient | Verdict::Unknown => {
                None
            }
        }
    }
}

/// The verdict of a listed code.
#[must_use]
pub(super) fn verdict(code: u32) -> Option<Verdict> {
    VERDICTS.iter().find(|(listed, _)| *listed == code).map(|(_, verdict)| *verdict)
}

/// Ascending by code. The codes of one country's rules (21408, 21703, 30018, 30024) are `Message` and not `Account`:
/// they must not stop the lane for all other countries.
const VERDICTS: &[(u32, Verdict)] = &[
    (14107, Verdict::ForNow), // too many texts between the same two numbers
    (20001, Verdict::Message),
    (20003, Verdict::Account), // authentication
    (20004, Verdict::Account),
    (20005, Verdict::Account), // account not active
    (20006, Verdict::Account),
    (20008, Verdict::Account), // test credentials
    (20010, Verdict::Account),
    (20403, Verdict::Account),
    (20404, Verdict::Account), // wrong account SID or path
    (20409, Verdict::ForNow),
    (20422, Verdict::Message),
    (20429, Verdict::ForNow),  // documented as not processed
    (20500, Verdict::Unknown), // documented as not idempotent
    (20503, Verdict::Unknown),
    (20504, Verdict::Unknown),
    (21211, Verdict::Recipient), // no valid number
    (21212, Verdict::Account),   // no valid sender
    (21217, Verdict::Recipient),
    (21265, Verdict::Recipient), // a short code
    (21266, Verdict::Recipient), // the sender itself
    (21267, Verdict::Account),
    (21268, Verdict::Recipient), // premium rate
    (21408, Verdict::Message),   // region not enabled
    (21601, Verdict::Account),
    (21602, Verdict::Message),
    (21603, Verdict::Message),
    (21604, Verdict::Message),
    (21605, Verdict::Message),
    (21606, Verdict::Account),
    (21607, Verdict::Account),
    (21608, Verdict::Account), // trial account
    (21609, Verdict::Account), // status callback
    (21610, Verdict::Stop),
    (21611, Verdict::ForNow),     // sender's queue is full
    (21612, Verdict::Recipient),  // not reachable from this sender
    (21614, Verdict::DeadNumber), // not a mobile number
    (21616, Verdict::Account),
    (21617, Verdict::Message), // longer than 1600
    (21618, Verdict::Message),
    (21619, Verdict::Message),
    (21620, Verdict::Message),
    (21621, Verdict::Message),
    (21622, Verdict::Message),
    (21623, Verdict::Message),
    (21624, Verdict::Account),
    (21635, Verdict::Recipient), // a landline
    (21653, Verdict::Message),
    (21654, Verdict::Message),
    (21655, Verdict::Message),
    (21656, Verdict::Message),
    (21659, Verdict::Account),
    (21660, Verdict::Account),
    (21661, Verdict::Account),
    (21701, Verdict::Account),
    (21702, Verdict::Account),
    (21703, Verdict::Message), // no sender for this country
    (21704, Verdict::Account),
    (21705, Verdict::Account),
    (30001, Verdict::ForNow),
    (30002, Verdict::Account),    // suspended
    (30003, Verdict::ForNow),     // handset off or roaming
    (30004, Verdict::Recipient),  // blocked by carrier or recipient
    (30005, Verdict::DeadNumber), // unknown handset
    (30006, Verdict::DeadNumber), // landline or unreachable carrier
    (30007, Verdict::Message),    // filtered
    (30008, Verdict::Message),
    (30010, Verdict::Account),
    (30011, Verdict::Message),
    (30012, Verdict::Account),
    (30013, Verdict::Account),
    (30014, Verdict::Recipient),
    (30015, Verdict::Account),
    (30016, Verdict::Account),
    (30017, Verdict::ForNow),  // carrier congestion
    (30018, Verdict::Message), // sender not registered in this country
    (30019, Verdict::Message),
    (30020, Verdict::Unknown),
    (30021, Verdict::Unknown),
    (30022, Verdict::ForNow),
    (30023, Verdict::ForNow),
    (30024, Verdict::Message), // sender not provisioned in this country
    (30027, Verdict::ForNow),
    (30028, Verdict::Account),
    (30029, Verdict::Account),
    (30030, Verdict::Account),
    (30031, Verdict::Account),
    (30032, Verdict::Account),
    (30033, Verdict::Account),
    (30034, Verdict::Account),
    (30035, Verdict::Account),
    (30036, Verdict::ForNow),  // expired in the queue
    (30410, Verdict::Unknown), // Twilio gives up so as not to send twice
    (30450, Verdict::ForNow),
    (30500, Verdict::Unknown),
    (30610, Verdict::ForNow),    // quiet hours
    (30640, Verdict::Recipient), // known litigator
    (63001, Verdict::Account),
    (63003, Verdict::Recipient),
    (63007, Verdict::Account),
    (63013, Verdict::Message),
    (63015, Verdict::Account),
    (63016, Verdict::Message),
    (63018, Verdict::ForNow),
    (63020, Verdict::Account),
    (63021, Verdict::Message),
    (63024, Verdict::Recipient),
    (63032, Verdict::Message),
    (63038, Verdict::ForNow),
    (90007, Verdict::Account),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_and_in_order() {
        assert!(VERDICTS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_row_of_each_class_is_the_refusal_that_it_should_be() {
        let refusal = |code| verdict(code).map(Verdict::refusal);
        let recipient = |block| Some(Some(RefusalKind::Recipient { block }));
        assert_eq!(refusal(20429), Some(Some(RefusalKind::ForNow)));
        assert_eq!(refusal(20003), Some(Some(RefusalKind::Account)));
        assert_eq!(refusal(21617), Some(Some(RefusalKind::Message)));
        assert_eq!(refusal(21211), recipient(None));
        assert_eq!(refusal(21614), recipient(Some(BlockKind::HardBounced)));
        assert_eq!(refusal(21610), recipient(Some(BlockKind::Stop)));
        assert_eq!(refusal(20500), Some(None), "may have gone out");
        assert_eq!(refusal(99999), None);
    }

    #[test]
    fn one_countrys_rules_never_stop_the_lane() {
        for code in [21408, 21703, 30018, 30024] {
            assert_eq!(verdict(code), Some(Verdict::Message), "{code}");
        }
    }

    #[test]
    fn only_proof_blocks_an_address() {
        let blocking: Vec<u32> =
            VERDICTS.iter().filter(|(_, verdict)| verdict.block().is_some()).map(|(code, _)| *code).collect();
        assert_eq!(blocking, [21610, 21614, 30005, 30006]);
    }
}
