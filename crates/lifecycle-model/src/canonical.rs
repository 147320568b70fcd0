//! Equal worlds by equal names: what no step can tell apart any more is made the same.
//!
//! Without it the search would never end, because epochs rise for ever. They are only compared for equality
//! with the row's, and a row's never comes back: the row's is called 1, everybody's else 1 or 0. What is
//! forgotten beyond that only saves time: it is what the statements disregard anyhow. One of `claims`
//! searches without forgetting and sees the same; where a planted flaw regards it, it is kept.

use super::{
    model_state::{Call, Due, Facts, Left, Looker, Outcome, Phase, Worker, World},
    scenario::{Conditions, Flaw},
};
use postrider_domain::lifecycle::State;

impl World {
    /// Gives whether the workers changed places.
    pub fn settle_names(&mut self, conditions: &Conditions) -> bool {
        self.name_epochs();
        if conditions.forgets {
            self.forget_the_past(conditions);
            self.forget_absences(conditions);
            if !matches!(self.row.state, State::Waiting | State::Sending | State::Unknown) {
                self.forget_the_future();
            }
            let Left { crashes, naps, hitches, wishes, .. } = self.left;
            self.left.all = self.left.all.min(crashes + naps + hitches + wishes);
        }
        self.lookers.sort_unstable();
        let swapped = self.workers[0] > self.workers[1];
        self.workers.sort_unstable();
        swapped
    }

    fn name_epochs(&mut self) {
        let current = self.row.epoch;
        let name = |epoch: &mut u8| *epoch = u8::from(*epoch == current);
        name(&mut self.row.epoch);
        self.orphan.iter_mut().for_each(name);
        self.stray.iter_mut().for_each(|stray| name(&mut stray.epoch));
        self.desk.iter_mut().for_each(|desk| name(&mut desk.epoch));
        for looker in &mut self.lookers {
            if let Looker::End { epoch } | Looker::Resend { epoch } = looker {
                name(epoch);
            }
        }
        for worker in &mut self.workers {
            name(&mut worker.epoch);
            worker.lease.iter_mut().for_each(|lease| name(&mut lease.epoch));
        }
    }

    /// What only an epoch that is over gave a right to.
    fn forget_the_past(&mut self, conditions: &Conditions) {
        self.orphan = self.orphan.filter(|epoch| *epoch == 1);
        self.stray = self.stray.filter(|stray| stray.epoch == 1);
        self.desk = self.desk.filter(|desk| desk.epoch == 1);
        for looker in &mut self.lookers {
            if matches!(looker, Looker::End { epoch: 0 } | Looker::Resend { epoch: 0 }) {
                *looker = Looker::Idle;
            }
        }
        for worker in &mut self.workers {
            if worker.epoch == 0 && worker.says_nothing_new(conditions) {
                *worker = Worker::default();
            }
        }
        for (attempt, call) in (1..=self.row.attempt).zip(&mut self.calls) {
            let may_make_it =
                |worker: &Worker| worker.phase != Phase::Idle && worker.next_attempt() == attempt;
            if *call == Call::Unmade && !self.workers.iter().any(may_make_it) {
                *call = Call::Gone;
            }
        }
        // More tries than the most are as good as the most.
        self.row.tries = self.row.tries.min(conditions.schedule.tries_max as u8);
    }

    /// How often it was absent, where nobody asks.
    fn forget_absences(&mut self, conditions: &Conditions) {
        if conditions.resend_if_absent && !self.row.resent {
            return;
        }
        if let Some(Due::Look { absent, .. }) = &mut self.due {
            *absent = 0;
        }
        for looker in &mut self.lookers {
            if let Looker::Again { absent, .. } = looker {
                *absent = 0;
            }
        }
    }

    /// It never waits again: nothing that begin, settle, looks and people go by matters any more.
    fn forget_the_future(&mut self) {
        let row = &mut self.row;
        (row.tries, row.reached, row.resent, row.paused, row.settled) = (0, true, false, false, true);
        self.lookers = Default::default();
        self.left.wishes = 0;
        let asks = |worker: &Worker| matches!(worker.phase, Phase::Begun { checked: false });
        if !self.workers.iter().any(asks) {
            self.facts = Facts::default();
        }
    }
}

impl Worker {
    /// Under an epoch that is over, all that it may still do changes nothing.
    fn says_nothing_new(&self, conditions: &Conditions) -> bool {
        match self.phase {
            Phase::Idle | Phase::Fenced | Phase::Judged(_) => true,
            Phase::TakingBack { .. } | Phase::Settled => true,
            Phase::Claimed | Phase::Beginning(_) => !conditions.has(Flaw::BeginIgnoresEpoch),
            Phase::Told(outcome) => outcome != Outcome::Accepted && !conditions.has(Flaw::SettleIgnoresEpoch),
            Phase::Begun { .. } | Phase::Cleared | Phase::Calling => false,
        }
    }
}
