//! The properties of every step, every state, and every final state.
//!
//! The invariants between the tables are those of `tests/it/support/audit.rs`, checked here in every reachable
//! state. Next: `checks`.

use std::fmt;

use super::{
    model_state::{CallState, Due, ModelState, Reconciler, WorkerPhase},
    step::{Step, StepKind},
};
use postrider_domain::lifecycle::State;

/// A property that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// The database's trigger would refuse this change.
    IllegalTransition(State, State),
    EndChanged(State, State),
    /// Paused, blocked, answered, overtaken or expired before its begin was sent.
    BegunAfterStop,
    /// Blocked or answered before a slow begin was executed.
    CalledAfterStop,
    CalledTwice,
    TooManyCalls(usize),
    TooManySends(usize),
    /// The state says that the customer got no message.
    SentYetEndedUnsent(State),
    SentWithoutAcceptance(State),
    WaitsWithoutDueRow,
    PausedWithoutExpiry,
    SendingWithoutLease,
    UnknownWithoutLookup,
    /// Without further faults no step remains, and the state is no end.
    Undecided(State),
    Leftover,
    /// Without further faults the steps may still repeat forever.
    Cycle,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::IllegalTransition(old, new) => write!(formatter, "{old:?} may not become {new:?}"),
            Violation::EndChanged(old, new) => write!(formatter, "the end {old:?} became {new:?}"),
            Violation::BegunAfterStop => formatter.write_str("begun although it was stopped"),
            Violation::CalledAfterStop => formatter.write_str("called although it was stopped"),
            Violation::CalledTwice => formatter.write_str("one attempt made two calls"),
            Violation::TooManyCalls(calls) => write!(formatter, "{calls} calls may still reach the provider"),
            Violation::TooManySends(sends) => write!(formatter, "the provider accepted it {sends} times"),
            Violation::SentYetEndedUnsent(state) => write!(formatter, "{state:?}, and sent"),
            Violation::SentWithoutAcceptance(state) => {
                write!(formatter, "{state:?}, and no provider ever accepted it")
            }
            Violation::WaitsWithoutDueRow => {
                formatter.write_str("waits without a due row, a lease or a pause")
            }
            Violation::PausedWithoutExpiry => {
                formatter.write_str("is paused without a due row for its expiry")
            }
            Violation::SendingWithoutLease => formatter.write_str("is being sent without a lease"),
            Violation::UnknownWithoutLookup => formatter.write_str("is unknown without a due lookup"),
            Violation::Undecided(state) => write!(formatter, "stays {state:?} forever"),
            Violation::Leftover => formatter.write_str("is decided and leaves a lease or a due row behind"),
            Violation::Cycle => formatter.write_str("may repeat a cycle of steps forever"),
        }
    }
}

/// The property that one step violates.
pub fn step_violation(
    old: &ModelState,
    step: &Step,
    new: &ModelState,
    changes: &[(State, State)],
) -> Option<Violation> {
    let (previous_state, state) = (old.row.state, new.row.state);
    if previous_state != state {
        let by_proof = previous_state == State::PresumedFailed && step.kind == StepKind::Proof;
        if previous_state.is_terminal() && !by_proof {
            return Some(Violation::EndChanged(previous_state, state));
        }
        if !changes.contains(&(previous_state, state)) {
            return Some(Violation::IllegalTransition(previous_state, state));
        }
        // A slow begin is checked a second time before the call.
        let quick = step.worker.is_some_and(|worker| {
            old.workers[worker].phase == WorkerPhase::Claimed && new.workers[worker].stopped
        });
        if state == State::Sending && (old.row.paused || quick) {
            return Some(Violation::BegunAfterStop);
        }
    }
    if let (StepKind::CallState, Some(worker)) = (step.kind, step.worker) {
        let worker = &old.workers[worker];
        if worker.stopped {
            return Some(Violation::CalledAfterStop);
        }
        if old.calls[usize::from(worker.attempt)] != CallState::Unmade {
            return Some(Violation::CalledTwice);
        }
    }
    None
}

/// The property that one state violates.
pub fn state_violation(model: &ModelState, sends_max: usize) -> Option<Violation> {
    let (row, due) = (&model.row, model.due);
    let (sends, calls) = (model.acceptances(), model.live_calls());
    if sends > sends_max {
        return Some(Violation::TooManySends(sends));
    }
    if calls > sends_max {
        return Some(Violation::TooManyCalls(calls));
    }
    let leased = model.leases().any(|epoch| epoch == row.epoch);
    match row.state {
        State::Waiting if row.paused && due != Some(Due::Check) => Some(Violation::PausedWithoutExpiry),
        State::Waiting if !row.paused && due != Some(Due::Send) && !leased => {
            Some(Violation::WaitsWithoutDueRow)
        }
        State::Sending if !leased => Some(Violation::SendingWithoutLease),
        State::Unknown if !matches!(due, Some(Due::Look { .. })) => Some(Violation::UnknownWithoutLookup),
        State::Suppressed | State::Canceled if sends + calls > 0 => {
            Some(Violation::SentYetEndedUnsent(row.state))
        }
        State::Sent | State::Delivered if sends == 0 => Some(Violation::SentWithoutAcceptance(row.state)),
        _ => None,
    }
}

/// The property that a state without required steps violates.
pub fn rest_violation(model: &ModelState) -> Option<Violation> {
    let state = model.row.state;
    if !state.is_terminal() && state != State::Sent {
        return Some(Violation::Undecided(state));
    }
    let busy = model.workers.iter().any(|worker| worker.phase != WorkerPhase::Idle)
        || model.reconcilers.iter().any(|reconciler| *reconciler != Reconciler::Idle);
    let budget = model.due.is_some() || model.leases().next().is_some();
    (busy || budget).then_some(Violation::Leftover)
}
