//! The statements of `crates/ledger/src/sql` as they change one message's rows; each is one atomic step.
//!
//! Each function is named after its file and must change with it. Arguments that a statement gets from its caller (a
//! transition map, an end) are arguments here too.

use std::time::Duration;

use super::{
    model_state::{BeginStatement, CallOutcome, Conclusion, Due, ModelState, Worker},
    scenario::{Mutant, ProviderIndex, Scenario},
};
use postrider_domain::lifecycle::{Signal, State, TransitionMap, transition};

impl ModelState {
    /// `claim.sql`: deletes the due row in any case, and claims the message if it waits.
    pub fn claim(&mut self, worker: usize, scenario: &Scenario) {
        self.due = None;
        if scenario.has(Mutant::UnknownIsClaimed) && self.row.state == State::Unknown {
            self.row.state = State::Waiting;
        }
        if self.row.state == State::Waiting && !self.row.paused {
            self.row.epoch += 1;
            self.workers[worker] = Worker::claim(&self.row);
        }
    }

    /// `begin.sql`. The row is read under its lock, blocks and answers by the statement's snapshot; the
    /// reservation must still be held. Returns whether the message was begun.
    pub fn begin(&mut self, begin: BeginStatement, scenario: &Scenario) -> bool {
        let BeginStatement { epoch, seen } = begin;
        let epoch_matches = self.row.epoch == epoch || scenario.has(Mutant::BeginIgnoresEpoch);
        let answered = seen.answered && !scenario.has(Mutant::BeginIgnoresAnswer);
        let row = &mut self.row;
        if !epoch_matches
            || row.state != State::Waiting
            || row.paused
            || seen.expired
            || seen.blocked
            || answered
            || seen.overtaken
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

    /// `settle.sql`, with the maps of `dispatch::outcome` and `dispatch::outcome::not_called`.
    pub fn settle(&mut self, epoch: u8, attempt: u8, outcome: CallOutcome, scenario: &Scenario) {
        let proof = outcome == CallOutcome::Accepted;
        if self.row.epoch != epoch && !proof && !scenario.has(Mutant::SettleIgnoresEpoch) {
            return;
        }
        let (previous_state, row) = (self.row.state, &mut self.row);
        row.state = mapped(TransitionMap::new(signal(outcome)), previous_state);
        if row.attempt == attempt {
            row.tries += u8::from(outcome != CallOutcome::NotCalled && !row.settled);
            row.settled = true;
        }
        row.may_have_been_sent |= matches!(outcome, CallOutcome::Accepted | CallOutcome::Unanswered);
        let row = *row;
        self.remove_due(previous_state);
        if previous_state == State::Sending {
            let due = if row.paused { Due::Check } else { Due::Send };
            let polls = &scenario.poll_times;
            let blind = scenario.index == ProviderIndex::Blind;
            self.insert_due(match row.state {
                State::Waiting => Some(due),
                // `outcome::first_look`
                State::Unknown => Some(lookup_at(if blind { polls.last() } else { polls.first() })),
                _ => None,
            });
        }
    }

    /// `sweep.sql`, for one expired lease.
    pub fn sweep(&mut self, epoch: u8, scenario: &Scenario) {
        let row = &mut self.row;
        if row.epoch != epoch {
            return;
        }
        let due = if row.paused { Due::Check } else { Due::Send };
        match row.state {
            State::Waiting => {
                row.epoch += 1;
                self.insert_due(Some(due));
            }
            State::Sending => {
                row.epoch += 1;
                row.state = transition(row.state, Signal::Unanswered);
                (row.settled, row.may_have_been_sent) = (true, true);
                row.tries += 1;
                self.insert_due(Some(lookup_at(scenario.poll_times.first())));
            }
            _ => {}
        }
    }

    /// `release.sql`
    pub fn release(&mut self, epoch: u8) {
        if self.row.epoch == epoch && self.row.state == State::Waiting && !self.row.paused {
            self.row.epoch += 1;
            self.insert_due(Some(Due::Send));
        }
    }

    /// `conclude.sql`
    pub fn conclude(&mut self, end: Conclusion) {
        if self.row.epoch == end.epoch && self.row.state == end.previous_state {
            self.row.state = end.next;
            self.row.epoch += 1;
            self.due = None;
        }
    }

    /// `receive.sql`, for a receipt of any attempt made so far.
    pub fn receive(&mut self, attempt: u8, signal: Signal, scenario: &Scenario) {
        if self.row.attempt < attempt {
            return;
        }
        let previous_state = self.row.state;
        let mut map = TransitionMap::new(signal);
        if scenario.has(Mutant::ReceiptsOverwriteFailed) && signal == Signal::DeliveredReceipt {
            map.0[State::Failed as usize] = State::Delivered as u8;
        }
        self.row.state = mapped(map, previous_state);
        self.row.may_have_been_sent = true;
        self.remove_due(previous_state);
    }

    /// `pause.sql`
    pub fn pause(&mut self, scenario: &Scenario) {
        let row = &mut self.row;
        row.paused = true;
        if row.state == State::Waiting {
            row.epoch += 1;
            self.due = (!scenario.has(Mutant::PauseDropsExpiry)).then_some(Due::Check);
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

    /// The part of settle and receive that deletes the due row of a message with a new state.
    fn remove_due(&mut self, previous_state: State) {
        if matches!(previous_state, State::Waiting | State::Unknown) && self.row.state != previous_state {
            self.due = None;
        }
    }

    /// `insert into due … on conflict do nothing`
    fn insert_due(&mut self, due: Option<Due>) {
        self.due = self.due.or(due);
    }
}

/// The signal of a call's outcome.
fn signal(outcome: CallOutcome) -> Signal {
    match outcome {
        CallOutcome::Accepted => Signal::Accepted,
        CallOutcome::NotCalled | CallOutcome::Refused { gave_up: false } => Signal::Retry,
        CallOutcome::Refused { gave_up: true } => Signal::GaveUp,
        CallOutcome::RefusedForGood => Signal::RefusedForGood,
        CallOutcome::Unanswered => Signal::Unanswered,
    }
}

/// `get_byte(map, state)`
fn mapped(map: TransitionMap, state: State) -> State {
    State::from_code(i16::from(map.0[state as usize])).expect("a map holds states")
}

fn lookup_at(since_begin: Duration) -> Due {
    Due::Look { at: since_begin.as_secs() as u8, absent: 0 }
}
