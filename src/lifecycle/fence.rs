//! Why a message could not be begun, and what follows.
//!
//! Begin refuses silently, in one statement; its worker then reads what stood in the way and asks here.
//! The order of the checks is the order in which a customer's wish outweighs ours.

use chrono::{DateTime, Utc};

use crate::message::BlockKind;

use super::{Reason, Signal, State};

/// What the ledger says of a message that was not begun.
#[derive(Debug, Clone)]
pub struct Standing {
    pub state: State,
    /// The claim's epoch is still the message's.
    pub epoch_is_ours: bool,
    pub paused: bool,
    pub block_bits: i32,
    /// Every reservation is still held by the message's request.
    pub holds_reservations: bool,
    pub expires_at: DateTime<Utc>,
    pub attempt: i16,
    pub now: DateTime<Utc>,
}

/// What to do with a message that was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standstill {
    /// Somebody else has it, or it is paused or ended: nothing to do.
    NotOurs,
    /// End it.
    End(Signal, Reason),
    /// Nothing stands in the way any more: put it back to be claimed again.
    Again,
}

#[must_use]
pub fn standstill(standing: &Standing) -> Standstill {
    if standing.state != State::Waiting || !standing.epoch_is_ours || standing.paused {
        return Standstill::NotOurs;
    }
    if let Some(kind) = BlockKind::first_of(standing.block_bits) {
        return Standstill::End(Signal::Withheld, kind.into());
    }
    if standing.expires_at <= standing.now {
        return expiry(standing.attempt);
    }
    if !standing.holds_reservations {
        return Standstill::End(Signal::Withheld, Reason::Overtaken);
    }
    Standstill::Again
}

/// The end of a message that expired while waiting.
#[must_use]
pub fn expiry(attempt: i16) -> Standstill {
    let signal = if attempt == 0 { Signal::ExpiredUntried } else { Signal::ExpiredTried };
    Standstill::End(signal, Reason::Expired)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        let now = DateTime::UNIX_EPOCH;
        Standing {
            state: State::Waiting,
            epoch_is_ours: true,
            paused: false,
            block_bits: 0,
            holds_reservations: true,
            expires_at: now + chrono::Duration::hours(1),
            attempt: 0,
            now,
        }
    }

    #[test]
    fn a_block_outweighs_everything_but_somebody_elses_claim() {
        let blocked = Standing { block_bits: BlockKind::Stop.bit(), holds_reservations: false, ..standing() };
        assert_eq!(standstill(&blocked), Standstill::End(Signal::Withheld, Reason::Stop));
        assert_eq!(standstill(&Standing { epoch_is_ours: false, ..blocked }), Standstill::NotOurs);
    }

    #[test]
    fn an_overtaken_holder_is_suppressed_not_sent() {
        let overtaken = Standing { holds_reservations: false, ..standing() };
        assert_eq!(standstill(&overtaken), Standstill::End(Signal::Withheld, Reason::Overtaken));
    }

    #[test]
    fn expiry_is_a_suppression_before_an_attempt_and_a_failure_after_one() {
        let expired = Standing { expires_at: DateTime::UNIX_EPOCH, ..standing() };
        assert_eq!(standstill(&expired), Standstill::End(Signal::ExpiredUntried, Reason::Expired));
        let tried = Standing { attempt: 1, ..expired };
        assert_eq!(standstill(&tried), Standstill::End(Signal::ExpiredTried, Reason::Expired));
    }

    #[test]
    fn what_is_paused_is_left_alone_and_what_is_free_goes_again() {
        assert_eq!(standstill(&Standing { paused: true, ..standing() }), Standstill::NotOurs);
        assert_eq!(standstill(&standing()), Standstill::Again);
    }
}
