//! Dispatch: claim → begin → call → settle, a pipe of small steps between the ledger and the providers.
//!
//! `lane` is the unit of fairness: a bounded queue, a rate, call slots and a breaker per account. Claims
//! come into a lane by hand-over from intake (a permit of its queue in hand; with a call slot in hand they
//! are begun already, `direct`) or from `claimer`. `compose` renders, `begin` writes attempts down in
//! batches, `call` makes them, `settle` writes outcomes down.
//! `sweeper` finds what dead workers left, `suspects` are tried one at a time, `reconcile` asks providers
//! for what they never told. Nothing here holds a connection across a provider call.

pub mod begin;
pub mod breaker;
pub mod call;
pub mod claim;
pub mod claimer;
pub mod compose;
pub mod direct;
pub mod fast_path;
pub mod lane;
pub mod lanes;
pub mod outcome;
pub mod reconcile;
pub mod sandbox;
pub mod settle;
pub mod status_lookup;
pub mod sweep;

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use crate::poison::crash_isolation::IsolationGate;
use postrider_domain::{
    content::Renderer,
    hash_keys::SecretKeys,
    lifecycle::{Schedule, StatusPollPlan},
};
use postrider_ledger::Ledger;
use postrider_providers::TokenKey;

pub use claim::{Claim, LeaseShare};
pub use lane::{Lane, Permit, ReadyCall};
pub use lanes::Lanes;

/// What every step of the pipe shares.
pub struct DispatchContext {
    pub ledger: Ledger,
    /// This worker with its boot nonce.
    pub worker: Uuid,
    pub renderer: Renderer,
    pub keys: Arc<SecretKeys>,
    pub token_key: TokenKey,
    pub public_base_url: String,
    pub schedule: Schedule,
    /// When unknown attempts are looked for.
    pub unknown_poll_plan: StatusPollPlan,
    /// When missing receipts are.
    pub receipt_poll_plan: StatusPollPlan,
    /// How long a lease lasts, from claim and again from begin.
    pub lease: Duration,
    /// A call must have this much of its lease left beyond its own timeout.
    pub call_margin: Duration,
    pub isolation_gate: IsolationGate,
}
