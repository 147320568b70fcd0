//! Quiet: what may kill the worker is done side by side, but a suspect is tried alone.
//!
//! Reading a job and making a text are the two places where foreign words can end a process. Whoever does
//! one of them has the quiet together with others; whoever tries a suspect has it alone, from the note that
//! it is tried to the commit that takes the note back, so that a death in between accuses just that one.
//! Held for milliseconds; never across a call to a provider. Users: `intake::suspects`,
//! `dispatch::suspects`.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// One for each process, shared by its stages; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct IsolationGate(Arc<RwLock<()>>);

/// One of many.
pub type SharedGuard = OwnedRwLockReadGuard<()>;
/// The only one.
pub type ExclusiveGuard = OwnedRwLockWriteGuard<()>;

impl IsolationGate {
    pub async fn shared(&self) -> SharedGuard {
        Arc::clone(&self.0).read_owned().await
    }

    /// First come, first served: nobody who waits for it is passed by others for ever.
    pub async fn exclusive(&self) -> ExclusiveGuard {
        Arc::clone(&self.0).write_owned().await
    }
}
