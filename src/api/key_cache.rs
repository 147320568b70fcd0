//! Who holds which key: looked up by prefix, remembered for a moment.
//!
//! A busy key costs one look-up in `FRESH_FOR`, so a revoked one ends within that. What cannot be a key
//! is never looked for, and look-ups wait for one another: guessing cannot crowd out the ledger, nor those
//! who were known before, who wait apart.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::api::{
    Problem, Scope, key,
    rate_limit::{Bucket, RateLimit},
};
use postrider_domain::ids::CompanyId;
use postrider_ledger::{Ledger, api_keys::StoredApiKey};

/// How long a look-up holds, a revocation included.
const FRESH_FOR: Duration = Duration::from_secs(2);
const KNOWN_MAX: usize = 10_000;
const LOOK_UPS_AT_ONCE: usize = 2;

/// A key that was looked up, with its bucket.
#[derive(Debug)]
pub(super) struct ApiKey {
    pub id: Uuid,
    pub company: CompanyId,
    pub slug: Arc<str>,
    pub name: Arc<str>,
    pub live: bool,
    pub scopes: Vec<Scope>,
    hash: Vec<u8>,
    revoked: bool,
    pub bucket: Arc<Bucket>,
}

struct CachedKey {
    /// `None`: there is no such key.
    key: Option<Arc<ApiKey>>,
    read_at: Instant,
}

/// All keys that were used lately.
pub(super) struct KeyCache {
    ledger: Ledger,
    rate_limit: RateLimit,
    known: Mutex<HashMap<String, CachedKey>>,
    /// Of prefixes that were somebody's.
    known_look_ups: Semaphore,
    /// Of all others.
    unknown_look_ups: Semaphore,
}

impl KeyCache {
    pub fn new(ledger: Ledger, rate_limit: RateLimit) -> KeyCache {
        let [known_look_ups, unknown_look_ups] = [(); 2].map(|()| Semaphore::new(LOOK_UPS_AT_ONCE));
        KeyCache { ledger, rate_limit, known: Mutex::default(), known_look_ups, unknown_look_ups }
    }

    /// The holder of a key.
    pub async fn authenticate(&self, text: Option<&str>) -> Result<Arc<ApiKey>, Problem> {
        let Some(text) = text else {
            return Err(Problem::unauthorized("send the key of your company in the header x-api-key"));
        };
        let unknown = || Problem::unauthorized("this key is not known; check the header x-api-key");
        let prefix = key::prefix(text).ok_or_else(unknown)?;
        let found = match self.cached(prefix) {
            Some(found) => found,
            None => self.look_up(prefix, text).await?,
        };
        let key = found.filter(|key| key::matches(text, &key.hash)).ok_or_else(unknown)?;
        match key.revoked {
            true => Err(Problem::unauthorized("this key was revoked; use another one")),
            false => Ok(key),
        }
    }

    fn cached(&self, prefix: &str) -> Option<Option<Arc<ApiKey>>> {
        let known = self.known.lock().expect("nobody panics here");
        let known =
            known.get(prefix).filter(|known| postrider_clock::monotonic() - known.read_at < FRESH_FOR)?;
        Some(known.key.clone())
    }

    async fn look_up(&self, prefix: &str, text: &str) -> Result<Option<Arc<ApiKey>>, Problem> {
        let turns = if self.is_known_key(prefix) { &self.known_look_ups } else { &self.unknown_look_ups };
        let _turn = turns.acquire().await.expect("never closed");
        // Whoever had the turn before may have brought the answer.
        if let Some(found) = self.cached(prefix) {
            return Ok(found);
        }
        let found = self.ledger.api_key(prefix).await?;
        if let Some(found) = &found
            && !found.recorded
            && !found.revoked
            && key::matches(text, &found.hash)
            && let Err(error) = self.ledger.record_key_use(found.id).await
        {
            // A database that takes no writes can still be read.
            tracing::warn!(%error, key = %found.id, "the use of a key was not noted");
        }
        Ok(self.store(prefix, found))
    }

    fn is_known_key(&self, prefix: &str) -> bool {
        let known = self.known.lock().expect("nobody panics here");
        known.get(prefix).is_some_and(|known| known.key.is_some())
    }

    fn store(&self, prefix: &str, found: Option<StoredApiKey>) -> Option<Arc<ApiKey>> {
        let mut known = self.known.lock().expect("nobody panics here");
        let read_at = postrider_clock::monotonic();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, known| known.key.is_some() && read_at - known.read_at < FRESH_FOR);
        }
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        let former = known.get(prefix).and_then(|known| known.key.clone());
        let key = found.map(|found| {
            let bucket = former.map(|former| Arc::clone(&former.bucket));
            let bucket = bucket.unwrap_or_else(|| Arc::new(Bucket::new(self.rate_limit)));
            Arc::new(ApiKey::of(found, bucket))
        });
        known.insert(prefix.to_owned(), CachedKey { key: key.clone(), read_at });
        key
    }
}

impl ApiKey {
    fn of(found: StoredApiKey, bucket: Arc<Bucket>) -> ApiKey {
        let listed = |scope: &Scope| found.scopes.iter().any(|word| word == scope.as_str());
        ApiKey {
            id: found.id,
            company: found.company,
            scopes: Scope::ALL.into_iter().filter(listed).collect(),
            slug: found.slug.into(),
            name: found.name.into(),
            live: found.live,
            hash: found.hash,
            revoked: found.revoked,
            bucket,
        }
    }
}
