//! 8x8's public keys, fetched by id and cached, so that no operator has to copy a rotated key.
//!
//! A key id comes with an unverified call, so made-up ids must have no effect: an id cannot change the path of the URL,
//! answers are bounded in size and time, each connector asks a URL one question at a time and a bounded number a
//! minute (so that made-up calls to one connector do not lock out another), and answers are cached for all, "no such
//! key" included. `jws` verifies, `wire` parses answers. Invariant: no id and no answer is logged.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use postrider_domain::company::PublicKey;
use postrider_providers::{HttpClientError, query_client, read_response_body};
use tokio::sync::Mutex as AsyncMutex;

use crate::connectors::eight_by_eight::wire;

/// Lifetime of a key in the cache: a key that 8x8 revokes is trusted for no longer.
const FOUND_TTL: Duration = Duration::from_secs(3_600);
/// Lifetime of a key while 8x8 cannot be asked.
const STALE_TTL: Duration = Duration::from_secs(86_400);
/// Lifetime of "no such key": a key published after its first notification is found at a repeat of it.
const MISSING_TTL: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);
const QUESTIONS_PER_MINUTE: u32 = 10;
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Bound of cached answers, far more than 8x8 has keys. A full cache drops first "no such key", then everything.
const CACHED_MAX: usize = 1_000;
/// Bound of kept quotas; beyond it, those that were unused for a minute are dropped.
const QUOTAS_MAX: usize = 1_000;

/// Finds public keys; a clone shares the cache.
#[derive(Clone)]
pub struct PublicKeys {
    client: reqwest::Client,
    timeout: Duration,
    cache: Arc<Mutex<KeyCache>>,
}

#[derive(Default)]
struct KeyCache {
    answers: HashMap<KeyLocation, CachedKey>,
    /// By URL and connector; locked while its connector asks.
    quotas: HashMap<(String, String), Arc<AsyncMutex<MinuteQuota>>>,
}

/// The URL with `{kid}`, and the key's id.
type KeyLocation = (String, String);

#[derive(Clone)]
struct CachedKey {
    /// `None`: 8x8 has no such key.
    key: Option<PublicKey>,
    fetched_at: Instant,
}

/// Questions of one connector to one URL since `since`.
struct MinuteQuota {
    since: Instant,
    asked: u32,
}

/// The key cannot be fetched now; a later call may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the public key cannot be fetched now")]
pub struct KeyUnavailable;

impl PublicKeys {
    /// `timeout` bounds a question with its answer, and the wait for the connector's question before it.
    ///
    /// # Errors
    /// The system's certificates cannot be loaded.
    pub fn new(timeout: Duration) -> Result<PublicKeys, HttpClientError> {
        Ok(PublicKeys { client: query_client(timeout)?, timeout, cache: Arc::default() })
    }

    /// The key of this id at `keys_url`, in which `{kid}` stands for the id; `None`: 8x8 has none. `connector` is the id
    /// of the connector that received the call.
    ///
    /// # Errors
    /// 8x8 does not answer, or the connector has used up its questions.
    pub async fn find(
        &self,
        keys_url: &str,
        connector: &str,
        kid: &str,
    ) -> Result<Option<PublicKey>, KeyUnavailable> {
        if !wire::is_kid(kid) {
            return Ok(None);
        }
        let location = (keys_url.to_owned(), kid.to_owned());
        if let Some(key) = self.cached(&location) {
            return Ok(key);
        }
        let quota = self.quota(keys_url, connector);
        let Ok(mut quota) = tokio::time::timeout(self.timeout, quota.lock()).await else {
            return self.stale(&location);
        };
        // The question before this one may have fetched the key.
        if let Some(key) = self.cached(&location) {
            return Ok(key);
        }
        if !quota.try_take(postrider_clock::monotonic()) {
            return self.stale(&location);
        }
        match self.fetch(keys_url.replace("{kid}", kid), kid).await {
            Ok(key) => {
                self.store(location, key.clone());
                Ok(key)
            }
            Err(error) => {
                tracing::warn!(
                    error,
                    "fetching a public key of 8x8 failed; notifications are answered 503 until it succeeds, check keys_url"
                );
                self.stale(&location)
            }
        }
    }

    async fn fetch(&self, url: String, kid: &str) -> Result<Option<PublicKey>, String> {
        // Without its URL, which holds the id.
        let answer = self.client.get(url).send().await.map_err(|error| error.without_url().to_string())?;
        match answer.status().as_u16() {
            200 => {}
            400 | 404 | 410 => return Ok(None),
            status => return Err(format!("status {status}")),
        }
        let body = read_response_body(answer, ANSWER_BYTES_MAX).await?;
        wire::public_key(&body, kid).map_err(|_| "the answer is no JWK".to_owned())
    }

    fn cached(&self, location: &KeyLocation) -> Option<Option<PublicKey>> {
        let cache = self.cache();
        let cached = cache.answers.get(location)?;
        let ttl = if cached.key.is_some() { FOUND_TTL } else { MISSING_TTL };
        (postrider_clock::monotonic() - cached.fetched_at < ttl).then(|| cached.key.clone())
    }

    /// A key past `FOUND_TTL`, for the time in which 8x8 cannot be asked.
    fn stale(&self, location: &KeyLocation) -> Result<Option<PublicKey>, KeyUnavailable> {
        let cache = self.cache();
        let now = postrider_clock::monotonic();
        let cached = cache.answers.get(location).filter(|cached| now - cached.fetched_at < STALE_TTL);
        cached.and_then(|cached| cached.key.clone()).map(Some).ok_or(KeyUnavailable)
    }

    fn store(&self, location: KeyLocation, key: Option<PublicKey>) {
        let mut cache = self.cache();
        let fetched_at = postrider_clock::monotonic();
        cache.answers.retain(|_, cached| {
            let ttl = if cached.key.is_some() { STALE_TTL } else { MISSING_TTL };
            fetched_at - cached.fetched_at < ttl
        });
        if cache.answers.len() >= CACHED_MAX {
            // Made-up ids cannot displace keys that exist.
            cache.answers.retain(|_, cached| cached.key.is_some());
        }
        if cache.answers.len() >= CACHED_MAX {
            cache.answers.clear();
        }
        cache.answers.insert(location, CachedKey { key, fetched_at });
    }

    fn quota(&self, keys_url: &str, connector: &str) -> Arc<AsyncMutex<MinuteQuota>> {
        let mut cache = self.cache();
        let now = postrider_clock::monotonic();
        if cache.quotas.len() >= QUOTAS_MAX {
            // A quota in use stays.
            cache.quotas.retain(|_, quota| {
                Arc::strong_count(quota) > 1 || quota.try_lock().is_ok_and(|quota| now - quota.since < MINUTE)
            });
        }
        let quota = cache.quotas.entry((keys_url.to_owned(), connector.to_owned()));
        Arc::clone(quota.or_insert_with(|| Arc::new(AsyncMutex::new(MinuteQuota { since: now, asked: 0 }))))
    }

    fn cache(&self) -> MutexGuard<'_, KeyCache> {
        self.cache.lock().expect("no code panics while it holds the lock")
    }
}

impl MinuteQuota {
    /// Takes one question of the current minute, if one is left.
    fn try_take(&mut self, now: Instant) -> bool {
        if now - self.since >= MINUTE {
            *self = MinuteQuota { since: now, asked: 0 };
        }
        let left = self.asked < QUESTIONS_PER_MINUTE;
        self.asked += u32::from(left);
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_allows_ten_questions_a_minute() {
        let start = postrider_clock::monotonic();
        let mut quota = MinuteQuota { since: start, asked: 0 };
        let granted = (0..100).filter(|_| quota.try_take(start + Duration::from_secs(59))).count();
        assert_eq!(granted, 10);
        assert!(quota.try_take(start + MINUTE));
    }

    #[tokio::test]
    async fn a_connector_without_questions_left_does_not_limit_another() {
        let keys = PublicKeys::new(Duration::from_secs(1)).expect("set up");
        let keys_url = "https://keys.example.com/{kid}";
        let spent = keys.quota(keys_url, "attacked");
        while spent.lock().await.try_take(postrider_clock::monotonic()) {}
        let again = keys.quota(keys_url, "attacked");
        assert!(!again.lock().await.try_take(postrider_clock::monotonic()), "it is the same quota");
        assert!(keys.quota(keys_url, "another").lock().await.try_take(postrider_clock::monotonic()));
    }
}
