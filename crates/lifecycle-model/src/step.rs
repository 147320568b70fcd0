//! One step: who did what, and the world after it.
//!
//! What *must* come if nothing goes wrong any more is kept apart from what *may* come: faults, delays,
//! people's wishes, receipts. Only the former are counted on where it is asked whether everything ends.

use std::fmt;

use super::{
    model_state::{Left, World},
    scenario::Conditions,
};

/// Who did what, for the trace.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// One of the workers, by its place in the world before.
    pub worker: Option<usize>,
    pub words: &'static str,
    /// Which attempt; 0: the words say enough.
    pub attempt: u8,
    pub kind: Kind,
}

/// What properties ask of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A call's bytes leave.
    Call,
    /// Proof of the provider's reaches the ledger.
    Proof,
    Other,
}

pub struct Edge {
    pub step: Step,
    pub world: World,
    pub must: bool,
}

/// The steps out of one world, as they are found.
pub struct Next<'a> {
    pub from: &'a World,
    pub conditions: &'a Conditions,
    pub edges: &'a mut Vec<Edge>,
}

impl Step {
    pub fn of(words: &'static str) -> Step {
        Step { worker: None, words, attempt: 0, kind: Kind::Other }
    }

    pub fn by(worker: usize, words: &'static str) -> Step {
        Step { worker: Some(worker), ..Step::of(words) }
    }

    pub fn about(self, attempt: u8) -> Step {
        Step { attempt, ..self }
    }

    pub fn kind(self, kind: Kind) -> Step {
        Step { kind, ..self }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(worker) = self.worker {
            write!(formatter, "worker {} ", ["A", "B"][worker])?;
        }
        formatter.write_str(self.words)?;
        if self.attempt > 0 { write!(formatter, " (attempt {})", self.attempt) } else { Ok(()) }
    }
}

impl Next<'_> {
    /// A step that comes, sooner or later, unless something else makes it needless.
    pub fn must(&mut self, step: Step, change: impl FnOnce(&mut World)) {
        self.take(step, true, change);
    }

    /// A step that may never come.
    pub fn may(&mut self, step: Step, change: impl FnOnce(&mut World)) {
        self.take(step, false, change);
    }

    /// A step that may come only so many times.
    pub fn seldom(
        &mut self,
        often: impl Fn(&mut Left) -> &mut u8,
        step: Step,
        change: impl FnOnce(&mut World),
    ) {
        let mut left = self.from.left;
        if left.all > 0 && *often(&mut left) > 0 {
            left.all -= 1;
            *often(&mut left) -= 1;
            self.take(step, false, |world| {
                world.left = left;
                change(world);
            });
        }
    }

    fn take(&mut self, step: Step, must: bool, change: impl FnOnce(&mut World)) {
        let mut world = *self.from;
        change(&mut world);
        self.edges.push(Edge { step, world, must });
    }
}
