//! Verifies Mailgun's webhooks with the account's signing keys.
//!
//! PURE. The signature is an HMAC-SHA256 over a timestamp and a token, and **not** over the event: a captured triple
//! authenticates any body. So `webhook` takes the token as the receipt's `dedupe_key` and hashes the content, and old
//! timestamps are refused here. Source: documentation.mailgun.com, "Securing webhooks".

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::WebhookRefusal;

/// Mailgun retries for about 8 h. Whether a retry has a new timestamp is not documented.
const AGE_MAX: TimeDelta = TimeDelta::hours(24);
/// Difference of the clocks.
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);
/// Ten digits until the year 2286. Exact, because the signature covers timestamp and token as one string: with free
/// lengths a digit could move from one to the other under the same signature.
const TIMESTAMP_DIGITS: usize = 10;
/// Today's tokens have 50 bytes.
const TOKEN_BYTES: RangeInclusive<usize> = 32..=64;

/// The `signature` part of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Signature {
    /// Unix time in seconds.
    pub timestamp: String,
    /// Random, unique per webhook.
    pub token: String,
    /// 64 hex digits.
    pub signature: String,
}

/// Verifies a webhook's signature and age. Any of the keys may match: several are valid during a rotation.
///
/// # Errors
///
/// `BadSignature` if it is malformed or made with another key, `OutOfTime` if it is older than 24 h or more than
/// 5 min ahead.
pub fn verify(keys: &[SecretString], given: &Signature, now: DateTime<Utc>) -> Result<(), WebhookRefusal> {
    let all_digits = given.timestamp.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits || given.timestamp.len() != TIMESTAMP_DIGITS || !TOKEN_BYTES.contains(&given.token.len()) {
        return Err(WebhookRefusal::BadSignature);
    }
    let mut stated = [0u8; 32];
    hex::decode_to_slice(&given.signature, &mut stated).map_err(|_| WebhookRefusal::BadSignature)?;
    let mut matching = Choice::from(0);
    // An empty key would accept a forgery: its signature needs no secret.
    for key in keys.iter().map(|key| key.expose_secret().as_bytes()).filter(|key| !key.is_empty()) {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(given.timestamp.as_bytes());
        mac.update(given.token.as_bytes());
        let signed: [u8; 32] = mac.finalize().into_bytes().into();
        matching |= signed.ct_eq(&stated);
    }
    if !bool::from(matching) {
        return Err(WebhookRefusal::BadSignature);
    }
    let signed_at = given.timestamp.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let age = now - signed_at.ok_or(WebhookRefusal::OutOfTime)?;
    if age > AGE_MAX || age < -AHEAD_MAX { Err(WebhookRefusal::OutOfTime) } else { Ok(()) }
}
