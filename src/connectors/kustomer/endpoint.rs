//! The webhook endpoint of Kustomer: verify, store, wake the inbox.
//!
//! `wire` verifies and parses; answers and state are `connectors::state`'s.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use sha2::{Digest, Sha256};

use crate::connectors::{
    ConnectorState,
    kustomer::wire::{self, ParsedNotification},
    state::{count_refused, header, not_stored, secrets},
};
use postrider_domain::company::ConnectorSettings;
use postrider_ledger::notifications::NewNotification;

const SYSTEM: &str = "kustomer";

/// Takes one notification for the connector `id`.
pub(in crate::connectors) async fn notification(
    State(state): State<Arc<ConnectorState>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    take(&state, id, &headers, body).await.err().unwrap_or(StatusCode::OK)
}

async fn take(state: &ConnectorState, id: String, headers: &HeaderMap, body: Body) -> Result<(), StatusCode> {
    let body = state.read_body(SYSTEM, body).await?;
    let snapshot = state.company_cache.snapshot();
    let found = snapshot.recipe(&id).and_then(|(company, connector)| match &connector.settings {
        ConnectorSettings::Kustomer(settings) => Some((company, settings)),
        ConnectorSettings::EightByEight(_) => None,
    });
    // The same work for an unknown id, so that the time tells nothing about connectors.
    let tokens = match found {
        Some((_, settings)) => secrets(&settings.webhook_token_env),
        None => vec![postrider_clock::random_id().to_string().into()],
    };
    let authentic = wire::is_authentic(&tokens, &body, header(headers, "x-kustomer-webhook-signature"));
    let Some((company, settings)) = found.filter(|_| authentic) else {
        count_refused(SYSTEM, "bad_signature");
        return Err(StatusCode::FORBIDDEN);
    };
    let name = match wire::parse(&body, settings) {
        Ok(ParsedNotification::Irrelevant) => return Ok(()),
        Ok(ParsedNotification::Closed(conversation)) => conversation.notification,
        // Stored as well: it becomes a rejected job, which people see.
        Err(_) => hex::encode(Sha256::digest(&body)),
    };
    let key = state.keys.identity.notification_hash(&id, &name);
    let notification = NewNotification { key, company: company.id, connector: id, name, body };
    state.ledger.store_notification(&notification).await.map_err(not_stored)?;
    state.inbox_wake.notify_one();
    Ok(())
}
