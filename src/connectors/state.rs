//! State and answers that the endpoints of all connectors share.
//!
//! An endpoint reads the raw body, verifies it, stores the notification and answers 200. A bad signature is answered
//! 403, also for an id that no connector has; a body that is too large 413, too slow 408; no database, or no public
//! key yet, 503, which senders repeat.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
};
use secrecy::SecretString;
use tokio::sync::Notify;

use crate::{
    company_cache::CompanyCache, connectors::eight_by_eight::client::PublicKeys, http_server::read_body,
    telemetry::names,
};
use postrider_domain::hash_keys::SecretKeys;
use postrider_ledger::{Ledger, LedgerError};

/// A notification of Kustomer holds the whole conversation.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// State behind the endpoints.
pub struct ConnectorState {
    pub ledger: Ledger,
    pub company_cache: CompanyCache,
    pub keys: Arc<SecretKeys>,
    pub public_keys: PublicKeys,
    /// Wakes the inbox of this process.
    pub inbox_wake: Arc<Notify>,
    pub body_timeout: Duration,
}

impl ConnectorState {
    pub(super) async fn read_body(&self, system: &'static str, body: Body) -> Result<Vec<u8>, StatusCode> {
        let body = read_body(body, BODY_BYTES_MAX, self.body_timeout).await;
        body.inspect_err(|_| count_refused(system, "body"))
    }
}

/// Counts a refused call, by system and cause.
pub(super) fn count_refused(system: &'static str, cause: &'static str) {
    metrics::counter!(names::RECEIPTS_REFUSED, "provider" => system, "cause" => cause).increment(1);
}

/// Logs that a notification could not be stored; returns 503.
pub(super) fn not_stored(error: LedgerError) -> StatusCode {
    tracing::warn!(%error, "storing a notification failed; its sender is answered 503 and repeats it");
    StatusCode::SERVICE_UNAVAILABLE
}

/// A header's value; none if it is missing or not text.
pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The secrets in an environment variable, separated by commas; several during a rotation.
pub(super) fn secrets(variable: &str) -> Vec<SecretString> {
    let value = std::env::var(variable).unwrap_or_default();
    value.split(',').map(str::trim).filter(|secret| !secret.is_empty()).map(SecretString::from).collect()
}
