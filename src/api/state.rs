//! What every handler may use.
//!
//! `ledger` has the plans of the hot path and is for single rows by key; `reads` is a small pool with free
//! plans for lists and settings. Jobs go through `jobs`, which shares commits; `acceptor` is for previews.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::api::{key_cache::KeyCache, rate_limit::RateLimit};
use crate::{
    company_cache::CompanyCache,
    intake::{Acceptor, http_batcher::JobBatcher},
};
use postrider_domain::hash_keys::SecretKeys;
use postrider_ledger::Ledger;

const BATCHES_AT_ONCE: usize = 16;
const SIMULATIONS_AT_ONCE: usize = 1;

/// The API's state.
pub struct Api {
    pub ledger: Ledger,
    pub reads: Ledger,
    pub company_cache: CompanyCache,
    pub keys: Arc<SecretKeys>,
    /// Decides as intake does and hands nothing over: its lanes are nobody's.
    pub acceptor: Acceptor,
    pub jobs: JobBatcher,
    /// Calls with many jobs at once; each may hold some megabytes.
    pub(super) batches: Semaphore,
    /// Simulations under way; each may keep a connection of `reads` and a thread busy.
    pub(super) simulations: Semaphore,
    pub body_timeout: Duration,
    pub public_base_url: String,
    pub(super) key_cache: KeyCache,
}

/// What the API is made of.
pub struct ApiDeps {
    pub ledger: Ledger,
    pub reads: Ledger,
    pub company_cache: CompanyCache,
    pub keys: Arc<SecretKeys>,
    pub acceptor: Acceptor,
    pub jobs: JobBatcher,
    pub body_timeout: Duration,
    pub public_base_url: String,
    pub rate_limit: RateLimit,
}

impl Api {
    #[must_use]
    pub fn new(parts: ApiDeps) -> Arc<Api> {
        Arc::new(Api {
            key_cache: KeyCache::new(parts.ledger.clone(), parts.rate_limit),
            ledger: parts.ledger,
            reads: parts.reads,
            company_cache: parts.company_cache,
            keys: parts.keys,
            acceptor: parts.acceptor,
            jobs: parts.jobs,
            batches: Semaphore::new(BATCHES_AT_ONCE),
            simulations: Semaphore::new(SIMULATIONS_AT_ONCE),
            body_timeout: parts.body_timeout,
            public_base_url: parts.public_base_url,
        })
    }
}
