//! The faults: what is done to processes, servers, providers and webhooks, in an order made of the seed.
//!
//! Each file is one hand that strikes at its own pace, side by side with the others, until every kind had
//! its turns and the load is out. `Tally` counts what was really done.

pub mod process;
pub mod providers;
pub mod servers;
pub mod webhooks;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::dice::Dice;

/// One fault that was done.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Done {
    pub fault: &'static str,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Counts of finished faults, and the fault that is being done just now.
#[derive(Debug, Default)]
pub struct Tally {
    done: Mutex<Vec<Done>>,
    now: Mutex<BTreeSet<&'static str>>,
}

impl Tally {
    /// Counts a fault that is over when `doing` is.
    pub async fn during<T>(&self, fault: &'static str, doing: impl Future<Output = T>) -> T {
        let from = postrider_clock::wall();
        locked(&self.now).insert(fault);
        let result = doing.await;
        locked(&self.now).remove(fault);
        locked(&self.done).push(Done { fault, from, until: postrider_clock::wall() });
        result
    }

    pub fn all(&self) -> Vec<Done> {
        locked(&self.done).clone()
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for done in locked(&self.done).iter() {
            *counts.entry(done.fault).or_default() += 1;
        }
        counts
    }

    pub fn now(&self) -> Vec<&'static str> {
        locked(&self.now).iter().copied().collect()
    }

    /// Of the turns that these kinds owe, the share that was taken.
    pub fn share(&self, kinds: &[&'static str], each: u32) -> f64 {
        let counts = self.counts();
        let taken: u64 =
            kinds.iter().map(|kind| counts.get(kind).copied().unwrap_or(0).min(each.into())).sum();
        if kinds.is_empty() || each == 0 {
            1.0
        } else {
            taken as f64 / (kinds.len() as f64 * f64::from(each))
        }
    }
}

/// The turns of one hand: every kind so often in a random order, and then at random for ever.
pub struct Turns {
    kinds: Vec<&'static str>,
    owed: Vec<&'static str>,
    dice: Dice,
}

impl Turns {
    pub fn new(kinds: &[&'static str], each: u32, mut dice: Dice) -> Turns {
        let mut owed: Vec<_> = (0..each).flat_map(|_| kinds.iter().copied()).collect();
        dice.shuffle(&mut owed);
        Turns { kinds: kinds.to_vec(), owed, dice }
    }

    /// Whether no turn is owed any more.
    pub fn is_free(&self) -> bool {
        self.owed.is_empty()
    }

    pub fn next(&mut self) -> &'static str {
        self.owed.pop().unwrap_or_else(|| *self.dice.pick(&self.kinds))
    }
}

/// Whether this hand shall strike no more.
pub fn is_over(calm: &watch::Receiver<bool>) -> bool {
    *calm.borrow()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
