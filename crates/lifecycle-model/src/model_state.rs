//! The state of the model: one message, its workers and reconcilers, its provider, and the remaining fault budget.
//!
//! Time is not part of it: a due row may be claimed, an attempt looked up or a receipt arrive at once or never, and
//! a slow actor only waits for its next step. `canonical` keeps the number of states finite although claims repeat
//! without end. Next: `statements`.

use postrider_domain::lifecycle::State;

pub const WORKERS: usize = 2;
pub const RECONCILERS: usize = 2;
/// More than any scenario allows.
pub const ATTEMPTS: usize = 5;

/// Everything that a step may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelState {
    pub row: Row,
    pub due: Option<Due>,
    pub workers: [Worker; WORKERS],
    /// The epoch of a crashed worker's lease.
    pub orphaned_lease: Option<u8>,
    /// A begin without a waiting worker; the database may still execute it.
    pub stray_begin: Option<BeginStatement>,
    pub reconcilers: [Reconciler; RECONCILERS],
    /// An end that was decided and is not written yet.
    pub pending_end: Option<Conclusion>,
    /// The call of each attempt.
    pub calls: [CallState; ATTEMPTS],
    pub facts: ExternalFacts,
    pub budget: FaultBudget,
}

/// The columns of `message` that steps depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    pub state: State,
    pub epoch: u8,
    pub attempt: u8,
    pub tries: u8,
    pub may_have_been_sent: bool,
    pub resent: bool,
    pub paused: bool,
    pub settled: bool,
}

/// The row of `due`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Due {
    /// Kind 0.
    Send,
    /// Kind 1.
    Check,
    /// Kind 3: the lookup's time since the begin in seconds, and how many of the last two found nothing.
    Look { at: u8, absent: u8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    pub epoch: u8,
    pub lapsed: bool,
}

/// A `begin.sql` with the facts that its snapshot showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BeginStatement {
    pub epoch: u8,
    pub seen: ExternalFacts,
}

/// Facts that are committed in other tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExternalFacts {
    /// The customer texted STOP.
    pub blocked: bool,
    pub answered: bool,
    /// A later request holds the reservation.
    pub overtaken: bool,
    pub expired: bool,
}

/// A worker with its claim; two exist at the same time, in one process or in two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Worker {
    pub phase: WorkerPhase,
    /// As claimed.
    pub epoch: u8,
    pub attempt: u8,
    pub tries: u8,
    pub lease: Option<Lease>,
    /// The message was stopped when its begin was executed: no call may follow.
    pub stopped: bool,
}

/// The progress of a claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkerPhase {
    #[default]
    Idle,
    Claimed,
    /// The begin waits in the database.
    Beginning(ExternalFacts),
    /// The begin's answer was lost; `released`: the claim is released.
    Releasing {
        released: bool,
    },
    /// Not begun; the obstacle is still to be read.
    Fenced,
    Decided(FenceDecision),
    /// Begun; `checked`: the second check of a slow begin is done or not needed.
    Begun {
        checked: bool,
    },
    /// The lease outlives the call; the next thing is the call.
    LeaseChecked,
    Calling,
    /// The call's outcome is known and not written yet.
    Answered(CallOutcome),
    /// Settled; the lease is still to be dropped.
    Settled,
}

/// The parts of `FenceVerdict` that steps depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FenceDecision {
    NotOurs,
    End(State),
    Again,
}

/// The parts of an outcome that its settlement depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallOutcome {
    Accepted,
    NotCalled,
    Refused { gave_up: bool },
    RefusedForGood,
    Unanswered,
}

/// A conclusion that is not written yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conclusion {
    pub epoch: u8,
    pub previous_state: State,
    pub next: State,
}

/// A reconciler and the result of a lookup without proof that it still has to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reconciler {
    #[default]
    Idle,
    Again {
        at: u8,
        absent: u8,
    },
    End {
        epoch: u8,
    },
    Resend {
        epoch: u8,
    },
}

/// The state of an attempt's call at the provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallState {
    #[default]
    Unmade,
    /// Its bytes are sent and have not arrived.
    InTransit,
    Accepted,
    /// Refused, or lost in transit.
    Gone,
}

/// How many faults and user actions may still happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FaultBudget {
    /// Of all kinds together.
    pub all: u8,
    pub crashes: u8,
    /// A worker stalls for longer than its lease, by its machine or by its database.
    pub stalls: u8,
    /// Slow or lost begins, late guards, lane faults, settlements written twice, late lookups.
    pub delays: u8,
    /// STOP, START, answers, pauses, cancels, and later requests for the same person.
    pub user_actions: u8,
}

impl ModelState {
    /// A message just accepted: leased by a worker, or waiting with a due row.
    pub fn accepted(leased: bool, budget: FaultBudget) -> ModelState {
        let row = Row {
            state: State::Waiting,
            epoch: 1,
            attempt: 0,
            tries: 0,
            may_have_been_sent: false,
            resent: false,
            paused: false,
            settled: false,
        };
        let mut model = ModelState {
            row,
            due: None,
            workers: [Worker::default(); WORKERS],
            orphaned_lease: None,
            stray_begin: None,
            reconcilers: [Reconciler::default(); RECONCILERS],
            pending_end: None,
            calls: [CallState::default(); ATTEMPTS],
            facts: ExternalFacts::default(),
            budget,
        };
        if leased {
            model.workers[0] = Worker::claim(&row);
        } else {
            model.due = Some(Due::Send);
        }
        model
    }

    /// How many calls the provider accepted.
    pub fn acceptances(&self) -> usize {
        self.calls.iter().filter(|call| **call == CallState::Accepted).count()
    }

    /// Calls that may still reach the provider.
    pub fn live_calls(&self) -> usize {
        let leaving = self.workers.iter().filter(|worker| worker.phase == WorkerPhase::LeaseChecked).count();
        leaving + self.calls.iter().filter(|call| **call == CallState::InTransit).count()
    }

    /// The epochs of all leases.
    pub fn leases(&self) -> impl Iterator<Item = u8> {
        self.workers.iter().filter_map(|worker| Some(worker.lease?.epoch)).chain(self.orphaned_lease)
    }

    /// Renews the lease of that epoch.
    pub fn renew_lease(&mut self, epoch: u8) {
        let leases = self.workers.iter_mut().filter_map(|worker| worker.lease.as_mut());
        leases.filter(|lease| lease.epoch == epoch).for_each(|lease| lease.lapsed = false);
    }
}

impl Worker {
    /// A claim of the message in its present state, with a lease.
    pub fn claim(row: &Row) -> Worker {
        Worker {
            phase: WorkerPhase::Claimed,
            epoch: row.epoch,
            attempt: row.attempt,
            tries: row.tries,
            lease: Some(Lease { epoch: row.epoch, lapsed: false }),
            stopped: false,
        }
    }

    /// The attempt that this claim may make.
    pub fn next_attempt(&self) -> u8 {
        self.attempt + 1
    }
}
