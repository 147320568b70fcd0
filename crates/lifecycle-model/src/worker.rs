//! The steps of a worker with a claim, from `src/dispatch`: claim, lane, begin, call, settle.
//!
//! Between any two statements a worker may crash, stall or be overtaken by any other actor; its lease expires
//! whenever it stalls. One exception: after a passed lease check, a worker that does not stall calls before the
//! lease expires. Next: `environment`.

use chrono::{DateTime, Duration};

use postrider_domain::ids::BlockKind;

use super::{
    model_state::{
        BeginStatement, CallOutcome, CallState, Conclusion, Due, ExternalFacts, FenceDecision, ModelState,
        WORKERS, Worker, WorkerPhase,
    },
    scenario::{Mutant, Scenario},
    step::{Step, StepCollector, StepKind},
};
use postrider_domain::lifecycle::{
    State,
    fence::{FenceFacts, FenceVerdict, fence_verdict},
    transition,
};

pub fn steps(next: &mut StepCollector) {
    let free = next.from.workers.iter().position(|worker| worker.phase == WorkerPhase::Idle);
    let unknown_too = next.scenario.has(Mutant::UnknownIsClaimed);
    let claimable = match next.from.due {
        Some(Due::Send) => true,
        Some(Due::Look { .. }) => unknown_too,
        Some(Due::Check) | None => false,
    };
    let scenario = next.scenario;
    // One idle worker is as good as the other.
    if let (Some(free), true) = (free, claimable) {
        next.must(Step::by(free, "claims it"), |model| model.claim(free, scenario));
    }
    for index in 0..WORKERS {
        let worker = next.from.workers[index];
        if worker.phase == WorkerPhase::Idle {
            continue;
        }
        faults(next, index, &worker);
        if let WorkerPhase::Beginning(seen) = worker.phase {
            next.must(Step::by(index, "has its begin executed"), |model| begin(model, index, seen, scenario));
        }
        regular_step(next, index, &worker);
    }
}

/// A crash or a stall, possible at any time.
fn faults(next: &mut StepCollector, index: usize, worker: &Worker) {
    let begin = match worker.phase {
        WorkerPhase::Beginning(seen) => Some(BeginStatement { epoch: worker.epoch, seen }),
        _ => None,
    };
    next.limited(
        |budget| &mut budget.crashes,
        Step::by(index, "crashes"),
        |model| {
            let epochs = model.workers[index].lease.map(|lease| lease.epoch);
            model.orphaned_lease = epochs.filter(|epoch| *epoch == model.row.epoch).or(model.orphaned_lease);
            model.stray_begin = begin.or(model.stray_begin);
            model.workers[index] = Worker::default();
        },
    );
    let runs = worker.lease.is_some_and(|lease| !lease.lapsed);
    if runs && (worker.phase != WorkerPhase::LeaseChecked || next.scenario.stalls_before_call) {
        let step = Step::by(index, "stalls until its lease expires");
        next.limited(
            |budget| &mut budget.stalls,
            step,
            |model| {
                model.workers[index].lease.iter_mut().for_each(|lease| lease.lapsed = true);
            },
        );
    }
}

/// The next regular step of a claim.
fn regular_step(next: &mut StepCollector, index: usize, worker: &Worker) {
    match worker.phase {
        WorkerPhase::Idle | WorkerPhase::Beginning(_) => {}
        WorkerPhase::Claimed => claimed(next, index, worker),
        WorkerPhase::Releasing { .. } | WorkerPhase::Fenced | WorkerPhase::Decided(_) => {
            not_begun(next, index, worker)
        }
        WorkerPhase::Begun { .. } | WorkerPhase::LeaseChecked => begun(next, index, worker),
        WorkerPhase::Calling => calling(next, index, worker),
        WorkerPhase::Answered(outcome) => settle(next, index, worker, outcome),
        WorkerPhase::Settled => {
            next.must(Step::by(index, "drops its lease"), |model| model.workers[index] = Worker::default());
        }
    }
}

fn claimed(next: &mut StepCollector, index: usize, worker: &Worker) {
    let (scenario, seen, epoch) = (next.scenario, next.from.facts, worker.epoch);
    next.must(Step::by(index, "begins it"), |model| begin(model, index, seen, scenario));
    next.limited(
        |budget| &mut budget.delays,
        Step::by(index, "sends a slow begin"),
        |model| model.workers[index].phase = WorkerPhase::Beginning(seen),
    );
    next.limited(
        |budget| &mut budget.delays,
        Step::by(index, "gets no answer to its begin"),
        |model| {
            model.stray_begin = Some(BeginStatement { epoch, seen });
            model.workers[index].phase = WorkerPhase::Releasing { released: false };
        },
    );
    // `lane::return_claims`: the claim waited too long, or its lane closes.
    next.may(Step::by(index, "returns its claim"), |model| {
        model.release(epoch);
        model.workers[index].phase = WorkerPhase::Settled;
    });
}

/// A begin and its answer. A quick begin is one instant; a slow one is checked a second time.
fn begin(model: &mut ModelState, index: usize, seen: ExternalFacts, scenario: &Scenario) {
    let (epoch, attempt) = (model.workers[index].epoch, model.workers[index].next_attempt());
    let quick = model.workers[index].phase == WorkerPhase::Claimed;
    let begun = model.begin(BeginStatement { epoch, seen }, scenario);
    let ExternalFacts { blocked, answered, overtaken, expired } = model.facts;
    let worker = &mut model.workers[index];
    worker.stopped = begun && (blocked || answered || overtaken || (expired && quick));
    worker.phase = match begun {
        false => WorkerPhase::Fenced,
        // `call::start`: the begun attempt is not the claimed one.
        true if model.row.attempt != attempt => WorkerPhase::Answered(CallOutcome::NotCalled),
        true => WorkerPhase::Begun { checked: quick || scenario.has(Mutant::BeginIsNotChecked) },
    };
}

/// `begin::undo_begin` and `begin::resolve`.
fn not_begun(next: &mut StepCollector, index: usize, worker: &Worker) {
    let scenario = next.scenario;
    let (epoch, attempt) = (worker.epoch, worker.next_attempt());
    let reversed = scenario.has(Mutant::SettledBeforeRelease);
    let undo = move |model: &mut ModelState, first: bool| match first != reversed {
        true => model.release(epoch),
        false => model.settle(epoch, attempt, CallOutcome::NotCalled, scenario),
    };
    match worker.phase {
        WorkerPhase::Releasing { released: false } => {
            next.must(Step::by(index, "releases its claim"), |model| {
                undo(model, true);
                model.workers[index].phase = WorkerPhase::Releasing { released: true };
            });
        }
        WorkerPhase::Releasing { released: true } => {
            next.must(Step::by(index, "settles the begin as not called"), |model| {
                undo(model, false);
                model.workers[index].phase = WorkerPhase::Settled;
            });
        }
        WorkerPhase::Fenced => next.must(Step::by(index, "reads the obstacle"), |model| {
            model.workers[index].phase = WorkerPhase::Decided(verdict(model, epoch, scenario));
        }),
        WorkerPhase::Decided(verdict) => next.must(Step::by(index, "acts on the obstacle"), |model| {
            match verdict {
                FenceDecision::NotOurs => {}
                FenceDecision::End(end) => {
                    model.conclude(Conclusion { epoch, previous_state: State::Waiting, next: end })
                }
                FenceDecision::Again => model.release(epoch),
            }
            model.workers[index].phase = WorkerPhase::Settled;
        }),
        _ => unreachable!("the phase is one before the begin"),
    }
}

/// `standing.sql`, decided by the product's own fence.
fn verdict(model: &ModelState, epoch: u8, scenario: &Scenario) -> FenceDecision {
    let (row, facts, now) = (&model.row, &model.facts, DateTime::UNIX_EPOCH);
    let fence = FenceFacts {
        state: row.state,
        epoch_is_ours: row.epoch == epoch,
        paused: row.paused,
        block_bits: if facts.blocked { BlockKind::Stop.bit() } else { 0 },
        answered: facts.answered && !scenario.has(Mutant::StandingIgnoresAnswer),
        superseded: false,
        holds_reservations: !facts.overtaken,
        expires_at: if facts.expired { now } else { now + Duration::hours(1) },
        attempt: i16::from(row.attempt),
        may_have_been_sent: row.may_have_been_sent,
        now,
    };
    match fence_verdict(&fence) {
        FenceVerdict::NotOurs => FenceDecision::NotOurs,
        FenceVerdict::End(signal, _) => FenceDecision::End(transition(State::Waiting, signal)),
        FenceVerdict::Again => FenceDecision::Again,
    }
}

/// From begin to call: the second check of a slow begin, the lease check, the bytes.
fn begun(next: &mut StepCollector, index: usize, worker: &Worker) {
    let in_time = worker.lease.is_some_and(|lease| !lease.lapsed);
    let guarded = !next.scenario.has(Mutant::CallIgnoresLease);
    let to = |phase| move |model: &mut ModelState| model.workers[index].phase = phase;
    let not_called = to(WorkerPhase::Answered(CallOutcome::NotCalled));
    match worker.phase {
        WorkerPhase::Begun { checked: false } => {
            next.must(Step::by(index, "checks whether it was stopped meanwhile"), |model| {
                let stopped = model.facts.blocked || model.facts.answered;
                to(if stopped {
                    WorkerPhase::Answered(CallOutcome::NotCalled)
                } else {
                    WorkerPhase::Begun { checked: true }
                })(model);
            });
        }
        WorkerPhase::Begun { checked: true } if in_time || !guarded => {
            next.must(Step::by(index, "passes its lease check"), to(WorkerPhase::LeaseChecked));
            next.limited(
                |budget| &mut budget.delays,
                Step::by(index, "fails its lease check: too little of the lease is left"),
                not_called,
            );
        }
        WorkerPhase::Begun { checked: true } => {
            next.must(Step::by(index, "fails its lease check: the lease expired"), not_called);
        }
        _ => {
            let attempt = worker.next_attempt();
            let step = Step::by(index, "makes the call").about(attempt).kind(StepKind::CallState);
            next.must(step, |model| {
                model.calls[usize::from(attempt - 1)] = CallState::InTransit;
                model.workers[index].phase = WorkerPhase::Calling;
                model.workers[index].stopped = false;
            });
        }
    }
}

/// The possible answers of a call; an answer may be lost at any time.
fn calling(next: &mut StepCollector, index: usize, worker: &Worker) {
    let gave_up = next.scenario.gives_up(worker.tries);
    let answered =
        |outcome| move |model: &mut ModelState| model.workers[index].phase = WorkerPhase::Answered(outcome);
    match next.from.calls[usize::from(worker.attempt)] {
        CallState::Accepted => {
            next.must(Step::by(index, "gets the answer: accepted"), answered(CallOutcome::Accepted))
        }
        CallState::Gone => {
            next.must(
                Step::by(index, "gets the answer: refused temporarily"),
                answered(CallOutcome::Refused { gave_up }),
            );
            next.must(
                Step::by(index, "gets the answer: refused permanently"),
                answered(CallOutcome::RefusedForGood),
            );
            let step = Step::by(index, "gets the answer: refused, not the message's fault");
            next.limited(|budget| &mut budget.delays, step, answered(CallOutcome::NotCalled));
        }
        CallState::InTransit | CallState::Unmade => {}
    }
    next.may(Step::by(index, "gets no answer"), answered(CallOutcome::Unanswered));
}

fn settle(next: &mut StepCollector, index: usize, worker: &Worker, outcome: CallOutcome) {
    let scenario = next.scenario;
    let (epoch, attempt) = (worker.epoch, worker.next_attempt());
    let kind = if outcome == CallOutcome::Accepted { StepKind::Proof } else { StepKind::Other };
    let step = Step::by(index, "settles its outcome").kind(kind);
    next.must(step, |model| {
        model.settle(epoch, attempt, outcome, scenario);
        model.workers[index].phase = WorkerPhase::Settled;
    });
    let step = Step::by(index, "settles its outcome and will repeat it").kind(kind);
    next.limited(|budget| &mut budget.delays, step, |model| model.settle(epoch, attempt, outcome, scenario));
}
