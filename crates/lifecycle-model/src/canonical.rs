//! Canonical states: states that no further step can tell apart become equal.
//!
//! Without it the search would never end, because epochs only rise. Steps compare an epoch only with the row's
//! epoch, and a row's epoch never repeats: the row's becomes 1, every other one 1 (equal) or 0. Everything else that
//! is dropped here only saves time: the statements ignore it. A test in `checks` searches without dropping and
//! reaches the same ends; facts that a planted mutant reads are kept.

use super::{
    model_state::{
        CallOutcome, CallState, Due, ExternalFacts, FaultBudget, ModelState, Reconciler, Worker, WorkerPhase,
    },
    scenario::{Mutant, Scenario},
};
use postrider_domain::lifecycle::State;

impl ModelState {
    /// Makes the state canonical; returns whether the two workers changed places.
    pub fn canonicalize(&mut self, scenario: &Scenario) -> bool {
        self.canonicalize_epochs();
        if scenario.canonicalizes_fully {
            self.drop_stale_epochs(scenario);
            self.drop_absences(scenario);
            if !matches!(self.row.state, State::Waiting | State::Sending | State::Unknown) {
                self.drop_final_details();
            }
            let FaultBudget { crashes, stalls, delays, user_actions, .. } = self.budget;
            self.budget.all = self.budget.all.min(crashes + stalls + delays + user_actions);
        }
        self.reconcilers.sort_unstable();
        let swapped = self.workers[0] > self.workers[1];
        self.workers.sort_unstable();
        swapped
    }

    fn canonicalize_epochs(&mut self) {
        let current = self.row.epoch;
        let mark = |epoch: &mut u8| *epoch = u8::from(*epoch == current);
        mark(&mut self.row.epoch);
        self.orphaned_lease.iter_mut().for_each(mark);
        self.stray_begin.iter_mut().for_each(|stray_begin| mark(&mut stray_begin.epoch));
        self.pending_end.iter_mut().for_each(|pending_end| mark(&mut pending_end.epoch));
        for reconciler in &mut self.reconcilers {
            if let Reconciler::End { epoch } | Reconciler::Resend { epoch } = reconciler {
                mark(epoch);
            }
        }
        for worker in &mut self.workers {
            mark(&mut worker.epoch);
            worker.lease.iter_mut().for_each(|lease| mark(&mut lease.epoch));
        }
    }

    /// Drops pending work of past epochs.
    fn drop_stale_epochs(&mut self, scenario: &Scenario) {
        self.orphaned_lease = self.orphaned_lease.filter(|epoch| *epoch == 1);
        self.stray_begin = self.stray_begin.filter(|stray_begin| stray_begin.epoch == 1);
        self.pending_end = self.pending_end.filter(|pending_end| pending_end.epoch == 1);
        for reconciler in &mut self.reconcilers {
            if matches!(reconciler, Reconciler::End { epoch: 0 } | Reconciler::Resend { epoch: 0 }) {
                *reconciler = Reconciler::Idle;
            }
        }
        for worker in &mut self.workers {
            if worker.epoch == 0 && worker.is_harmless(scenario) {
                *worker = Worker::default();
            }
        }
        for (attempt, call) in (1..=self.row.attempt).zip(&mut self.calls) {
            let may_call =
                |worker: &Worker| worker.phase != WorkerPhase::Idle && worker.next_attempt() == attempt;
            if *call == CallState::Unmade && !self.workers.iter().any(may_call) {
                *call = CallState::Gone;
            }
        }
        // Above `tries_max` every count has the same effect.
        self.row.tries = self.row.tries.min(scenario.schedule.tries_max as u8);
    }

    /// Drops the count of empty lookups unless a resend depends on it.
    fn drop_absences(&mut self, scenario: &Scenario) {
        if scenario.resend_if_absent && !self.row.resent {
            return;
        }
        if let Some(Due::Look { absent, .. }) = &mut self.due {
            *absent = 0;
        }
        for reconciler in &mut self.reconcilers {
            if let Reconciler::Again { absent, .. } = reconciler {
                *absent = 0;
            }
        }
    }

    /// The message never waits again: drops the facts that begin, settle, lookups and user actions read.
    fn drop_final_details(&mut self) {
        let row = &mut self.row;
        (row.tries, row.may_have_been_sent, row.resent, row.paused, row.settled) =
            (0, true, false, false, true);
        self.reconcilers = Default::default();
        self.budget.user_actions = 0;
        let unchecked = |worker: &Worker| matches!(worker.phase, WorkerPhase::Begun { checked: false });
        if !self.workers.iter().any(unchecked) {
            self.facts = ExternalFacts::default();
        }
    }
}

impl Worker {
    /// Whether a worker of a past epoch can no longer change the row.
    fn is_harmless(&self, scenario: &Scenario) -> bool {
        match self.phase {
            WorkerPhase::Idle | WorkerPhase::Fenced | WorkerPhase::Decided(_) => true,
            WorkerPhase::Releasing { .. } | WorkerPhase::Settled => true,
            WorkerPhase::Claimed | WorkerPhase::Beginning(_) => !scenario.has(Mutant::BeginIgnoresEpoch),
            WorkerPhase::Answered(outcome) => {
                outcome != CallOutcome::Accepted && !scenario.has(Mutant::SettleIgnoresEpoch)
            }
            WorkerPhase::Begun { .. } | WorkerPhase::LeaseChecked | WorkerPhase::Calling => false,
        }
    }
}
