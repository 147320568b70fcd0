//! The statements of `src/ledger/sql` as they change one message's rows; each is one atomic step.
//!
//! Named like their files, and to be read beside them: who changes a statement changes it here. What a
//! statement is given by its caller (a transition map, an end) is given here too.

use std::time::Duration;

use super::{
    model_state::{Begin, Conclusion, Due, Outcome, Worker, World},
    scenario::{Conditions, Flaw, Index},
};
use postrider_domain::lifecycle::{Signal, State, TransitionMap, transition};

impl World {
    /// `claim.sql`: deletes the due row in any case, claims what may be claimed.
    pub fn claim(&mut self, worker: usize, conditions: &Conditions) {
        self.due = None;
        if conditions.has(Flaw::UnknownIsClaimed) && self.row.state == State::Unknown {
            self.row.state = State::Waiting;
        }
        if self.row.state == State::Waiting && !self.row.paused {
            self.row.epoch += 1;
            self.workers[worker] = Worker::claim(&self.row);
        }
    }

    /// `begin.sql`. The row is read under its lock, blocks and answers by the statement's snapshot; a
    /// reservation that can be lost at all must be won. Gives whether it was begun.
    pub fn begin(&mut self, begin: Begin, conditions: &Conditions) -> bool {
        let Begin { epoch, saw } = begin;
        let epoch_is_ours = self.row.epoch == epoch || conditions.has(Flaw::BeginIgnoresEpoch);
        let answered = saw.answered && !conditions.has(Flaw::BeginIgnoresAnswer);
        let row = &mut self.row;
        if !epoch_is_ours
            || row.state != State::Waiting
            || row.paused
            || saw.expired
            || saw.blocked
            || answered
            || saw.overtaken
            || self.facts.overtaken
        {
            return false;
        }
        row.state = transition(row.state, Signal::Begin);
        row.attempt += 1;
        row.settled = false;
        self.renew_lease(epoch);
        true
    }

    /// `settle.sql`, with the maps of `dispatch::outcome` and `dispatch::begin::not_called`.
    pub fn settle(&mut self, epoch: u8, attempt: u8, outcome: Outcome, conditions: &Conditions) {
        let proof = outcome == Outcome::Accepted;
        if self.row.epoch != epoch && !proof && !conditions.has(Flaw::SettleIgnoresEpoch) {
            return;
        }
        let (was, row) = (self.row.state, &mut self.row);
        row.state = mapped(TransitionMap::new(signal(outcome)), was);
        if row.attempt == attempt {
            row.tries += u8::from(outcome != Outcome::NotCalled && !row.settled);
            row.settled = true;
        }
        row.reached |= matches!(outcome, Outcome::Accepted | Outcome::Unanswered);
        let row = *row;
        self.unwatch(was);
        if was == State::Sending {
            let again = if row.paused { Due::Check } else { Due::Send };
            let looks = &conditions.looks;
            let blind = conditions.index == Index::Blind;
            self.wait(match row.state {
                State::Waiting => Some(again),
                // `outcome::first_look`
                State::Unknown => Some(look_at(if blind { looks.last() } else { looks.first() })),
                _ => None,
            });
        }
    }

    /// `sweep.sql`, for one lease that ran out.
    pub fn sweep(&mut self, epoch: u8, conditions: &Conditions) {
        let row = &mut self.row;
        if row.epoch != epoch {
            return;
        }
        let again = if row.paused { Due::Check } else { Due::Send };
        match row.state {
            State::Waiting => {
                row.epoch += 1;
                self.wait(Some(again));
            }
            State::Sending => {
                row.epoch += 1;
                row.state = transition(row.state, Signal::Unanswered);
                (row.settled, row.reached) = (true, true);
                row.tries += 1;
                self.wait(Some(look_at(conditions.looks.first())));
            }
            _ => {}
        }
    }

    /// `release.sql`
    pub fn release(&mut self, epoch: u8) {
        if self.row.epoch == epoch && self.row.state == State::Waiting && !self.row.paused {
            self.row.epoch += 1;
            self.wait(Some(Due::Send));
        }
    }

    /// `conclude.sql`
    pub fn conclude(&mut self, end: Conclusion) {
        if self.row.epoch == end.epoch && self.row.state == end.was {
            self.row.state = end.next;
            self.row.epoch += 1;
            self.due = None;
        }
    }

    /// `receive.sql`, for a receipt of any attempt that was made.
    pub fn receive(&mut self, attempt: u8, signal: Signal, conditions: &Conditions) {
        if self.row.attempt < attempt {
            return;
        }
        let was = self.row.state;
        let mut map = TransitionMap::new(signal);
        if conditions.has(Flaw::ReceiptsOverwriteFailed) && signal == Signal::DeliveredReceipt {
            map.0[State::Failed as usize] = State::Delivered as u8;
        }
        self.row.state = mapped(map, was);
        self.row.reached = true;
        self.unwatch(was);
    }

    /// `pause.sql`
    pub fn pause(&mut self, conditions: &Conditions) {
        let row = &mut self.row;
        row.paused = true;
        if row.state == State::Waiting {
            row.epoch += 1;
            self.due = (!conditions.has(Flaw::PauseForgetsExpiry)).then_some(Due::Check);
        }
    }

    /// `resume.sql`
    pub fn resume(&mut self) {
        self.row.paused = false;
        if self.row.state == State::Waiting {
            self.row.epoch += 1;
            self.due = Some(Due::Send);
        }
    }

    /// `look_again.sql`
    pub fn look_again(&mut self, at: u8, absent: u8) {
        if let Some(Due::Look { .. }) = self.due {
            self.due = Some(Due::Look { at, absent });
        }
    }

    /// `resend.sql`
    pub fn resend(&mut self, epoch: u8) {
        let row = &mut self.row;
        if row.epoch == epoch && row.state == State::Unknown && !row.resent && !self.facts.expired {
            row.state = transition(row.state, Signal::Resend);
            row.epoch += 1;
            row.resent = true;
            self.due = Some(if row.paused { Due::Check } else { Due::Send });
        }
    }

    /// `drop_due.sql`
    pub fn drop_due(&mut self) {
        if !matches!(self.row.state, State::Waiting | State::Unknown) {
            self.due = None;
        }
    }

    /// The part of settle and receive that takes the due row of what moved on.
    fn unwatch(&mut self, was: State) {
        if matches!(was, State::Waiting | State::Unknown) && self.row.state != was {
            self.due = None;
        }
    }

    /// `insert into due … on conflict do nothing`
    fn wait(&mut self, due: Option<Due>) {
        self.due = self.due.or(due);
    }
}

/// What a call's outcome, or its absence, says to the row.
fn signal(outcome: Outcome) -> Signal {
    match outcome {
        Outcome::Accepted => Signal::Accepted,
        Outcome::NotCalled | Outcome::Refused { gave_up: false } => Signal::Retry,
        Outcome::Refused { gave_up: true } => Signal::GaveUp,
        Outcome::RefusedForGood => Signal::RefusedForGood,
        Outcome::Unanswered => Signal::Unanswered,
    }
}

/// `get_byte(map, state)`
fn mapped(map: TransitionMap, state: State) -> State {
    State::from_code(i16::from(map.0[state as usize])).expect("a map holds states")
}

fn look_at(since_begin: Duration) -> Due {
    Due::Look { at: since_begin.as_secs() as u8, absent: 0 }
}
