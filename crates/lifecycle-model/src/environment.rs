//! The environment of the workers: the provider and its receipts, the sweeper, customers and users.
//!
//! From `src/dispatch/sweep.rs`, `src/requests/actions` and the webhooks. Another step may come between the reading
//! of a row and the writing of its end. Next: `reconciler`.

use super::{
    model_state::{CallState, Conclusion, Due, ModelState},
    scenario::Mutant,
    step::{Step, StepCollector, StepKind},
};
use postrider_domain::lifecycle::{
    Reason, Signal, State,
    fence::{expired_end, suppressed_end},
    transition,
};

pub fn steps(next: &mut StepCollector) {
    provider(next);
    database(next);
    sweeper(next);
    if !matches!(next.from.row.state, State::Waiting | State::Sending | State::Unknown) {
        return;
    }
    time(next);
    customer(next);
    users(next);
}

/// A call in transit arrives or does not; a provider that accepted may send receipts at any time, in any order,
/// any number of times.
fn provider(next: &mut StepCollector) {
    let scenario = next.scenario;
    for (attempt, call) in (1..).zip(next.from.calls) {
        let index = usize::from(attempt - 1);
        match call {
            CallState::InTransit => {
                let step = Step::of("the provider accepts").about(attempt);
                next.must(step, |model| model.calls[index] = CallState::Accepted);
                let step = Step::of("the provider refuses, or never gets it").about(attempt);
                next.must(step, |model| model.calls[index] = CallState::Gone);
            }
            CallState::Accepted => {
                for (signal, text) in [
                    (Signal::Accepted, "a receipt says: accepted"),
                    (Signal::DeliveredReceipt, "a receipt says: delivered"),
                    (Signal::FailedReceipt, "a receipt says: failed"),
                ] {
                    let step = Step::of(text).about(attempt).kind(StepKind::Proof);
                    next.may(step, |model| model.receive(attempt, signal, scenario));
                }
            }
            CallState::Unmade | CallState::Gone => {}
        }
    }
}

/// A begin without a waiting worker is executed, or never.
fn database(next: &mut StepCollector) {
    let scenario = next.scenario;
    if let Some(stray_begin) = next.from.stray_begin {
        next.may(Step::of("a begin without a waiting worker is executed"), |model| {
            model.stray_begin = None;
            model.begin(stray_begin, scenario);
        });
    }
}

fn sweeper(next: &mut StepCollector) {
    let scenario = next.scenario;
    if let Some(epoch) = next.from.orphaned_lease {
        next.must(Step::of("a sweeper takes a crashed worker's lease"), |model| {
            model.orphaned_lease = None;
            model.sweep(epoch, scenario);
        });
    }
    for (index, worker) in next.from.workers.iter().enumerate() {
        if let Some(lease) = worker.lease.filter(|lease| lease.lapsed) {
            next.must(Step::of("a sweeper takes an expired lease"), |model| {
                model.workers[index].lease = None;
                model.sweep(lease.epoch, scenario);
            });
        }
    }
    let facts = next.from.facts;
    let row = next.from.row;
    let due = matches!(next.from.due, Some(Due::Send | Due::Check));
    if due && row.state != State::Waiting {
        next.must(Step::of("a sweeper drops a stale due row"), ModelState::drop_due);
    } else if due && facts.expired && next.from.pending_end.is_none() {
        let (signal, _) = expired_end(i16::from(row.attempt), row.may_have_been_sent);
        next.must(Step::of("a sweeper finds it expired"), |model| model.decide(signal));
    }
    if next.from.pending_end.is_some() {
        next.must(Step::of("the decided end is written unless the row changed"), |model| {
            model.pending_end.take().into_iter().for_each(|end| model.conclude(end));
        });
    }
}

impl ModelState {
    /// Decides an end by the row's present state; it is written later.
    fn decide(&mut self, signal: Signal) {
        let (epoch, previous_state) = (self.row.epoch, self.row.state);
        self.pending_end =
            Some(Conclusion { epoch, previous_state, next: transition(previous_state, signal) });
    }
}

/// A paused message certainly expires; any other may.
fn time(next: &mut StepCollector) {
    if next.from.facts.expired {
        return;
    }
    let step = Step::of("it expires");
    if next.from.row.paused {
        next.must(step, |model| model.facts.expired = true);
    } else {
        next.limited(|budget| &mut budget.user_actions, step, |model| model.facts.expired = true);
    }
}

fn customer(next: &mut StepCollector) {
    let facts = next.from.facts;
    let mut user_action = |text, change: fn(&mut ModelState)| {
        next.limited(|budget| &mut budget.user_actions, Step::of(text), change);
    };
    match facts.blocked {
        false => user_action("the customer texts STOP", |model| model.facts.blocked = true),
        true => user_action("the customer texts START", |model| {
            model.facts.blocked = false;
            let stopped = model.facts.answered || model.facts.overtaken;
            model.workers.iter_mut().for_each(|worker| worker.stopped &= stopped);
        }),
    }
    if !facts.answered {
        user_action("the customer answers", |model| model.facts.answered = true);
    }
    if !facts.overtaken {
        user_action("a later request takes the reservation", |model| model.facts.overtaken = true);
    }
}

/// Pause, resume and cancel.
fn users(next: &mut StepCollector) {
    let scenario = next.scenario;
    let (row, facts) = (next.from.row, next.from.facts);
    if !row.paused {
        next.limited(
            |budget| &mut budget.user_actions,
            Step::of("a user pauses it"),
            |model| model.pause(scenario),
        );
    } else {
        let blocked = row.state == State::Waiting && (facts.blocked || facts.overtaken || facts.expired);
        next.limited(
            |budget| &mut budget.user_actions,
            Step::of("a user resumes it"),
            |model| match (blocked, facts.expired) {
                (false, _) => model.resume(),
                (true, true) => model.decide(expired_end(i16::from(row.attempt), row.may_have_been_sent).0),
                (true, false) => model.decide(suppressed_end(row.may_have_been_sent, Reason::Overtaken).0),
            },
        );
    }
    let cancelable = transition(row.state, Signal::Cancel) != row.state
        && (!row.may_have_been_sent || scenario.has(Mutant::CancelIgnoresReached));
    if cancelable && next.from.pending_end.is_none() {
        let step = Step::of("a user cancels it");
        next.limited(|budget| &mut budget.user_actions, step, |model| model.decide(Signal::Cancel));
    }
}
