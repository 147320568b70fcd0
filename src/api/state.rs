//! The state that all handlers share.
//!
//! `ledger` serves single rows by key, with the prepared plans of the hot path; `reads` is a small pool with custom
//! plans, for lists and settings. Jobs go through `jobs`, which shares commits between calls; `acceptor` is for
//! previews, replays and responses.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::api::{key_cache::KeyCache, rate_limit::RateLimit};
use crate::{
    company_cache::CompanyCache,
    intake::{Acceptor, http_batcher::JobBatcher},
};
use postrider_domain::hash_keys::SecretKeys;
use postrider_ledger::Ledger;

const BATCH_CONCURRENCY: usize = 16;
const SIMULATION_CONCURRENCY: usize = 1;

/// The state of the API.
pub struct ApiState {
    pub ledger: Ledger,
    pub reads: Ledger,
    pub company_cache: CompanyCache,
    pub keys: Arc<SecretKeys>,
    /// The acceptor of intake without lanes: it decides and writes, and dispatches nothing itself.
    pub acceptor: Acceptor,
    pub jobs: JobBatcher,
    /// Limits concurrent batch calls; each holds up to 4 MiB.
    pub(super) batches: Semaphore,
    /// Limits concurrent simulations; each occupies a connection of `reads` and a thread.
    pub(super) simulations: Semaphore,
    /// Longest time in which a request body arrives.
    pub body_timeout: Duration,
    /// Base of the unsubscribe links in previews, without a trailing slash.
    pub public_base_url: String,
    pub(super) key_cache: KeyCache,
}

/// The dependencies of [`ApiState::new`]; the fields are those of [`ApiState`].
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

impl ApiState {
    /// The state with an empty key cache.
    #[must_use]
    pub fn new(deps: ApiDeps) -> Arc<ApiState> {
        Arc::new(ApiState {
            key_cache: KeyCache::new(deps.ledger.clone(), deps.rate_limit),
            ledger: deps.ledger,
            reads: deps.reads,
            company_cache: deps.company_cache,
            keys: deps.keys,
            acceptor: deps.acceptor,
            jobs: deps.jobs,
            batches: Semaphore::new(BATCH_CONCURRENCY),
            simulations: Semaphore::new(SIMULATION_CONCURRENCY),
            body_timeout: deps.body_timeout,
            public_base_url: deps.public_base_url,
        })
    }
}
