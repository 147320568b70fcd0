//! The reason for which a message could not be begun, and its consequence.
//!
//! Begin refuses silently, in one statement; the worker then reads the facts and asks `fence_verdict`. The order
//! of the checks is the order of precedence: a customer's wish outweighs ours.

use chrono::{DateTime, Utc};

use crate::ids::BlockKind;

use super::{Reason, Signal, State};

/// The ledger's facts about a message that was not begun.
#[derive(Debug, Clone)]
pub struct FenceFacts {
    /// The stored state.
    pub state: State,
    /// The claim's epoch is still the message's.
    pub epoch_is_ours: bool,
    /// Paused by a person.
    pub paused: bool,
    /// Set of `BlockKind::bit` of the address.
    pub block_bits: i32,
    /// The customer answered the request already.
    pub answered: bool,
    /// It is a retry by hand, and the message before it was proved to have gone out.
    pub superseded: bool,
    /// Every reservation is still held by the message's request.
    pub holds_reservations: bool,
    /// End of the time in which it may be sent.
    pub expires_at: DateTime<Utc>,
    /// Attempts begun so far.
    pub attempt: i16,
    /// An earlier attempt may have gone out; the message waits to be sent once more.
    pub may_have_been_sent: bool,
    /// The database's time.
    pub now: DateTime<Utc>,
}

/// The consequence for a message that was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FenceVerdict {
    /// Another worker has it, or it is paused or ended: nothing to do.
    NotOurs,
    /// End it.
    End(Signal, Reason),
    /// Nothing prevents it any more: it returns to be claimed again.
    Again,
}

/// The consequence of `facts`, by the first check that applies.
#[must_use]
pub fn fence_verdict(facts: &FenceFacts) -> FenceVerdict {
    if facts.state != State::Waiting || !facts.epoch_is_ours || facts.paused {
        return FenceVerdict::NotOurs;
    }
    let end = |reason| {
        let (signal, reason) = suppressed_end(facts.may_have_been_sent, reason);
        FenceVerdict::End(signal, reason)
    };
    if let Some(kind) = BlockKind::strongest(facts.block_bits) {
        return end(kind.into());
    }
    if facts.answered {
        return end(Reason::Answered);
    }
    if facts.superseded {
        return end(Reason::AlreadySent);
    }
    if facts.expires_at <= facts.now {
        let (signal, reason) = expired_end(facts.attempt, facts.may_have_been_sent);
        return FenceVerdict::End(signal, reason);
    }
    if !facts.holds_reservations {
        return end(Reason::Overtaken);
    }
    FenceVerdict::Again
}

/// The end of a waiting message that may not be sent. If it may have been sent before, its end is
/// `OutcomeUnknown` instead of a suppression: a late proof must still count.
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

    fn facts() -> FenceFacts {
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
        let blocked = FenceFacts { block_bits: BlockKind::Stop.bit(), holds_reservations: false, ..facts() };
        assert_eq!(fence_verdict(&blocked), FenceVerdict::End(Signal::Suppress, Reason::Stop));
        assert_eq!(fence_verdict(&FenceFacts { epoch_is_ours: false, ..blocked }), FenceVerdict::NotOurs);
    }

    #[test]
    fn an_overtaken_holder_is_suppressed_not_sent() {
        let overtaken = FenceFacts { holds_reservations: false, ..facts() };
        assert_eq!(fence_verdict(&overtaken), FenceVerdict::End(Signal::Suppress, Reason::Overtaken));
    }

    #[test]
    fn expiry_is_a_suppression_before_an_attempt_and_a_failure_after_one() {
        let expired = FenceFacts { expires_at: DateTime::UNIX_EPOCH, ..facts() };
        assert_eq!(fence_verdict(&expired), FenceVerdict::End(Signal::ExpiredUntried, Reason::Expired));
        let tried = FenceFacts { attempt: 1, ..expired };
        assert_eq!(fence_verdict(&tried), FenceVerdict::End(Signal::ExpiredTried, Reason::Expired));
    }

    #[test]
    fn who_answered_is_not_asked_again() {
        let answered = FenceFacts { answered: true, holds_reservations: false, ..facts() };
        assert_eq!(fence_verdict(&answered), FenceVerdict::End(Signal::Suppress, Reason::Answered));
    }

    #[test]
    fn a_retry_is_not_sent_once_the_message_before_it_is_proved_to_have_gone_out() {
        let superseded = FenceFacts { superseded: true, holds_reservations: false, ..facts() };
        assert_eq!(fence_verdict(&superseded), FenceVerdict::End(Signal::Suppress, Reason::AlreadySent));
    }

    #[test]
    fn what_may_have_gone_out_is_never_called_suppressed() {
        let unclear = FenceVerdict::End(Signal::WindowEnded, Reason::OutcomeUnknown);
        let may_have_been_sent = FenceFacts { may_have_been_sent: true, attempt: 1, ..facts() };
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
        assert_eq!(fence_verdict(&FenceFacts { paused: true, ..facts() }), FenceVerdict::NotOurs);
        assert_eq!(fence_verdict(&facts()), FenceVerdict::Again);
    }
}
