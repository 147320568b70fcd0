//! What there is: one message, those who work on it, its provider, and how much may still go wrong.
//!
//! Time is not in it: a due row may be claimed, an attempt looked for, a receipt come at once or never, and
//! whoever is slow just waits for its next step. `names` keeps the worlds finitely many although claims
//! come and go without end. Next: `ledger`.

use postrider_domain::lifecycle::State;

pub const WORKERS: usize = 2;
pub const LOOKERS: usize = 2;
/// More than the conditions of any search let happen.
pub const ATTEMPTS: usize = 5;

/// Everything that a step may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    pub row: Row,
    pub due: Option<Due>,
    pub workers: [Worker; WORKERS],
    /// The epoch of a dead worker's lease.
    pub orphan: Option<u8>,
    /// A begin that nobody waits for any more; the database may still do it.
    pub stray: Option<Begin>,
    pub lookers: [Looker; LOOKERS],
    /// An end that somebody decided on and has not written yet.
    pub desk: Option<Conclusion>,
    /// What became of each attempt's call.
    pub calls: [Call; ATTEMPTS],
    pub facts: Facts,
    pub left: Left,
}

/// The columns of `message` that anything depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    pub state: State,
    pub epoch: u8,
    pub attempt: u8,
    pub tries: u8,
    pub reached: bool,
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
    /// Kind 3: the time of the look since the begin, and the complete and empty ones among the last two.
    Look { at: u8, absent: u8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    pub epoch: u8,
    pub lapsed: bool,
}

/// What a begin is about, and what its snapshot showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Begin {
    pub epoch: u8,
    pub saw: Facts,
}

/// What was committed beside the message's row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Facts {
    /// Texted STOP.
    pub blocked: bool,
    pub answered: bool,
    /// A later request holds the person now.
    pub overtaken: bool,
    pub expired: bool,
}

/// A claim in somebody's hand: one of two at the same time, in one process or in two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Worker {
    pub phase: Phase,
    /// As it was claimed.
    pub epoch: u8,
    pub attempt: u8,
    pub tries: u8,
    pub lease: Option<Lease>,
    /// The customer had stopped it when its begin was done: no call may follow.
    pub warned: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    #[default]
    Idle,
    Claimed,
    /// The begin takes its time in the database.
    Beginning(Facts),
    /// The begin's answer was lost; then: its release is done.
    TakingBack {
        released: bool,
    },
    /// Not begun; then: what stood in the way was read.
    Fenced,
    Judged(Verdict),
    /// Begun; `checked`: nobody has stopped it meanwhile, as far as anybody need know.
    Begun {
        checked: bool,
    },
    /// The lease outlives the call; the next thing is the call.
    Cleared,
    Calling,
    /// The call's outcome is in hand.
    Told(Outcome),
    /// Written down; the lease is still to be dropped.
    Settled,
}

/// `FenceVerdict`, as far as a step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    NotOurs,
    End(State),
    Again,
}

/// An outcome, as far as its settlement depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    Accepted,
    NotCalled,
    Refused { gave_up: bool },
    RefusedForGood,
    Unanswered,
}

/// A conclusion on its way to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conclusion {
    pub epoch: u8,
    pub was: State,
    pub next: State,
}

/// Somebody who looked for an unknown attempt in vain, and what is to be written for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Looker {
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

/// An attempt's call, as the provider knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    #[default]
    Unmade,
    /// Its bytes left and have not arrived.
    UnderWay,
    Accepted,
    /// Refused, or lost on its way.
    Gone,
}

/// How much may still happen that need not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Left {
    /// Of all together.
    pub all: u8,
    pub crashes: u8,
    /// A worker stops for longer than its lease, by its machine or by its database.
    pub naps: u8,
    /// Slow or lost begins, late guards, trouble of the lane, settlements written twice, late looks.
    pub hitches: u8,
    /// What customers and people want: STOP, START, answers, pauses, cancels; overtakers too.
    pub wishes: u8,
}

impl World {
    /// A message just accepted: handed over to a worker, or waiting.
    pub fn accepted(handed_over: bool, left: Left) -> World {
        let row = Row {
            state: State::Waiting,
            epoch: 1,
            attempt: 0,
            tries: 0,
            reached: false,
            resent: false,
            paused: false,
            settled: false,
        };
        let mut world = World {
            row,
            due: None,
            workers: [Worker::default(); WORKERS],
            orphan: None,
            stray: None,
            lookers: [Looker::default(); LOOKERS],
            desk: None,
            calls: [Call::default(); ATTEMPTS],
            facts: Facts::default(),
            left,
        };
        if handed_over {
            world.workers[0] = Worker::claim(&row);
        } else {
            world.due = Some(Due::Send);
        }
        world
    }

    /// The provider's acceptances: what the customer feels.
    pub fn acceptances(&self) -> usize {
        self.calls.iter().filter(|call| **call == Call::Accepted).count()
    }

    /// Calls that may still reach the provider.
    pub fn live_calls(&self) -> usize {
        let leaving = self.workers.iter().filter(|worker| worker.phase == Phase::Cleared).count();
        leaving + self.calls.iter().filter(|call| **call == Call::UnderWay).count()
    }

    /// The epochs of all leases.
    pub fn leases(&self) -> impl Iterator<Item = u8> {
        self.workers.iter().filter_map(|worker| Some(worker.lease?.epoch)).chain(self.orphan)
    }

    /// The lease under which a worker claimed that epoch runs from now on.
    pub fn renew_lease(&mut self, epoch: u8) {
        let leases = self.workers.iter_mut().filter_map(|worker| worker.lease.as_mut());
        leases.filter(|lease| lease.epoch == epoch).for_each(|lease| lease.lapsed = false);
    }
}

impl Worker {
    /// A claim of the message as it stands, with its lease.
    pub fn claim(row: &Row) -> Worker {
        Worker {
            phase: Phase::Claimed,
            epoch: row.epoch,
            attempt: row.attempt,
            tries: row.tries,
            lease: Some(Lease { epoch: row.epoch, lapsed: false }),
            warned: false,
        }
    }

    /// The attempt that it may make.
    pub fn next_attempt(&self) -> u8 {
        self.attempt + 1
    }
}
