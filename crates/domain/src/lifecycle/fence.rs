//! Why a message could not be begun, and what follows.
//!
//! Begin refuses silently, in one statement; its worker then reads what stood in the way and asks here.
//! The order of the checks is the order in which a customer's wish outweighs ours.

use chrono::{DateTime, Utc};

use crate::ids::BlockKind;

use super::{Reason, Signal, State};

/// What the ledger says of a message that was not begun.
#[derive(Debug, Clone)]
pub struct FenceFacts {
    pub state: State,
    /// The claim's epoch is still the message's.
    pub epoch_is_ours: bool,
    pub paused: bool,
    pub block_bits: i32,
    /// The customer answered the request already.
    pub answered: bool,
    /// It is a person's retry, and the message before it turned out to have gone out.
    pub superseded: bool,
    /// Every reservation is still held by the message's request.
    pub holds_reservations: bool,
    pub expires_at: DateTime<Utc>,
    pub attempt: i16,
    /// Some attempt may have gone out: it waits to be sent once more.
    pub may_have_been_sent: bool,
    pub now: DateTime<Utc>,
}

/// What to do with a message that was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FenceVerdict {
    /// Somebody else has it, or it is paused or ended: nothing to do.
    NotOurs,
    /// End it.
    End(Signal, Reason),
    /// Nothing stands in the way any more: put it back to be claimed again.
    Again,
}

#[must_use]
pub fn fence_verdict(standing: &FenceFacts) -> FenceVerdict {
    if standing.state != State::Waiting || !standing.epoch_is_ours || standing.paused {
        return FenceVerdict::NotOurs;
    }
    let suppressed_end = |reason| {
        let (signal, reason) = suppressed_end(standing.may_have_been_sent, reason);
        FenceVerdict::End(signal, reason)
    };
    if let Some(kind) = BlockKind::strongest(standing.block_bits) {
        return suppressed_end(kind.into());
    }
    if standing.answered {
        return suppressed_end(Reason::Answered);
    }
    if standing.superseded {
        return suppressed_end(Reason::AlreadySent);
    }
    if standing.expires_at <= standing.now {
        let (signal, reason) = expired_end(standing.attempt, standing.may_have_been_sent);
        return FenceVerdict::End(signal, reason);
    }
    if !standing.holds_reservations {
        return suppressed_end(Reason::Overtaken);
    }
    FenceVerdict::Again
}

/// The end of a waiting message that may not go out. One that may have gone out before is not called
/// suppressed: nobody knows, and a late proof must still count.
#[must_use]
pub fn suppressed_end(may_have_been_sent: bool, reason: Reason) -> (Signal, Reason) {
    if may_have_been_sent {
        (Signal::WindowEnded, Reason::OutcomeUnknown)
    } else {
        (Signal::Suppress, reason)
    }
}

/// The end of a message that expired while waiting.
#[must_use]
pub fn expired_end(attempt: i16, may_have_been_sent: bool) -> (Signal, Reason) {
    match (attempt, may_have_been_sent) {
        (0, _) => (Signal::ExpiredUntried, Reason::Expired),
        (_, false) => (Signal::ExpiredTried, Reason::Expired),
        (_, true) => (Signal::WindowEnded, Reason::OutcomeUnknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> FenceFacts {
        let now = DateTime::UNIX_EPOCH;
        FenceFacts {
            state: State::Waiting,
            epoch_is_ours: true,
            paused: false,
            block_bits: 0,
            answered: false,
            superseded: false,
            holds_reservations: true,
            expires_at: now + chrono::Duration::hours(1),
            attempt: 0,
            may_have_been_sent: false,
            now,
        }
    }

    #[test]
    fn a_block_outweighs_everything_but_somebody_elses_claim() {
        let blocked =
            FenceFacts { block_bits: BlockKind::Stop.bit(), holds_reservations: false, ..standing() };
        assert_eq!(fence_verdict(&blocked), FenceVerdict::End(Signal::Suppress, Reason::Stop));
        assert_eq!(fence_verdict(&FenceFacts { epoch_is_ours: false, ..blocked }), FenceVerdict::NotOurs);
    }

    #[test]
    fn an_overtaken_holder_is_suppressed_not_sent() {
        let overtaken = FenceFacts { holds_reservations: false, ..standing() };
        assert_eq!(fence_verdict(&overtaken), FenceVerdict::End(Signal::Suppress, Reason::Overtaken));
    }

    #[test]
    fn expiry_is_a_suppression_before_an_attempt_and_a_failure_after_one() {
        let expired = FenceFacts { expires_at: DateTime::UNIX_EPOCH, ..standing() };
        assert_eq!(fence_verdict(&expired), FenceVerdict::End(Signal::ExpiredUntried, Reason::Expired));
        let tried = FenceFacts { attempt: 1, ..expired };
        assert_eq!(fence_verdict(&tried), FenceVerdict::End(Signal::ExpiredTried, Reason::Expired));
    }

    #[test]
    fn who_answered_is_not_asked_again() {
        let answered = FenceFacts { answered: true, holds_reservations: false, ..standing() };
        assert_eq!(fence_verdict(&answered), FenceVerdict::End(Signal::Suppress, Reason::Answered));
    }

    #[test]
    fn a_retry_is_not_sent_once_the_message_before_it_is_proved_to_have_gone_out() {
        let superseded = FenceFacts { superseded: true, holds_reservations: false, ..standing() };
        assert_eq!(fence_verdict(&superseded), FenceVerdict::End(Signal::Suppress, Reason::AlreadySent));
    }

    #[test]
    fn what_may_have_gone_out_is_never_called_suppressed() {
        let unclear = FenceVerdict::End(Signal::WindowEnded, Reason::OutcomeUnknown);
        let may_have_been_sent = FenceFacts { may_have_been_sent: true, attempt: 1, ..standing() };
        let stopped = BlockKind::Stop.bit();
        assert_eq!(fence_verdict(&FenceFacts { block_bits: stopped, ..may_have_been_sent.clone() }), unclear);
        assert_eq!(fence_verdict(&FenceFacts { answered: true, ..may_have_been_sent.clone() }), unclear);
        assert_eq!(
            fence_verdict(&FenceFacts { holds_reservations: false, ..may_have_been_sent.clone() }),
            unclear
        );
        assert_eq!(
            fence_verdict(&FenceFacts { expires_at: DateTime::UNIX_EPOCH, ..may_have_been_sent }),
            unclear
        );
    }

    #[test]
    fn what_is_paused_is_left_alone_and_what_is_free_goes_again() {
        assert_eq!(fence_verdict(&FenceFacts { paused: true, ..standing() }), FenceVerdict::NotOurs);
        assert_eq!(fence_verdict(&standing()), FenceVerdict::Again);
    }
}
