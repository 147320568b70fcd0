//! The one function that moves a message.
//!
//! Exhaustive, no wildcard arm. A signal that comes late, twice or out of order keeps the state: that
//! is a normal result, not an error. Settle and receipts send the next state of every stored state
//! (`TransitionMap`), so that the database applies this table and repeats none of it.

use super::State::{
    self, Canceled, Delivered, Failed, PresumedFailed, Sending, Sent, Suppressed, Unknown, Waiting,
};

/// An event of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// An attempt is written down; its call follows.
    Begin,
    /// A provider's proof that it has the message: the call's answer, a receipt, a look-up.
    Accepted,
    /// Provably not sent; to be tried again.
    Retry,
    /// Provably not sent, and the schedule is exhausted.
    GaveUp,
    /// Refused for good by the call's answer.
    RefusedForGood,
    /// The call was made and its answer never came, or its worker crashed.
    Unanswered,
    /// The last look-ups were complete and found nothing, and the company lets it be sent once more.
    Resend,
    /// No proof came within the window, or a message that was to be sent once more may no longer be.
    WindowEnded,
    /// Expired before any attempt.
    ExpiredUntried,
    /// Expired after an attempt that was refused.
    ExpiredTried,
    /// Blocked, overtaken or answered meanwhile.
    Suppress,
    /// A person cancels it.
    Cancel,
    /// Receipt: delivered.
    DeliveredReceipt,
    /// Receipt: failed for good.
    FailedReceipt,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Signal; 14] = [
        Signal::Begin,
        Signal::Accepted,
        Signal::Retry,
        Signal::GaveUp,
        Signal::RefusedForGood,
        Signal::Unanswered,
        Signal::Resend,
        Signal::WindowEnded,
        Signal::ExpiredUntried,
        Signal::ExpiredTried,
        Signal::Suppress,
        Signal::Cancel,
        Signal::DeliveredReceipt,
        Signal::FailedReceipt,
    ];

    /// The label in diagrams.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Signal::Begin => "attempt begun",
            Signal::Accepted => "provider accepted",
            Signal::Retry => "refused for now",
            Signal::GaveUp => "retries exhausted",
            Signal::RefusedForGood => "refused for good",
            Signal::Unanswered => "no answer",
            Signal::Resend => "absent at the provider",
            Signal::WindowEnded => "no proof in time",
            Signal::ExpiredUntried => "expired untried",
            Signal::ExpiredTried => "expired after an attempt",
            Signal::Suppress => "blocked or overtaken",
            Signal::Cancel => "canceled by a person",
            Signal::DeliveredReceipt => "delivered receipt",
            Signal::FailedReceipt => "failed receipt",
        }
    }
}

/// The state after `signal`; the same state where the signal changes nothing.
#[must_use]
pub fn transition(state: State, signal: Signal) -> State {
    match signal {
        Signal::Begin => from(state, &[Waiting], Sending),
        // A receipt of any attempt counts, so proof may reach a message that waits for its next one.
        Signal::Accepted => from(state, &[Waiting, Sending, Unknown, PresumedFailed], Sent),
        Signal::Retry => from(state, &[Sending], Waiting),
        Signal::GaveUp => from(state, &[Sending], PresumedFailed),
        Signal::RefusedForGood => from(state, &[Sending], Failed),
        Signal::Unanswered => from(state, &[Sending], Unknown),
        Signal::Resend => from(state, &[Unknown], Waiting),
        Signal::WindowEnded => from(state, &[Waiting, Unknown], PresumedFailed),
        Signal::ExpiredUntried => from(state, &[Waiting], Suppressed),
        Signal::ExpiredTried => from(state, &[Waiting], PresumedFailed),
        Signal::Suppress => from(state, &[Waiting], Suppressed),
        Signal::Cancel => from(state, &[Waiting], Canceled),
        Signal::DeliveredReceipt => {
            from(state, &[Waiting, Sending, Unknown, Sent, PresumedFailed], Delivered)
        }
        Signal::FailedReceipt => from(state, &[Waiting, Sending, Unknown, Sent, PresumedFailed], Failed),
    }
}

fn from(state: State, sources: &[State], target: State) -> State {
    if sources.contains(&state) { target } else { state }
}

/// `transition(·, signal)` for every stored state, one byte each: the state's number after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransitionMap(pub [u8; State::ALL.len()]);

impl TransitionMap {
    /// The next state of every state on `signal`.
    #[must_use]
    pub fn new(signal: Signal) -> TransitionMap {
        TransitionMap(State::ALL.map(|state| transition(state, signal) as u8))
    }

    /// The map that keeps every state.
    #[must_use]
    pub fn unchanged() -> TransitionMap {
        TransitionMap(State::ALL.map(|state| state as u8))
    }
}

/// Every change of state that some signal makes; the trigger in the database refuses all others.
#[must_use]
pub fn state_changes() -> Vec<(State, State)> {
    let mut pairs: Vec<(State, State)> = State::ALL
        .into_iter()
        .flat_map(|state| Signal::ALL.map(|signal| (state, transition(state, signal))))
        .filter(|(old, new)| old != new)
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Status;

    /// The whole table, written out a second time by hand: a change must be made in both places.
    #[test]
    fn every_state_moves_just_where_the_table_says() {
        let expected: [(State, &[(Signal, State)]); 9] = [
            (
                Waiting,
                &[
                    (Signal::Begin, Sending),
                    (Signal::Accepted, Sent),
                    (Signal::WindowEnded, PresumedFailed),
                    (Signal::ExpiredUntried, Suppressed),
                    (Signal::ExpiredTried, PresumedFailed),
                    (Signal::Suppress, Suppressed),
                    (Signal::Cancel, Canceled),
                    (Signal::DeliveredReceipt, Delivered),
                    (Signal::FailedReceipt, Failed),
                ],
            ),
            (
                Sending,
                &[
                    (Signal::Accepted, Sent),
                    (Signal::Retry, Waiting),
                    (Signal::GaveUp, PresumedFailed),
                    (Signal::RefusedForGood, Failed),
                    (Signal::Unanswered, Unknown),
                    (Signal::DeliveredReceipt, Delivered),
                    (Signal::FailedReceipt, Failed),
                ],
            ),
            (
                Unknown,
                &[
                    (Signal::Accepted, Sent),
                    (Signal::Resend, Waiting),
                    (Signal::WindowEnded, PresumedFailed),
                    (Signal::DeliveredReceipt, Delivered),
                    (Signal::FailedReceipt, Failed),
                ],
            ),
            (Sent, &[(Signal::DeliveredReceipt, Delivered), (Signal::FailedReceipt, Failed)]),
            (Delivered, &[]),
            (
                PresumedFailed,
                &[
                    (Signal::Accepted, Sent),
                    (Signal::DeliveredReceipt, Delivered),
                    (Signal::FailedReceipt, Failed),
                ],
            ),
            (Failed, &[]),
            (Suppressed, &[]),
            (Canceled, &[]),
        ];
        for (state, moves) in expected {
            for signal in Signal::ALL {
                let target =
                    moves.iter().find(|(moved_by, _)| *moved_by == signal).map_or(state, |pair| pair.1);
                assert_eq!(transition(state, signal), target, "{state:?} on {signal:?}");
            }
        }
    }

    #[test]
    fn an_end_stays_an_end_but_for_the_one_exception() {
        for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
            for signal in Signal::ALL {
                let after = transition(state, signal);
                let by_proof = state == PresumedFailed
                    && matches!(signal, Signal::Accepted | Signal::DeliveredReceipt | Signal::FailedReceipt);
                assert!(after == state || by_proof, "{state:?} on {signal:?} became {after:?}");
            }
        }
    }

    #[test]
    fn a_signal_applied_twice_is_applied_once() {
        for state in State::ALL {
            for signal in Signal::ALL {
                let once = transition(state, signal);
                assert_eq!(transition(once, signal), once, "{state:?} on {signal:?} twice");
            }
        }
    }

    #[test]
    fn status_never_falls_back_once_a_provider_has_the_message() {
        for (old, new) in state_changes() {
            if old == Sent {
                assert!(matches!(new.status(), Status::Delivered | Status::Failed));
            }
            assert_ne!(old, Delivered);
        }
    }

    #[test]
    fn receipts_in_any_order_end_in_the_same_state() {
        use Signal::{Accepted, DeliveredReceipt};
        for start in [Sending, Unknown, Sent, PresumedFailed, Waiting] {
            for order in [[Accepted, DeliveredReceipt], [DeliveredReceipt, Accepted]] {
                let end = order.into_iter().fold(start, transition);
                assert_eq!(end, Delivered, "{start:?} through {order:?}");
            }
        }
    }

    #[test]
    fn a_map_holds_the_whole_function() {
        for signal in Signal::ALL {
            let map = TransitionMap::new(signal);
            for state in State::ALL {
                assert_eq!(i16::from(map.0[state as usize]), transition(state, signal).code());
            }
        }
    }
}
