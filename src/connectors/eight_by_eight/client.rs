//! 8x8's public keys, asked for by their ids and remembered: a key that 8x8 turns over is copied by nobody.
//!
//! An id comes with a call that nobody has believed yet, so whoever makes up ids must get nowhere: an id
//! leads to no other path, an answer is short and quick, each recipe asks a place one question at a time and
//! so many a minute, so that made-up calls to one keep out no other, and what was answered is remembered
//! for all, a "no such key" as well. Whom to believe is decided in `jws`, and what an answer says in `wire`;
//! never log an id or an answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use postrider_domain::company::PublicKey;
use postrider_providers::{HttpClientError, query_client, read_response_body};
use tokio::sync::Mutex as Turn;

use crate::connectors::eight_by_eight::wire;

/// A key that 8x8 takes back is believed for no longer.
const FOUND_FOR: Duration = Duration::from_secs(3_600);
/// Where 8x8 cannot be asked, a key that was found serves for so much longer.
const STALE_FOR: Duration = Duration::from_secs(86_400);
/// A key that is published later than its first notice is found at one of its repeats.
const MISSING_FOR: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);
const QUESTIONS_A_MINUTE: u32 = 10;
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Far more than 8x8 has; past it everything is asked again.
const REMEMBERED_MAX: usize = 1_000;
/// Past it recipes that asked nothing for a minute have their whole share again.
const TURNS_KEPT: usize = 1_000;

/// Finds public keys; a clone shares what is remembered.
#[derive(Clone)]
pub struct PublicKeys {
    client: reqwest::Client,
    within: Duration,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    answers: HashMap<Asked, Told>,
    /// Whose turn it is to ask at a place, by its URL and the recipe that asks.
    turns: HashMap<(String, String), Arc<Turn<Share>>>,
}

/// The place's URL and the key's id.
type Asked = (String, String);

#[derive(Clone)]
struct Told {
    key: Option<PublicKey>,
    at: Instant,
}

/// How often a recipe asked at a place in this minute.
struct Share {
    since: Instant,
    asked: u32,
}

/// It is not known by now which key that is; asking again later may tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the public key cannot be asked for now")]
pub struct NotNow;

impl PublicKeys {
    /// `within` bounds a whole question, and a wait for one's turn.
    ///
    /// # Errors
    /// Where the system's certificates cannot be loaded.
    pub fn new(within: Duration) -> Result<PublicKeys, HttpClientError> {
        Ok(PublicKeys { client: query_client(within)?, within, known: Arc::default() })
    }

    /// The key of this id at `keys_url`, in which `{kid}` stands for the id; `None`: there is none. `recipe`
    /// is the id of the recipe whose notice names it.
    ///
    /// # Errors
    /// Where 8x8 cannot be asked, or was asked too often.
    pub async fn find(&self, keys_url: &str, recipe: &str, kid: &str) -> Result<Option<PublicKey>, NotNow> {
        if !wire::is_kid(kid) {
            return Ok(None);
        }
        let asked = (keys_url.to_owned(), kid.to_owned());
        if let Some(key) = self.remembered(&asked) {
            return Ok(key);
        }
        let turn = self.turn(keys_url, recipe);
        let Ok(mut share) = tokio::time::timeout(self.within, turn.lock()).await else {
            return self.stale(&asked);
        };
        // Whoever had the turn before may have brought the answer.
        if let Some(key) = self.remembered(&asked) {
            return Ok(key);
        }
        if !share.has_another(postrider_clock::monotonic()) {
            return self.stale(&asked);
        }
        match self.ask(keys_url.replace("{kid}", kid), kid).await {
            Ok(key) => {
                self.remember(asked, key.clone());
                Ok(key)
            }
            Err(why) => {
                tracing::warn!(why, "8x8's public keys cannot be read; notices wait for them");
                self.stale(&asked)
            }
        }
    }

    async fn ask(&self, url: String, kid: &str) -> Result<Option<PublicKey>, String> {
        // The error would quote the URL.
        let answer = self.client.get(url).send().await.map_err(|error| error.without_url().to_string())?;
        match answer.status().as_u16() {
            200 => {}
            400 | 404 | 410 => return Ok(None),
            status => return Err(format!("status {status}")),
        }
        let body = read_response_body(answer, ANSWER_BYTES_MAX).await?;
        wire::public_key(&body, kid).map_err(|_| "the answer is no JWK".to_owned())
    }

    fn remembered(&self, asked: &Asked) -> Option<Option<PublicKey>> {
        let known = self.known();
        let told = known.answers.get(asked)?;
        let fresh_for = if told.key.is_some() { FOUND_FOR } else { MISSING_FOR };
        (postrider_clock::monotonic() - told.at < fresh_for).then(|| told.key.clone())
    }

    /// The key as it was when 8x8 could be asked.
    fn stale(&self, asked: &Asked) -> Result<Option<PublicKey>, NotNow> {
        let known = self.known();
        let told = known.answers.get(asked).filter(|told| postrider_clock::monotonic() - told.at < STALE_FOR);
        told.and_then(|told| told.key.clone()).map(Some).ok_or(NotNow)
    }

    fn remember(&self, asked: Asked, key: Option<PublicKey>) {
        let mut known = self.known();
        let at = postrider_clock::monotonic();
        known.answers.retain(|_, told| {
            let kept_for = if told.key.is_some() { STALE_FOR } else { MISSING_FOR };
            at - told.at < kept_for
        });
        if known.answers.len() >= REMEMBERED_MAX {
            // Made-up ids first: they put out no key that is there.
            known.answers.retain(|_, told| told.key.is_some());
        }
        if known.answers.len() >= REMEMBERED_MAX {
            known.answers.clear();
        }
        known.answers.insert(asked, Told { key, at });
    }

    fn turn(&self, keys_url: &str, recipe: &str) -> Arc<Turn<Share>> {
        let mut known = self.known();
        let now = postrider_clock::monotonic();
        if known.turns.len() >= TURNS_KEPT {
            // A turn that somebody has or waits for stays, whatever it says.
            known.turns.retain(|_, turn| {
                Arc::strong_count(turn) > 1 || turn.try_lock().is_ok_and(|share| now - share.since < MINUTE)
            });
        }
        let turn = known.turns.entry((keys_url.to_owned(), recipe.to_owned()));
        Arc::clone(turn.or_insert_with(|| Arc::new(Turn::new(Share { since: now, asked: 0 }))))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("nobody panics here")
    }
}

impl Share {
    /// Takes one question of the minute, if one is left.
    fn has_another(&mut self, now: Instant) -> bool {
        if now - self.since >= MINUTE {
            *self = Share { since: now, asked: 0 };
        }
        let left = self.asked < QUESTIONS_A_MINUTE;
        self.asked += u32::from(left);
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_asked_so_often_a_minute_and_then_again() {
        let start = postrider_clock::monotonic();
        let mut share = Share { since: start, asked: 0 };
        let granted = (0..100).filter(|_| share.has_another(start + Duration::from_secs(59))).count();
        assert_eq!(granted, 10);
        assert!(share.has_another(start + MINUTE));
    }

    #[tokio::test]
    async fn a_recipe_that_used_up_its_share_leaves_the_others_theirs() {
        let keys = PublicKeys::new(Duration::from_secs(1)).expect("set up");
        let place = "https://keys.example.com/{kid}";
        let spent = keys.turn(place, "attacked");
        while spent.lock().await.has_another(postrider_clock::monotonic()) {}
        let again = keys.turn(place, "attacked");
        assert!(!again.lock().await.has_another(postrider_clock::monotonic()), "it is the same share");
        assert!(keys.turn(place, "another").lock().await.has_another(postrider_clock::monotonic()));
    }
}
