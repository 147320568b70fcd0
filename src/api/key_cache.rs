//! A short-lived cache of API keys by prefix, with the rate limit bucket of each.
//!
//! A busy key costs one look-up in `FRESH_FOR`, so a revocation takes effect within that time. A malformed key causes
//! no look-up. Look-ups of known prefixes and of unknown ones wait in separate queues of `LOOK_UP_CONCURRENCY`: a
//! client that guesses keys cannot delay the callers that have one.

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

/// Age up to which a look-up is used again.
const FRESH_FOR: Duration = Duration::from_secs(2);
/// Prefixes kept, unknown ones included.
const CACHED_MAX: usize = 10_000;
/// Concurrent look-ups of each queue.
const LOOK_UP_CONCURRENCY: usize = 2;

/// A stored key with its rate limit bucket.
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
    /// `None` if the ledger has no key with this prefix.
    key: Option<Arc<ApiKey>>,
    read_at: Instant,
}

/// The keys that were used lately.
pub(super) struct KeyCache {
    ledger: Ledger,
    rate_limit: RateLimit,
    known: Mutex<HashMap<String, CachedKey>>,
    /// Queue of prefixes that belonged to a key at the last look-up.
    known_look_ups: Semaphore,
    /// Queue of all other prefixes.
    unknown_look_ups: Semaphore,
}

impl KeyCache {
    /// An empty cache; `rate_limit` is the limit of every key.
    pub fn new(ledger: Ledger, rate_limit: RateLimit) -> KeyCache {
        let [known_look_ups, unknown_look_ups] = [(); 2].map(|()| Semaphore::new(LOOK_UP_CONCURRENCY));
        KeyCache { ledger, rate_limit, known: Mutex::default(), known_look_ups, unknown_look_ups }
    }

    /// The stored key of a header value.
    ///
    /// # Errors
    /// 401 without a header, for an unknown or a revoked key; 503 if the ledger cannot be read.
    pub async fn authenticate(&self, text: Option<&str>) -> Result<Arc<ApiKey>, Problem> {
        let Some(text) = text else {
            return Err(Problem::unauthorized("send an API key of your company in the header x-api-key"));
        };
        let unknown = || Problem::unauthorized("this API key is unknown; check the header x-api-key");
        let prefix = key::prefix(text).ok_or_else(unknown)?;
        let found = match self.cached(prefix) {
            Some(found) => found,
            None => self.look_up(prefix, text).await?,
        };
        let key = found.filter(|key| key::matches(text, &key.hash)).ok_or_else(unknown)?;
        match key.revoked {
            true => Err(Problem::unauthorized("this API key was revoked; use another one")),
            false => Ok(key),
        }
    }

    fn cached(&self, prefix: &str) -> Option<Option<Arc<ApiKey>>> {
        let known = self.known.lock().expect("no panic while locked");
        let known =
            known.get(prefix).filter(|known| postrider_clock::monotonic() - known.read_at < FRESH_FOR)?;
        Some(known.key.clone())
    }

    async fn look_up(&self, prefix: &str, text: &str) -> Result<Option<Arc<ApiKey>>, Problem> {
        let queue = if self.is_known_key(prefix) { &self.known_look_ups } else { &self.unknown_look_ups };
        let _permit = queue.acquire().await.expect("never closed");
        // A call that waited in the same queue may have looked the prefix up meanwhile.
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
            // The key is valid even while the database accepts no writes.
            tracing::warn!(%error, key = %found.id, "API key use not recorded; the call goes on");
        }
        Ok(self.store(prefix, found))
    }

    fn is_known_key(&self, prefix: &str) -> bool {
        let known = self.known.lock().expect("no panic while locked");
        known.get(prefix).is_some_and(|known| known.key.is_some())
    }

    fn store(&self, prefix: &str, found: Option<StoredApiKey>) -> Option<Arc<ApiKey>> {
        let mut known = self.known.lock().expect("no panic while locked");
        let read_at = postrider_clock::monotonic();
        if known.len() >= CACHED_MAX {
            known.retain(|_, known| known.key.is_some() && read_at - known.read_at < FRESH_FOR);
        }
        if known.len() >= CACHED_MAX {
            known.clear();
        }
        let previous = known.get(prefix).and_then(|known| known.key.clone());
        let key = found.map(|found| {
            let bucket = previous.map(|previous| Arc::clone(&previous.bucket));
            let bucket = bucket.unwrap_or_else(|| Arc::new(Bucket::new(self.rate_limit)));
            Arc::new(ApiKey::new(found, bucket))
        });
        known.insert(prefix.to_owned(), CachedKey { key: key.clone(), read_at });
        key
    }
}

impl ApiKey {
    fn new(found: StoredApiKey, bucket: Arc<Bucket>) -> ApiKey {
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
