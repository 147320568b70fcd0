//! The gate around the two steps that can abort the process: parsing a job and rendering a text.
//!
//! Ordinary work holds the gate shared. The trial of a poison suspect holds it exclusively, from the commit of its trial
//! record to the commit that removes the record, so that a crash in between can be attributed to this suspect. Held
//! for milliseconds; never across a call to a provider. `poison` describes trials.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// The gate of one process, shared by its stages; a clone is the same gate.
#[derive(Debug, Clone, Default)]
pub struct IsolationGate(Arc<RwLock<()>>);

/// Held by ordinary work.
pub type SharedGuard = OwnedRwLockReadGuard<()>;
/// Held by the trial of a suspect; no other guard exists meanwhile.
pub type ExclusiveGuard = OwnedRwLockWriteGuard<()>;

impl IsolationGate {
    /// Waits until no trial holds the gate.
    pub async fn shared(&self) -> SharedGuard {
        Arc::clone(&self.0).read_owned().await
    }

    /// Waits until the gate is free. The lock is fair: ordinary work cannot starve a trial.
    pub async fn exclusive(&self) -> ExclusiveGuard {
        Arc::clone(&self.0).write_owned().await
    }
}
