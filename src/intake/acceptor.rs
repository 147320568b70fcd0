//! The acceptor: the connections, keys and settings with which jobs and responses are accepted.
//!
//! `accept`, `preview` and `responses` each add one verb to it; every other step of intake is a function of what it
//! needs.

use std::sync::Arc;

use crate::{company_cache::CompanyCache, crash_isolation::IsolationGate, dispatch::fast_path::FastPath};
use postrider_domain::hash_keys::SecretKeys;
use postrider_ledger::Ledger;

/// Accepts batches of jobs; cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    pub ledger: Ledger,
    pub company_cache: CompanyCache,
    pub keys: Arc<SecretKeys>,
    pub fast_path: FastPath,
    /// `None`: routing keys are trusted until the first broker user is bound.
    pub trust_routing_key: Option<bool>,
    pub isolation_gate: IsolationGate,
}
