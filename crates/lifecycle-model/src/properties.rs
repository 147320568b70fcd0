//! What must hold of every world, of every step, and of every way to its end.
//!
//! The invariants between the tables are those of `tests/it/support/audit.rs`, asked here of every
//! reachable world. Next: `claims`.

use std::fmt;

use super::{
    model_state::{Call, Due, Looker, Phase, World},
    step::{Kind, Step},
};
use postrider_domain::lifecycle::State;

/// What does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// The database's trigger would refuse this.
    OutsideTheTable(State, State),
    AnEndChanged(State, State),
    /// Paused, blocked, answered, overtaken or expired before its begin was sent.
    BegunAfterStop,
    /// Blocked or answered before a begin that took its time was done.
    CalledAfterStop,
    CalledTwice,
    TooManyCalls(usize),
    TooManySends(usize),
    /// For somebody who is said not to have been written to.
    SentAndTakenBack(State),
    Phantom(State),
    WaitsForNobody,
    PausedForEver,
    SentUnderNoLease,
    UnknownForEver,
    /// If nothing goes wrong any more, nothing happens any more, and this is left.
    Undecided(State),
    LeftOver,
    /// If nothing goes wrong any more, it may still go round for ever.
    GoesRound,
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::OutsideTheTable(old, new) => write!(formatter, "{old:?} may not become {new:?}"),
            Breach::AnEndChanged(old, new) => write!(formatter, "the end {old:?} became {new:?}"),
            Breach::BegunAfterStop => formatter.write_str("begun although it had been stopped"),
            Breach::CalledAfterStop => formatter.write_str("called although it had been stopped"),
            Breach::CalledTwice => formatter.write_str("one attempt, two calls"),
            Breach::TooManyCalls(calls) => write!(formatter, "{calls} calls may still reach the provider"),
            Breach::TooManySends(sends) => write!(formatter, "the provider accepted it {sends} times"),
            Breach::SentAndTakenBack(state) => write!(formatter, "{state:?}, and sent"),
            Breach::Phantom(state) => write!(formatter, "{state:?}, and no provider ever accepted it"),
            Breach::WaitsForNobody => formatter.write_str("waits, and is neither due nor leased nor paused"),
            Breach::PausedForEver => formatter.write_str("is paused, and its expiry is not watched"),
            Breach::SentUnderNoLease => formatter.write_str("is being sent under no lease"),
            Breach::UnknownForEver => formatter.write_str("is unknown, and nobody will look for it"),
            Breach::Undecided(state) => write!(formatter, "stays {state:?} for ever"),
            Breach::LeftOver => formatter.write_str("is decided, and leaves a lease or a due row behind"),
            Breach::GoesRound => formatter.write_str("may go round for ever"),
        }
    }
}

/// What one step breaks.
pub fn of_step(old: &World, step: &Step, new: &World, changes: &[(State, State)]) -> Option<Breach> {
    let (was, state) = (old.row.state, new.row.state);
    if was != state {
        let by_proof = was == State::PresumedFailed && step.kind == Kind::Proof;
        if was.is_terminal() && !by_proof {
            return Some(Breach::AnEndChanged(was, state));
        }
        if !changes.contains(&(was, state)) {
            return Some(Breach::OutsideTheTable(was, state));
        }
        // Who was sent to the database and waited there is asked before the call.
        let quick = step
            .worker
            .is_some_and(|worker| old.workers[worker].phase == Phase::Claimed && new.workers[worker].warned);
        if state == State::Sending && (old.row.paused || quick) {
            return Some(Breach::BegunAfterStop);
        }
    }
    if let (Kind::Call, Some(worker)) = (step.kind, step.worker) {
        let worker = &old.workers[worker];
        if worker.warned {
            return Some(Breach::CalledAfterStop);
        }
        if old.calls[usize::from(worker.attempt)] != Call::Unmade {
            return Some(Breach::CalledTwice);
        }
    }
    None
}

/// What is broken in one world, whatever led to it.
pub fn of_world(world: &World, sends_max: usize) -> Option<Breach> {
    let (row, due) = (&world.row, world.due);
    let (sends, calls) = (world.acceptances(), world.live_calls());
    if sends > sends_max {
        return Some(Breach::TooManySends(sends));
    }
    if calls > sends_max {
        return Some(Breach::TooManyCalls(calls));
    }
    let leased = world.leases().any(|epoch| epoch == row.epoch);
    match row.state {
        State::Waiting if row.paused && due != Some(Due::Check) => Some(Breach::PausedForEver),
        State::Waiting if !row.paused && due != Some(Due::Send) && !leased => Some(Breach::WaitsForNobody),
        State::Sending if !leased => Some(Breach::SentUnderNoLease),
        State::Unknown if !matches!(due, Some(Due::Look { .. })) => Some(Breach::UnknownForEver),
        State::Suppressed | State::Canceled if sends + calls > 0 => Some(Breach::SentAndTakenBack(row.state)),
        State::Sent | State::Delivered if sends == 0 => Some(Breach::Phantom(row.state)),
        _ => None,
    }
}

/// What is broken where nothing must happen any more.
pub fn of_rest(world: &World) -> Option<Breach> {
    let state = world.row.state;
    if !state.is_terminal() && state != State::Sent {
        return Some(Breach::Undecided(state));
    }
    let busy = world.workers.iter().any(|worker| worker.phase != Phase::Idle)
        || world.lookers.iter().any(|looker| *looker != Looker::Idle);
    let left = world.due.is_some() || world.leases().next().is_some();
    (busy || left).then_some(Breach::LeftOver)
}
