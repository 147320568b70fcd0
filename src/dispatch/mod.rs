//! Dispatch: claim → begin → call → settle, small steps between the ledger and the providers.
//!
//! Claims enter a lane from `fast_path` (new requests), `claimer` (due rows) and `poison` (suspects). The lane's task
//! renders (`compose`), `begin` writes attempts, `call` makes them, `settle` writes outcomes. `sweep` finds the leases
//! of dead workers, `reconcile` asks providers about attempts without an outcome. Nothing here decides whether a
//! customer is asked, imports `intake`, or holds a connection across a provider's call.

pub mod fast_path;

mod capacity;
mod chunk;

pub mod breaker;
pub mod lane;
pub mod lanes;

mod backlog;
mod call_slots;
mod lane_task;
mod trial;

pub mod claim;
pub mod claimer;

pub mod begin;
pub mod call;
pub mod compose;
pub mod outcome;
pub mod sandbox;
pub mod settle;

mod fenced;
mod undo;

pub mod reconcile;
pub mod status_lookup;
pub mod sweep;
pub mod unknowns;

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use crate::crash_isolation::IsolationGate;
use postrider_domain::{
    content::Renderer,
    hash_keys::SecretKeys,
    lifecycle::{RetrySchedule, StatusPollPlan},
};
use postrider_ledger::Ledger;
use postrider_providers::TokenKey;

pub use claim::{Claim, LeaseShare};
pub use lane::{Lane, Permit, ReadyCall};
pub use lanes::Lanes;

/// The clients, keys and plans that all steps share.
pub struct DispatchContext {
    pub ledger: Ledger,
    /// Id of this worker's process, new with each start.
    pub worker: Uuid,
    pub renderer: Renderer,
    pub keys: Arc<SecretKeys>,
    pub token_key: TokenKey,
    /// Without a slash at its end.
    pub public_base_url: String,
    pub schedule: RetrySchedule,
    /// Times of the look-ups of unknown attempts.
    pub unknown_poll_plan: StatusPollPlan,
    /// Times of the look-ups of missing receipts.
    pub receipt_poll_plan: StatusPollPlan,
    /// Length of a lease, from claim and again from begin.
    pub lease: Duration,
    /// Time that a lease must have left at the start of a call, beyond the call's timeout.
    pub call_margin: Duration,
    pub isolation_gate: IsolationGate,
}
