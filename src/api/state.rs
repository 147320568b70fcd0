//! What every handler may use.
//!
//! `ledger` has the plans of the hot path and is for single rows by key; `reads` is a small pool with free
//! plans for lists and settings. Jobs go through `jobs`, which shares commits; `acceptor` is for previews.

use std::{sync::Arc, time::Duration};

use super::{callers::Callers, quota::Share};
use crate::{directory::Directory, intake::Acceptor, ledger::Ledger, message::keys::SecretKeys};

/// The API's state.
pub struct Api {
    pub ledger: Ledger,
    pub reads: Ledger,
    pub directory: Directory,
    pub keys: Arc<SecretKeys>,
    /// Decides as intake does and hands nothing over: its lanes are nobody's.
    pub acceptor: Acceptor,
    pub body_within: Duration,
    pub public_base_url: String,
    pub(super) callers: Callers,
}

/// What the API is made of.
pub struct Parts {
    pub ledger: Ledger,
    pub reads: Ledger,
    pub directory: Directory,
    pub keys: Arc<SecretKeys>,
    pub acceptor: Acceptor,
    pub body_within: Duration,
    pub public_base_url: String,
    pub share: Share,
}

impl Api {
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Api> {
        let Parts { ledger, reads, directory, keys, acceptor, body_within, public_base_url, share } = parts;
        let callers = Callers::new(ledger.clone(), share);
        Arc::new(Api { ledger, reads, directory, keys, acceptor, body_within, public_base_url, callers })
    }
}
