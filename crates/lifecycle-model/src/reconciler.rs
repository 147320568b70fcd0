//! Who looks for unknown attempts at their provider, from `src/dispatch/reconcile.rs`.
//!
//! What follows a look is the product's own plan (`lifecycle::looks`). Between the look and the writing
//! anything may happen, another look too; a look that is cut off just never writes. Next: `search`.

use std::time::Duration;

use super::{
    model_state::{Call, Conclusion, Due, LOOKERS, Looker, World},
    scenario::{Conditions, Index},
    step::{Kind, Next, Step},
};
use postrider_domain::lifecycle::{
    Signal, State,
    status_poll::{NextPoll, ProbeResult},
    transition,
};

pub fn steps(next: &mut Next) {
    for index in 0..LOOKERS {
        one(next, index);
    }
}

/// A look takes what is due along, asks, and writes down what follows; or is cut off in between. A proof
/// is a receipt's equal, which may come at any time anyhow: that is one step.
fn one(next: &mut Next, index: usize) {
    let conditions = next.conditions;
    let looker = next.from.lookers[index];
    if looker != Looker::Idle {
        next.must(Step::of("who looked writes down what follows"), |world| {
            world.lookers[index] = Looker::Idle;
            match looker {
                Looker::Idle => {}
                Looker::Again { at, absent } => world.look_again(at, absent),
                Looker::End { epoch } => world.conclude(window_ended(epoch)),
                Looker::Resend { epoch } => world.resend(epoch),
            }
        });
        return;
    }
    let first = next.from.lookers.iter().position(|looker| *looker == Looker::Idle);
    let Some(Due::Look { at, absent }) = next.from.due.filter(|_| first == Some(index)) else { return };
    let row = next.from.row;
    if row.state != State::Unknown {
        next.must(Step::of("who looks finds that it has moved on"), World::drop_due);
        return;
    }
    // It is put off for everybody else; only a slow look is overtaken by another.
    let alone = next.from.lookers.iter().all(|looker| *looker == Looker::Idle);
    let last = conditions.looks.last().as_secs() as u8;
    // `dispatch::reconcile::may_resend`
    let may_resend = conditions.resend_if_absent && !row.resent && !next.from.facts.expired;
    let mut look = |elapsed, late| {
        for answer in answers(next.from, elapsed, conditions) {
            // `looks.sql` puts it off: it is not due any sooner.
            let take = |world: &mut World| {
                world.due = Some(Due::Look { at: elapsed, absent });
                match answer.proof {
                    Some(signal) => world.receive(row.attempt, signal, conditions),
                    None => {
                        let after = conditions.looks.after(
                            since(elapsed),
                            i16::from(absent),
                            answer.sight,
                            may_resend,
                        );
                        world.lookers[index] = planned(after, row.epoch);
                    }
                }
            };
            let kind = if answer.proof.is_some() { Kind::Proof } else { Kind::Other };
            let step = Step::of(answer.words).about(row.attempt).kind(kind);
            match late {
                false => next.must(step, take),
                true => next.seldom(|left| &mut left.hitches, step, take),
            }
        }
    };
    look(at, !alone);
    if alone && at < last {
        look(last, true);
    }
}

fn since(elapsed: u8) -> Duration {
    Duration::from_secs(u64::from(elapsed))
}

/// `reconcile::plan`
fn planned(after: NextPoll, epoch: u8) -> Looker {
    match after {
        NextPoll::Again { since_begin, absent } => {
            Looker::Again { at: since_begin.as_secs() as u8, absent: absent as u8 }
        }
        NextPoll::End => Looker::End { epoch },
        NextPoll::Resend => Looker::Resend { epoch },
    }
}

fn window_ended(epoch: u8) -> Conclusion {
    let was = State::Unknown;
    Conclusion { epoch, was, next: transition(was, Signal::WindowEnded) }
}

/// What a provider may say of an attempt.
struct Answer {
    words: &'static str,
    proof: Option<Signal>,
    sight: ProbeResult,
}

fn answers(world: &World, elapsed: u8, conditions: &Conditions) -> Vec<Answer> {
    let nothing = |sight, words| Answer { words, proof: None, sight };
    let found = |signal, words| Answer { words, proof: Some(signal), sight: ProbeResult::Unclear };
    if conditions.index == Index::Blind {
        return vec![nothing(ProbeResult::Unsupported, "a look cannot be made")];
    }
    let looks = &conditions.looks.0;
    let early = looks.len() > 2 && since(elapsed) < looks[looks.len() - 2];
    let call = world.calls[usize::from(world.row.attempt - 1)];
    let hidden = match call {
        Call::Accepted => conditions.index == Index::Lagging,
        Call::UnderWay => early || conditions.index == Index::Lagging,
        Call::Unmade | Call::Gone => true,
    };
    let mut answers = vec![nothing(ProbeResult::Unclear, "a look tells nothing")];
    if call == Call::Accepted {
        answers.push(found(Signal::Accepted, "a look finds it accepted"));
        answers.push(found(Signal::DeliveredReceipt, "a look finds it delivered"));
        answers.push(found(Signal::FailedReceipt, "a look finds it failed"));
    }
    if hidden {
        answers.push(nothing(ProbeResult::Absent, "a look finds no trace of it"));
    }
    answers
}
