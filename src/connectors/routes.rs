//! The door of recipes: `/webhooks/{recipe's word}/{recipe's id}/events`.
//!
//! Raw body → verify → written down → 200. A notice that matters is in the ledger before its sender is
//! answered; what it makes is `intake::recipes`' business. A bad signature: 403, also for an id that nobody
//! has; too large 413, too slow 408, no database or no public key by now 503, which senders repeat.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::{
    company_cache::CompanyCache,
    connectors::{
        eight_by_eight::{
            client::{NotNow, PublicKeys},
            interaction::{Interaction, Standing},
            jws::{self, Headers, SignatureError},
            wire as eight_by_eight,
        },
        kustomer::wire::{self as kustomer, Heard},
        secrets,
    },
    telemetry::names,
};
use postrider_domain::{
    company::{Company, Connector, ConnectorSettings, EightByEightSettings, PublicKey},
    hash_keys::SecretKeys,
};
use postrider_ledger::{
    Ledger, LedgerError,
    notifications::{NewFacts, NewNotification},
};

use crate::webhooks::serve::read_body;

/// A conversation's notice is the whole conversation.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Notices of one interaction come by the dozen, not by the hundred.
const TRIES_MAX: usize = 20;

/// What the door needs.
pub struct ConnectorState {
    pub ledger: Ledger,
    pub directory: CompanyCache,
    pub keys: Arc<SecretKeys>,
    pub public_keys: PublicKeys,
    /// Tells the inbox of this process.
    pub bell: Arc<Notify>,
    pub body_within: Duration,
}

/// The routes of recipes.
pub fn router(door: Arc<ConnectorState>) -> Router {
    Router::new()
        .route("/webhooks/kustomer/{recipe}/events", post(from_kustomer))
        .route("/webhooks/8x8/{recipe}/events", post(from_eight_by_eight))
        .with_state(door)
}

type Refused = StatusCode;

async fn from_kustomer(
    State(door): State<Arc<ConnectorState>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    let answered = async {
        let body = read_body(body, BODY_BYTES_MAX, door.body_within).await;
        let body = body.inspect_err(|_| refused("kustomer", "body"))?;
        let snapshot = door.directory.snapshot();
        let found = snapshot.recipe(&id).and_then(|(company, recipe)| match &recipe.settings {
            ConnectorSettings::Kustomer(settings) => Some((company, settings)),
            ConnectorSettings::EightByEight(_) => None,
        });
        // The same work for an id that nobody has.
        let tokens = match found {
            Some((_, settings)) => secrets(&settings.webhook_token_env),
            None => vec![postrider_clock::random_id().to_string().into()],
        };
        let signature = header(&headers, "x-kustomer-webhook-signature");
        let authentic = kustomer::authentic(&tokens, &body, signature);
        let Some((company, settings)) = found.filter(|_| authentic) else {
            return Err(disbelieved("kustomer", SignatureError::BadSignature));
        };
        let name = match kustomer::parse(&body, settings) {
            Ok(Heard::Nothing) => return Ok(()),
            Ok(Heard::Closed(closed)) => closed.notice,
            // Kept all the same: it becomes a rejected job that people see.
            Err(_) => hex::encode(Sha256::digest(&body)),
        };
        let key = door.keys.identity.notification_hash(&id, &name);
        let notice = NewNotification { key, company: company.id, connector: id.clone(), name, body };
        door.ledger.store_notification(&notice).await.map_err(unwritten)?;
        door.bell.notify_one();
        Ok(())
    };
    answered.await.err().unwrap_or(StatusCode::OK)
}

async fn from_eight_by_eight(
    State(door): State<Arc<ConnectorState>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    let answered = async {
        let body = read_body(body, BODY_BYTES_MAX, door.body_within).await;
        let body = body.inspect_err(|_| refused("8x8", "body"))?;
        if eight_by_eight::is_greeting(&body) {
            return Ok(());
        }
        let snapshot = door.directory.snapshot();
        let found = snapshot.recipe(&id).and_then(|(company, recipe)| match &recipe.settings {
            ConnectorSettings::EightByEight(settings) => Some((company, recipe, settings)),
            ConnectorSettings::Kustomer(_) => None,
        });
        let Some((company, recipe, settings)) = found else {
            return Err(disbelieved("8x8", SignatureError::BadSignature));
        };
        let signed = signed_headers(&headers);
        if signed.tenant_id != Some(settings.tenant_id.as_str()) {
            return Err(disbelieved("8x8", SignatureError::OtherTenant));
        }
        let keys = door.public_keys(&recipe.id, settings, &signed).await?;
        jws::verify(&keys, &signed, &body, postrider_clock::wall())
            .map_err(|disbelief| disbelieved("8x8", disbelief))?;
        match eight_by_eight::parse(&body) {
            Ok(None) => Ok(()),
            Ok(Some(told)) => door.learn(company, recipe, settings, told).await,
            Err(eight_by_eight::Unreadable) => {
                refused("8x8", "unreadable");
                Err(StatusCode::BAD_REQUEST)
            }
        }
    };
    answered.await.err().unwrap_or(StatusCode::OK)
}

impl ConnectorState {
    /// The keys that a delivery may be signed with: the recipe's own or, where it has none of that id, the
    /// one that 8x8 publishes under it.
    async fn public_keys<'s>(
        &self,
        recipe: &str,
        settings: &'s EightByEightSettings,
        signed: &Headers<'_>,
    ) -> Result<Cow<'s, [PublicKey]>, Refused> {
        let own = Cow::Borrowed(settings.keys.as_slice());
        let (Some(keys_url), Some(kid)) = (&settings.keys_url, jws::kid(signed)) else { return Ok(own) };
        if own.iter().any(|key| key.kid == kid) {
            return Ok(own);
        }
        match self.public_keys.find(keys_url, recipe, &kid).await {
            Ok(found) => Ok(Cow::Owned(found.into_iter().collect())),
            Err(NotNow) => {
                refused("8x8", "no_public_key");
                Err(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    /// Adds what was told to what is known, and notes the interaction once it is complete.
    async fn learn(
        &self,
        company: &Company,
        recipe: &Connector,
        settings: &EightByEightSettings,
        told: eight_by_eight::Told,
    ) -> Result<(), Refused> {
        let key = self.keys.identity.notification_hash(&recipe.id, &told.interaction);
        for _ in 0..TRIES_MAX {
            let (facts, version) = self.ledger.interaction(key).await.map_err(unwritten)?;
            let known: Interaction = match facts {
                Some(facts) => serde_json::from_value(facts)
                    .map_err(|_| unwritten(LedgerError::Broken("facts of another version".to_owned())))?,
                None => Interaction::default(),
            };
            let mut joined = known.clone();
            joined.join(told.facts.clone());
            if joined == known {
                return Ok(());
            }
            let complete = joined.standing(settings) == Standing::Complete;
            let new = NewFacts {
                key,
                company: company.id,
                facts: serde_json::to_value(&joined).expect("facts are plain data"),
                version,
                connector: &recipe.id,
                name: &told.interaction,
                due_in_secs: complete.then_some(f64::from(settings.debounce_secs)),
            };
            if self.ledger.merge_interaction(&new).await.map_err(unwritten)? {
                if complete {
                    self.bell.notify_one();
                }
                return Ok(());
            }
        }
        Err(unwritten(LedgerError::Contended("an interaction was told by too many at once".to_owned())))
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn signed_headers(headers: &HeaderMap) -> Headers<'_> {
    Headers {
        signature: header(headers, "x-8x8-signature"),
        customer_id: header(headers, "x-8x8-customer-id"),
        event_id: header(headers, "x-8x8-event-id"),
        retry: header(headers, "x-8x8-retry"),
        tenant_id: header(headers, "x-8x8-tenant-id"),
        transmission_time: header(headers, "x-8x8-transmission-time"),
    }
}

fn disbelieved(recipe: &'static str, disbelief: SignatureError) -> Refused {
    refused(
        recipe,
        match disbelief {
            SignatureError::BadSignature => "bad_signature",
            SignatureError::OtherTenant => "other_tenant",
            SignatureError::OutOfTime => "out_of_time",
        },
    );
    StatusCode::FORBIDDEN
}

fn unwritten(error: LedgerError) -> Refused {
    tracing::warn!(%error, "a notice cannot be written down; its sender will repeat it");
    StatusCode::SERVICE_UNAVAILABLE
}

fn refused(recipe: &'static str, cause: &'static str) {
    metrics::counter!(names::RECEIPTS_REFUSED, "provider" => recipe, "cause" => cause).increment(1);
}
