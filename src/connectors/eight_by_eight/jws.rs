//! Verification of 8x8's notifications: a detached JWS (RFC 7515, 7797) over headers and a checksum.
//!
//! PURE. The signed input is not the body but a JSON of the delivery's headers and the body's CRC-32 (developer.8x8.com,
//! "Validating webhook events"). A CRC is not a digest: an attacker with one signed call can put another body under its
//! signature. TLS keeps calls secret, and the signed time of transmission bounds the use of one. The algorithm is
//! always RS256, whatever the header says; the key is one that the caller trusts, selected by its id. 8x8's tenants
//! share keys, so the caller must compare the tenant id as well (`endpoint` does).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;

use postrider_domain::company::PublicKey;

const ALGORITHM: &str = "RS256";
/// Bound of the signature header: 8,192 bits in base64url, and the JOSE header.
const SIGNATURE_BYTES_MAX: usize = 4_096;
const HEADER_BYTES_MAX: usize = 255;
/// Bounds the delay of transmission and the difference of clocks; each repeat carries a time of its own.
const OLD_MAX: TimeDelta = TimeDelta::minutes(10);
const EARLY_MAX: TimeDelta = TimeDelta::minutes(2);

/// The headers `x-8x8-…` of a delivery, unverified.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignedHeaders<'h> {
    pub signature: Option<&'h str>,
    pub customer_id: Option<&'h str>,
    pub event_id: Option<&'h str>,
    pub retry: Option<&'h str>,
    pub tenant_id: Option<&'h str>,
    /// Milliseconds since 1970.
    pub transmission_time: Option<&'h str>,
}

/// Failed verification of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureError {
    BadSignature,
    /// A valid signature for another customer of 8x8.
    OtherTenant,
    /// Authentic, but transmitted too long ago or in the future.
    OutOfTime,
}

/// Verifies a delivery against the trusted keys at the time `now`.
///
/// # Errors
/// None of the keys signed it, or its time of transmission is out of bounds.
pub fn verify(
    keys: &[PublicKey],
    headers: &SignedHeaders,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<(), SignatureError> {
    signed(keys, headers, body).ok_or(SignatureError::BadSignature)?;
    let sent = headers.transmission_time.and_then(|text| text.parse().ok());
    let sent = sent.and_then(DateTime::from_timestamp_millis).ok_or(SignatureError::OutOfTime)?;
    if now - sent > OLD_MAX || sent - now > EARLY_MAX { Err(SignatureError::OutOfTime) } else { Ok(()) }
}

/// The key id that a delivery claims; none if the signature has not the documented form.
#[must_use]
pub fn kid(headers: &SignedHeaders) -> Option<String> {
    parts(headers).map(|parts| parts.kid)
}

fn signed(keys: &[PublicKey], headers: &SignedHeaders, body: &[u8]) -> Option<()> {
    let DetachedJws { protected, kid, signature } = parts(headers)?;
    let key = keys.iter().find(|key| key.kid == kid)?;
    let input = [protected.as_bytes(), b".", payload(headers, body)?.as_bytes()].concat();
    let (n, e) = (URL_SAFE_NO_PAD.decode(&key.n).ok()?, URL_SAFE_NO_PAD.decode(&key.e).ok()?);
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, &input, &signature).ok()
}

/// A detached JWS of the documented form.
struct DetachedJws<'h> {
    protected: &'h str,
    kid: String,
    signature: &'h str,
}

fn parts<'h>(headers: &SignedHeaders<'h>) -> Option<DetachedJws<'h>> {
    let compact = headers.signature.filter(|text| text.len() <= SIGNATURE_BYTES_MAX)?;
    let mut parts = compact.split('.');
    let (Some(protected), Some(""), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let jose: Jose = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(protected).ok()?).ok()?;
    if jose.alg != ALGORITHM || jose.b64 || jose.crit != ["b64"] {
        return None;
    }
    Some(DetachedJws { protected, kid: jose.kid, signature })
}

/// The signed JSON, its keys in the documented order.
fn payload(headers: &SignedHeaders, body: &[u8]) -> Option<String> {
    let text = |value: Option<&str>| value.filter(|text| is_plain(text)).map(str::to_owned);
    let number = |value: Option<&str>| value?.parse::<u64>().ok();
    Some(format!(
        r#"{{"checksum":{},"cid":"{}","eid":"{}","retry":{},"tid":"{}","tt":{}}}"#,
        crc32(body),
        text(headers.customer_id)?,
        text(headers.event_id)?,
        number(headers.retry)?,
        text(headers.tenant_id)?,
        number(headers.transmission_time)?
    ))
}

/// Whether every JSON writer leaves the text unescaped.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:~+=@ ".contains(&byte);
    (1..=HEADER_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain)
}

#[derive(Deserialize)]
struct Jose {
    alg: String,
    kid: String,
    b64: bool,
    crit: Vec<String>,
}

/// CRC-32 as in zlib.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| (crc >> 8) ^ TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize])
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let (mut crc, mut bit) = (index as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
#[path = "jws_tests.rs"]
mod tests;
