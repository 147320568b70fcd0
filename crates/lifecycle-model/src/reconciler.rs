//! The reconcilers that look up unknown attempts at the provider, from `src/dispatch/reconcile.rs`.
//!
//! The result of a lookup is planned by the product (`lifecycle::status_poll`). Any step, another lookup included, may come
//! between a lookup and the writing of its result; an interrupted lookup writes nothing. Next: `search`.

use std::time::Duration;

use super::{
    model_state::{CallState, Conclusion, Due, ModelState, RECONCILERS, Reconciler},
    scenario::{ProviderIndex, Scenario},
    step::{Step, StepCollector, StepKind},
};
use postrider_domain::lifecycle::{
    Signal, State,
    status_poll::{NextPoll, ProbeResult},
    transition,
};

pub fn steps(next: &mut StepCollector) {
    let idle = |reconciler: &Reconciler| *reconciler == Reconciler::Idle;
    for index in 0..RECONCILERS {
        if !idle(&next.from.reconcilers[index]) {
            write_result(next, index);
        }
    }
    // One idle reconciler is as good as the other.
    if let Some(index) = next.from.reconcilers.iter().position(idle) {
        take_due_lookup(next, index);
    }
}

fn write_result(next: &mut StepCollector, index: usize) {
    let reconciler = next.from.reconcilers[index];
    next.must(Step::of("a reconciler writes the result of its lookup"), |model| {
        model.reconcilers[index] = Reconciler::Idle;
        match reconciler {
            Reconciler::Idle => {}
            Reconciler::Again { at, absent } => model.look_again(at, absent),
            Reconciler::End { epoch } => model.conclude(window_ended(epoch)),
            Reconciler::Resend { epoch } => model.resend(epoch),
        }
    });
}

fn take_due_lookup(next: &mut StepCollector, index: usize) {
    let Some(Due::Look { at, absent }) = next.from.due else { return };
    if next.from.row.state != State::Unknown {
        next.must(Step::of("a reconciler finds the message in another state"), ModelState::drop_due);
        return;
    }
    let lookup = Lookup { index, at, absent };
    // A claimed lookup is postponed for other reconcilers; only a slow one is overtaken by another.
    let alone = next.from.reconcilers.iter().all(|reconciler| *reconciler == Reconciler::Idle);
    lookup.steps(next, !alone);
    let last = next.scenario.poll_times.last().as_secs() as u8;
    if alone && at < last {
        Lookup { at: last, ..lookup }.steps(next, true);
    }
}

/// A lookup by the reconciler `index`, `at` seconds after the begin, after `absent` empty ones.
#[derive(Debug, Clone, Copy)]
struct Lookup {
    index: usize,
    at: u8,
    absent: u8,
}

impl Lookup {
    /// A step for each answer of the provider; `late`: the step counts as a delay.
    fn steps(self, next: &mut StepCollector, late: bool) {
        let scenario = next.scenario;
        for answer in answers(next.from, self.at, scenario) {
            let kind = if answer.proof.is_some() { StepKind::Proof } else { StepKind::Other };
            let step = Step::of(answer.text).about(next.from.row.attempt).kind(kind);
            let take = |model: &mut ModelState| self.take(model, &answer, scenario);
            if late {
                next.limited(|budget| &mut budget.delays, step, take);
            } else {
                next.must(step, take);
            }
        }
    }

    /// Writes a proof at once, as one step: a receipt may bring the same proof at any time.
    fn take(self, model: &mut ModelState, answer: &ProviderAnswer, scenario: &Scenario) {
        let row = model.row;
        // `looks.sql` postpones the lookup.
        model.due = Some(Due::Look { at: self.at, absent: self.absent });
        if let Some(signal) = answer.proof {
            model.receive(row.attempt, signal, scenario);
            return;
        }
        // `dispatch::reconcile::may_resend`
        let may_resend = scenario.resend_if_absent && !row.resent && !model.facts.expired;
        let plan =
            scenario.poll_times.after(since(self.at), i16::from(self.absent), answer.probe, may_resend);
        model.reconcilers[self.index] = planned(plan, row.epoch);
    }
}

fn since(secs: u8) -> Duration {
    Duration::from_secs(u64::from(secs))
}

/// `reconcile::plan`
fn planned(plan: NextPoll, epoch: u8) -> Reconciler {
    match plan {
        NextPoll::Again { since_begin, absent } => {
            Reconciler::Again { at: since_begin.as_secs() as u8, absent: absent as u8 }
        }
        NextPoll::End => Reconciler::End { epoch },
        NextPoll::Resend => Reconciler::Resend { epoch },
    }
}

fn window_ended(epoch: u8) -> Conclusion {
    let previous_state = State::Unknown;
    Conclusion { epoch, previous_state, next: transition(previous_state, Signal::WindowEnded) }
}

/// A possible answer of the provider about an attempt.
struct ProviderAnswer {
    text: &'static str,
    proof: Option<Signal>,
    probe: ProbeResult,
}

fn answers(model: &ModelState, secs: u8, scenario: &Scenario) -> Vec<ProviderAnswer> {
    let without_proof = |probe, text| ProviderAnswer { text, proof: None, probe };
    let with_proof = |signal, text| ProviderAnswer { text, proof: Some(signal), probe: ProbeResult::Unclear };
    if scenario.index == ProviderIndex::Blind {
        return vec![without_proof(ProbeResult::Unsupported, "the provider has no lookup")];
    }
    let times = &scenario.poll_times.0;
    let early = times.len() > 2 && since(secs) < times[times.len() - 2];
    let call = model.calls[usize::from(model.row.attempt - 1)];
    let may_be_absent = match call {
        CallState::Accepted => scenario.index == ProviderIndex::Lagging,
        CallState::InTransit => early || scenario.index == ProviderIndex::Lagging,
        CallState::Unmade | CallState::Gone => true,
    };
    let mut answers = vec![without_proof(ProbeResult::Unclear, "a lookup gives no answer")];
    if call == CallState::Accepted {
        answers.push(with_proof(Signal::Accepted, "a lookup finds it accepted"));
        answers.push(with_proof(Signal::DeliveredReceipt, "a lookup finds it delivered"));
        answers.push(with_proof(Signal::FailedReceipt, "a lookup finds it failed"));
    }
    if may_be_absent {
        answers.push(without_proof(ProbeResult::Absent, "a lookup finds no trace of it"));
    }
    answers
}
