//! Everybody but the workers: the provider and its receipts, the sweeper, customers and other people.
//!
//! From `src/dispatch/sweep.rs`, `src/intake/{cancel,resume}.rs` and the webhooks. Whoever reads first and
//! writes an end later may be overtaken in between. Next: `looker`.

use super::{
    model_state::{Call, Conclusion, Due, World},
    scenario::Flaw,
    step::{Kind, Next, Step},
};
use postrider_domain::lifecycle::{
    Reason, Signal, State,
    fence::{expired_end, suppressed_end},
    transition,
};

pub fn steps(next: &mut Next) {
    provider(next);
    database(next);
    sweeper(next);
    if !matches!(next.from.row.state, State::Waiting | State::Sending | State::Unknown) {
        return;
    }
    time(next);
    customer(next);
    desk(next);
}

/// What was sent arrives or does not; who accepted may tell so at any time, in any order, any number of
/// times.
fn provider(next: &mut Next) {
    let conditions = next.conditions;
    for (attempt, call) in (1..).zip(next.from.calls) {
        let place = usize::from(attempt - 1);
        match call {
            Call::UnderWay => {
                let step = Step::of("the provider accepts").about(attempt);
                next.must(step, |world| world.calls[place] = Call::Accepted);
                let step = Step::of("the provider refuses, or never gets it").about(attempt);
                next.must(step, |world| world.calls[place] = Call::Gone);
            }
            Call::Accepted => {
                for (signal, words) in [
                    (Signal::Accepted, "a receipt says: accepted"),
                    (Signal::DeliveredReceipt, "a receipt says: delivered"),
                    (Signal::FailedReceipt, "a receipt says: failed"),
                ] {
                    let step = Step::of(words).about(attempt).kind(Kind::Proof);
                    next.may(step, |world| world.receive(attempt, signal, conditions));
                }
            }
            Call::Unmade | Call::Gone => {}
        }
    }
}

/// A statement that nobody waits for is done, or never.
fn database(next: &mut Next) {
    let conditions = next.conditions;
    if let Some(stray) = next.from.stray {
        next.may(Step::of("a begin that nobody waits for is done"), |world| {
            world.stray = None;
            world.begin(stray, conditions);
        });
    }
}

fn sweeper(next: &mut Next) {
    let conditions = next.conditions;
    if let Some(epoch) = next.from.orphan {
        next.must(Step::of("a sweeper takes a dead worker's lease"), |world| {
            world.orphan = None;
            world.sweep(epoch, conditions);
        });
    }
    for (index, worker) in next.from.workers.iter().enumerate() {
        if let Some(lease) = worker.lease.filter(|lease| lease.lapsed) {
            next.must(Step::of("a sweeper takes a lease that ran out"), |world| {
                world.workers[index].lease = None;
                world.sweep(lease.epoch, conditions);
            });
        }
    }
    let facts = next.from.facts;
    let row = next.from.row;
    let due = matches!(next.from.due, Some(Due::Send | Due::Check));
    if due && row.state != State::Waiting {
        next.must(Step::of("a sweeper drops a due row that is left over"), World::drop_due);
    } else if due && facts.expired && next.from.desk.is_none() {
        let (signal, _) = expired_end(i16::from(row.attempt), row.reached);
        next.must(Step::of("a sweeper finds it expired"), |world| world.decide(signal));
    }
    if next.from.desk.is_some() {
        next.must(Step::of("the end that was decided is written, if nobody moved it"), |world| {
            world.desk.take().into_iter().for_each(|end| world.conclude(end));
        });
    }
}

impl World {
    /// Decides on an end by what the row says now; it is written later.
    fn decide(&mut self, signal: Signal) {
        let (epoch, was) = (self.row.epoch, self.row.state);
        self.desk = Some(Conclusion { epoch, was, next: transition(was, signal) });
    }
}

/// A paused message is sure to expire; any other may.
fn time(next: &mut Next) {
    if next.from.facts.expired {
        return;
    }
    let step = Step::of("its time is over");
    if next.from.row.paused {
        next.must(step, |world| world.facts.expired = true);
    } else {
        next.seldom(|left| &mut left.wishes, step, |world| world.facts.expired = true);
    }
}

fn customer(next: &mut Next) {
    let facts = next.from.facts;
    let mut wish = |words, change: fn(&mut World)| {
        next.seldom(|left| &mut left.wishes, Step::of(words), change);
    };
    match facts.blocked {
        false => wish("the customer texts STOP", |world| world.facts.blocked = true),
        true => wish("the customer texts START", |world| {
            world.facts.blocked = false;
            let stopped = world.facts.answered || world.facts.overtaken;
            world.workers.iter_mut().for_each(|worker| worker.warned &= stopped);
        }),
    }
    if !facts.answered {
        wish("the customer answers", |world| world.facts.answered = true);
    }
    if !facts.overtaken {
        wish("a later request takes the person over", |world| world.facts.overtaken = true);
    }
}

/// Pause, resume and cancel.
fn desk(next: &mut Next) {
    let conditions = next.conditions;
    let (row, facts) = (next.from.row, next.from.facts);
    if !row.paused {
        next.seldom(|left| &mut left.wishes, Step::of("somebody pauses it"), |world| world.pause(conditions));
    } else {
        let hindered = row.state == State::Waiting && (facts.blocked || facts.overtaken || facts.expired);
        next.seldom(
            |left| &mut left.wishes,
            Step::of("somebody resumes it"),
            |world| match (hindered, facts.expired) {
                (false, _) => world.resume(),
                (true, true) => world.decide(expired_end(i16::from(row.attempt), row.reached).0),
                (true, false) => world.decide(suppressed_end(row.reached, Reason::Overtaken).0),
            },
        );
    }
    let cancelable = transition(row.state, Signal::Cancel) != row.state
        && (!row.reached || conditions.has(Flaw::CancelIgnoresReached));
    if cancelable && next.from.desk.is_none() {
        let step = Step::of("somebody wants it canceled");
        next.seldom(|left| &mut left.wishes, step, |world| world.decide(Signal::Cancel));
    }
}
