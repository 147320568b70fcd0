//! What a worker does with a claim, from `src/dispatch`: claimer, lane, begin, call, settle.
//!
//! Between any two statements it may die, fall asleep, or be overtaken by anybody; its lease runs out
//! whenever it is slow, but for one place: who found its lease long enough and was not put to sleep calls
//! before it runs out. Next: `others`.

use chrono::{DateTime, Duration};

use postrider_domain::ids::BlockKind;

use super::{
    model_state::{Begin, Call, Conclusion, Due, Facts, Outcome, Phase, Verdict, WORKERS, Worker, World},
    scenario::{Conditions, Flaw},
    step::{Kind, Next, Step},
};
use postrider_domain::lifecycle::{
    State,
    fence::{FenceFacts, FenceVerdict, fence_verdict},
    transition,
};

pub fn steps(next: &mut Next) {
    let free = next.from.workers.iter().position(|worker| worker.phase == Phase::Idle);
    let unknown_too = next.conditions.has(Flaw::UnknownIsClaimed);
    let claimable = match next.from.due {
        Some(Due::Send) => true,
        Some(Due::Look { .. }) => unknown_too,
        Some(Due::Check) | None => false,
    };
    let conditions = next.conditions;
    // One free worker is as good as the other.
    if let (Some(free), true) = (free, claimable) {
        next.must(Step::by(free, "claims it"), |world| world.claim(free, conditions));
    }
    for index in 0..WORKERS {
        let worker = next.from.workers[index];
        if worker.phase == Phase::Idle {
            continue;
        }
        accidents(next, index, &worker);
        if let Phase::Beginning(saw) = worker.phase {
            next.must(Step::by(index, "has its begin done"), |world| begin(world, index, saw, conditions));
        }
        on_its_way(next, index, &worker);
    }
}

/// What may happen to a worker at any time.
fn accidents(next: &mut Next, index: usize, worker: &Worker) {
    let begin = match worker.phase {
        Phase::Beginning(saw) => Some(Begin { epoch: worker.epoch, saw }),
        _ => None,
    };
    next.seldom(
        |left| &mut left.crashes,
        Step::by(index, "dies"),
        |world| {
            let epochs = world.workers[index].lease.map(|lease| lease.epoch);
            world.orphan = epochs.filter(|epoch| *epoch == world.row.epoch).or(world.orphan);
            world.stray = begin.or(world.stray);
            world.workers[index] = Worker::default();
        },
    );
    let runs = worker.lease.is_some_and(|lease| !lease.lapsed);
    if runs && (worker.phase != Phase::Cleared || next.conditions.sleeps_before_call) {
        let step = Step::by(index, "sleeps until its lease runs out");
        next.seldom(
            |left| &mut left.naps,
            step,
            |world| {
                world.workers[index].lease.iter_mut().for_each(|lease| lease.lapsed = true);
            },
        );
    }
}

/// The next step of a claim's way.
fn on_its_way(next: &mut Next, index: usize, worker: &Worker) {
    match worker.phase {
        Phase::Idle | Phase::Beginning(_) => {}
        Phase::Claimed => claimed(next, index, worker),
        Phase::TakingBack { .. } | Phase::Fenced | Phase::Judged(_) => not_begun(next, index, worker),
        Phase::Begun { .. } | Phase::Cleared => begun(next, index, worker),
        Phase::Calling => calling(next, index, worker),
        Phase::Told(outcome) => told(next, index, worker, outcome),
        Phase::Settled => {
            next.must(Step::by(index, "drops its lease"), |world| world.workers[index] = Worker::default());
        }
    }
}

fn claimed(next: &mut Next, index: usize, worker: &Worker) {
    let (conditions, saw, epoch) = (next.conditions, next.from.facts, worker.epoch);
    next.must(Step::by(index, "begins it"), |world| begin(world, index, saw, conditions));
    next.seldom(
        |left| &mut left.hitches,
        Step::by(index, "sends a begin that takes its time"),
        |world| world.workers[index].phase = Phase::Beginning(saw),
    );
    next.seldom(
        |left| &mut left.hitches,
        Step::by(index, "never hears of its begin"),
        |world| {
            world.stray = Some(Begin { epoch, saw });
            world.workers[index].phase = Phase::TakingBack { released: false };
        },
    );
    // `lane::give_back`: it waited too long, or its lane closes.
    next.may(Step::by(index, "gives its claim back"), |world| {
        world.release(epoch);
        world.workers[index].phase = Phase::Settled;
    });
}

/// A begin and its answer. One that was quick is one instant; who was slow must ask once more.
fn begin(world: &mut World, index: usize, saw: Facts, conditions: &Conditions) {
    let (epoch, attempt) = (world.workers[index].epoch, world.workers[index].next_attempt());
    let quick = world.workers[index].phase == Phase::Claimed;
    let begun = world.begin(Begin { epoch, saw }, conditions);
    let Facts { blocked, answered, overtaken, expired } = world.facts;
    let worker = &mut world.workers[index];
    worker.warned = begun && (blocked || answered || overtaken || (expired && quick));
    worker.phase = match begun {
        false => Phase::Fenced,
        // `call::start`: another attempt than the claimed one.
        true if world.row.attempt != attempt => Phase::Told(Outcome::NotCalled),
        true => Phase::Begun { checked: quick || conditions.has(Flaw::BeginIsNotChecked) },
    };
}

/// `begin::take_back` and `begin::resolve`.
fn not_begun(next: &mut Next, index: usize, worker: &Worker) {
    let conditions = next.conditions;
    let (epoch, attempt) = (worker.epoch, worker.next_attempt());
    let too_early = conditions.has(Flaw::TakenBackTooEarly);
    let take_back = move |world: &mut World, first: bool| match first != too_early {
        true => world.release(epoch),
        false => world.settle(epoch, attempt, Outcome::NotCalled, conditions),
    };
    match worker.phase {
        Phase::TakingBack { released: false } => {
            next.must(Step::by(index, "takes its claim back"), |world| {
                take_back(world, true);
                world.workers[index].phase = Phase::TakingBack { released: true };
            });
        }
        Phase::TakingBack { released: true } => {
            next.must(Step::by(index, "takes back what was begun"), |world| {
                take_back(world, false);
                world.workers[index].phase = Phase::Settled;
            });
        }
        Phase::Fenced => next.must(Step::by(index, "reads what stood in the way"), |world| {
            world.workers[index].phase = Phase::Judged(verdict(world, epoch, conditions));
        }),
        Phase::Judged(verdict) => next.must(Step::by(index, "acts on what stood in the way"), |world| {
            match verdict {
                Verdict::NotOurs => {}
                Verdict::End(end) => world.conclude(Conclusion { epoch, was: State::Waiting, next: end }),
                Verdict::Again => world.release(epoch),
            }
            world.workers[index].phase = Phase::Settled;
        }),
        _ => unreachable!("only what was not begun comes here"),
    }
}

/// `standing.sql`, judged by the product's own fence.
fn verdict(world: &World, epoch: u8, conditions: &Conditions) -> Verdict {
    let (row, facts, now) = (&world.row, &world.facts, DateTime::UNIX_EPOCH);
    let standing = FenceFacts {
        state: row.state,
        epoch_is_ours: row.epoch == epoch,
        paused: row.paused,
        block_bits: if facts.blocked { BlockKind::Stop.bit() } else { 0 },
        answered: facts.answered && !conditions.has(Flaw::StandingIgnoresAnswer),
        superseded: false,
        holds_reservations: !facts.overtaken,
        expires_at: if facts.expired { now } else { now + Duration::hours(1) },
        attempt: i16::from(row.attempt),
        may_have_been_sent: row.reached,
        now,
    };
    match fence_verdict(&standing) {
        FenceVerdict::NotOurs => Verdict::NotOurs,
        FenceVerdict::End(signal, _) => Verdict::End(transition(State::Waiting, signal)),
        FenceVerdict::Again => Verdict::Again,
    }
}

/// From begin to the call: the second check of a slow begin, the lease's guard, the bytes.
fn begun(next: &mut Next, index: usize, worker: &Worker) {
    let in_time = worker.lease.is_some_and(|lease| !lease.lapsed);
    let guarded = !next.conditions.has(Flaw::CallIgnoresLease);
    let to = |phase| move |world: &mut World| world.workers[index].phase = phase;
    let not_called = to(Phase::Told(Outcome::NotCalled));
    match worker.phase {
        Phase::Begun { checked: false } => {
            next.must(Step::by(index, "asks whether anybody stopped it meanwhile"), |world| {
                let stopped = world.facts.blocked || world.facts.answered;
                to(if stopped { Phase::Told(Outcome::NotCalled) } else { Phase::Begun { checked: true } })(
                    world,
                );
            });
        }
        Phase::Begun { checked: true } if in_time || !guarded => {
            next.must(Step::by(index, "goes past the guard of its lease"), to(Phase::Cleared));
            next.seldom(
                |left| &mut left.hitches,
                Step::by(index, "is stopped by the guard: too little of its lease is left"),
                not_called,
            );
        }
        Phase::Begun { checked: true } => {
            next.must(Step::by(index, "is stopped by the guard: its lease ran out"), not_called);
        }
        _ => {
            let attempt = worker.next_attempt();
            let step = Step::by(index, "makes the call").about(attempt).kind(Kind::Call);
            next.must(step, |world| {
                world.calls[usize::from(attempt - 1)] = Call::UnderWay;
                world.workers[index].phase = Phase::Calling;
                world.workers[index].warned = false;
            });
        }
    }
}

/// What a call can tell; its answer may be lost at any time.
fn calling(next: &mut Next, index: usize, worker: &Worker) {
    let gave_up = next.conditions.gives_up(worker.tries);
    let hear = |outcome| move |world: &mut World| world.workers[index].phase = Phase::Told(outcome);
    match next.from.calls[usize::from(worker.attempt)] {
        Call::Accepted => next.must(Step::by(index, "hears: accepted"), hear(Outcome::Accepted)),
        Call::Gone => {
            next.must(Step::by(index, "hears: refused for now"), hear(Outcome::Refused { gave_up }));
            next.must(Step::by(index, "hears: refused for good"), hear(Outcome::RefusedForGood));
            let step = Step::by(index, "hears: refused, no fault of the message");
            next.seldom(|left| &mut left.hitches, step, hear(Outcome::NotCalled));
        }
        Call::UnderWay | Call::Unmade => {}
    }
    next.may(Step::by(index, "never hears its answer"), hear(Outcome::Unanswered));
}

fn told(next: &mut Next, index: usize, worker: &Worker, outcome: Outcome) {
    let conditions = next.conditions;
    let (epoch, attempt) = (worker.epoch, worker.next_attempt());
    let kind = if outcome == Outcome::Accepted { Kind::Proof } else { Kind::Other };
    let step = Step::by(index, "writes its outcome down").kind(kind);
    next.must(step, |world| {
        world.settle(epoch, attempt, outcome, conditions);
        world.workers[index].phase = Phase::Settled;
    });
    let step = Step::by(index, "writes its outcome down and will do it again").kind(kind);
    next.seldom(|left| &mut left.hitches, step, |world| world.settle(epoch, attempt, outcome, conditions));
}
