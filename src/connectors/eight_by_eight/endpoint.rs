//! The webhook endpoint of 8x8: verify, merge into the stored interaction, wake the inbox once it is complete.
//!
//! `jws` verifies, `wire` parses, `interaction` merges; answers and state are `connectors::state`'s.

use std::{borrow::Cow, sync::Arc};

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};

use crate::connectors::{
    ConnectorState,
    eight_by_eight::{
        client::KeyUnavailable,
        interaction::{Interaction, InteractionState},
        jws::{self, SignatureError, SignedHeaders},
        wire::{self, InteractionUpdate},
    },
    state::{count_refused, header, not_stored},
};
use postrider_domain::company::{Company, Connector, ConnectorSettings, EightByEightSettings, PublicKey};
use postrider_ledger::{LedgerError, notifications::NewFacts};

const SYSTEM: &str = "8x8";
/// Bound of compare-and-set retries; notifications of one interaction come by the dozen.
const MERGES_MAX: usize = 20;

/// Takes one notification for the connector `id`.
pub(in crate::connectors) async fn notification(
    State(state): State<Arc<ConnectorState>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    take(&state, &id, &headers, body).await.err().unwrap_or(StatusCode::OK)
}

async fn take(state: &ConnectorState, id: &str, headers: &HeaderMap, body: Body) -> Result<(), StatusCode> {
    let body = state.read_body(SYSTEM, body).await?;
    if wire::is_greeting(&body) {
        return Ok(());
    }
    let snapshot = state.company_cache.snapshot();
    let found = snapshot.recipe(id).and_then(|(company, connector)| match &connector.settings {
        ConnectorSettings::EightByEight(settings) => Some((company, connector, settings)),
        ConnectorSettings::Kustomer(_) => None,
    });
    let Some((company, connector, settings)) = found else {
        return Err(forbidden(SignatureError::BadSignature));
    };
    let signed = signed_headers(headers);
    if signed.tenant_id != Some(settings.tenant_id.as_str()) {
        return Err(forbidden(SignatureError::OtherTenant));
    }
    let keys = public_keys(state, &connector.id, settings, &signed).await?;
    jws::verify(&keys, &signed, &body, postrider_clock::wall()).map_err(forbidden)?;
    match wire::parse(&body) {
        Ok(None) => Ok(()),
        Ok(Some(update)) => merge_facts(state, company, connector, settings, update).await,
        Err(wire::UnreadableUpdate) => {
            count_refused(SYSTEM, "unreadable");
            Err(StatusCode::BAD_REQUEST)
        }
    }
}

/// The keys that may have signed: the connector's own or, if it has none of that id, the one that 8x8 publishes.
async fn public_keys<'s>(
    state: &ConnectorState,
    connector: &str,
    settings: &'s EightByEightSettings,
    signed: &SignedHeaders<'_>,
) -> Result<Cow<'s, [PublicKey]>, StatusCode> {
    let own = Cow::Borrowed(settings.keys.as_slice());
    let (Some(keys_url), Some(kid)) = (&settings.keys_url, jws::kid(signed)) else { return Ok(own) };
    if own.iter().any(|key| key.kid == kid) {
        return Ok(own);
    }
    match state.public_keys.find(keys_url, connector, &kid).await {
        Ok(found) => Ok(Cow::Owned(found.into_iter().collect())),
        Err(KeyUnavailable) => {
            count_refused(SYSTEM, "no_public_key");
            Err(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// Merges an update into the stored interaction, and stores a notification once the interaction is complete.
async fn merge_facts(
    state: &ConnectorState,
    company: &Company,
    connector: &Connector,
    settings: &EightByEightSettings,
    update: InteractionUpdate,
) -> Result<(), StatusCode> {
    let key = state.keys.identity.notification_hash(&connector.id, &update.interaction);
    for _ in 0..MERGES_MAX {
        let (facts, version) = state.ledger.interaction(key).await.map_err(not_stored)?;
        let stored: Interaction = match facts {
            Some(facts) => serde_json::from_value(facts)
                .map_err(|_| not_stored(LedgerError::Broken("facts of another version".to_owned())))?,
            None => Interaction::default(),
        };
        let mut merged = stored.clone();
        merged.merge(update.facts.clone());
        if merged == stored {
            return Ok(());
        }
        let is_complete = merged.state(settings) == InteractionState::Complete;
        let new = NewFacts {
            key,
            company: company.id,
            facts: serde_json::to_value(&merged).expect("facts are plain data"),
            version,
            connector: &connector.id,
            name: &update.interaction,
            // `debounce_secs` debounces: the customer may take the interaction up again.
            due_in_secs: is_complete.then_some(f64::from(settings.debounce_secs)),
        };
        if state.ledger.merge_interaction(&new).await.map_err(not_stored)? {
            if is_complete {
                state.inbox_wake.notify_one();
            }
            return Ok(());
        }
    }
    Err(not_stored(LedgerError::Contended("too many concurrent updates of one interaction".to_owned())))
}

fn signed_headers(headers: &HeaderMap) -> SignedHeaders<'_> {
    SignedHeaders {
        signature: header(headers, "x-8x8-signature"),
        customer_id: header(headers, "x-8x8-customer-id"),
        event_id: header(headers, "x-8x8-event-id"),
        retry: header(headers, "x-8x8-retry"),
        tenant_id: header(headers, "x-8x8-tenant-id"),
        transmission_time: header(headers, "x-8x8-transmission-time"),
    }
}

fn forbidden(error: SignatureError) -> StatusCode {
    let cause = match error {
        SignatureError::BadSignature => "bad_signature",
        SignatureError::OtherTenant => "other_tenant",
        SignatureError::OutOfTime => "out_of_time",
    };
    count_refused(SYSTEM, cause);
    StatusCode::FORBIDDEN
}
