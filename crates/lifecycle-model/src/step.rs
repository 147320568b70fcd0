//! One step of the model, and the state after it.
//!
//! Steps that *must* come without further faults are kept apart from steps that *may* come: faults, delays, user
//! actions, receipts. The check that everything ends relies on the former only.

use std::fmt;

use super::{
    model_state::{FaultBudget, ModelState},
    scenario::Scenario,
};

/// The actor and the action, for the trace.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The index of the worker in the state before the step.
    pub worker: Option<usize>,
    pub text: &'static str,
    /// The attempt; 0 where the text is clear without it.
    pub attempt: u8,
    pub kind: StepKind,
}

/// The kind of a step, for `properties`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// A call's bytes leave.
    CallState,
    /// The provider's proof of acceptance reaches the ledger.
    Proof,
    Other,
}

/// A step out of a state, with the state after it.
pub struct Edge {
    pub step: Step,
    pub model: ModelState,
    pub must: bool,
}

/// Collects the steps out of one state.
pub struct StepCollector<'a> {
    pub from: &'a ModelState,
    pub scenario: &'a Scenario,
    pub edges: &'a mut Vec<Edge>,
}

impl Step {
    pub fn of(text: &'static str) -> Step {
        Step { worker: None, text, attempt: 0, kind: StepKind::Other }
    }

    pub fn by(worker: usize, text: &'static str) -> Step {
        Step { worker: Some(worker), ..Step::of(text) }
    }

    pub fn about(self, attempt: u8) -> Step {
        Step { attempt, ..self }
    }

    pub fn kind(self, kind: StepKind) -> Step {
        Step { kind, ..self }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(worker) = self.worker {
            write!(formatter, "worker {} ", ["A", "B"][worker])?;
        }
        formatter.write_str(self.text)?;
        if self.attempt > 0 { write!(formatter, " (attempt {})", self.attempt) } else { Ok(()) }
    }
}

impl StepCollector<'_> {
    /// A step that comes sooner or later, unless another step makes it impossible.
    pub fn must(&mut self, step: Step, change: impl FnOnce(&mut ModelState)) {
        self.take(step, true, change);
    }

    /// A step that may never come.
    pub fn may(&mut self, step: Step, change: impl FnOnce(&mut ModelState)) {
        self.take(step, false, change);
    }

    /// A step that may come as often as the fault budget allows.
    pub fn limited(
        &mut self,
        share: impl Fn(&mut FaultBudget) -> &mut u8,
        step: Step,
        change: impl FnOnce(&mut ModelState),
    ) {
        let mut budget = self.from.budget;
        if budget.all > 0 && *share(&mut budget) > 0 {
            budget.all -= 1;
            *share(&mut budget) -= 1;
            self.take(step, false, |model| {
                model.budget = budget;
                change(model);
            });
        }
    }

    fn take(&mut self, step: Step, must: bool, change: impl FnOnce(&mut ModelState)) {
        let mut model = *self.from;
        change(&mut model);
        self.edges.push(Edge { step, model, must });
    }
}
