//! One-click unsubscribe (RFC 8058): POST blocks the address, GET only asks.
//!
//! Mail scanners follow links, so GET never unsubscribes. No login, no redirect; an unknown link gets the answer of a
//! known one, so that links cannot be guessed.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use uuid::Uuid;

use postrider_domain::{
    hash_keys::SecretKeys,
    ids::{BlockKind, MessageId},
};
use postrider_ledger::Ledger;

const ASK: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>Unsubscribe</title>\
<body style=\"font-family:sans-serif;max-width:30em;margin:4em auto\">\
<p>Do you want no more feedback requests at this address?<br>Ne plus recevoir de demandes d’avis à cette adresse ?</p>\
<form method=\"post\"><button>Unsubscribe / Se désabonner</button></form></body></html>";

const DONE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>Unsubscribed</title>\
<body style=\"font-family:sans-serif;max-width:30em;margin:4em auto\">\
<p>You will get no more feedback requests.<br>Vous ne recevrez plus de demandes d’avis.</p></body></html>";

/// State behind the endpoint.
#[derive(Clone)]
pub struct UnsubscribeState {
    pub ledger: Ledger,
    pub keys: Arc<SecretKeys>,
}

/// The route `/unsubscribe/{message}/{tag}`.
pub fn router(state: UnsubscribeState) -> Router {
    Router::new()
        .route("/unsubscribe/{message}/{tag}", get(|| async { Html(ASK) }).post(unsubscribe))
        .with_state(state)
}

async fn unsubscribe(
    State(state): State<UnsubscribeState>,
    Path((message, tag)): Path<(String, String)>,
) -> Response {
    if let Some(message) = unsubscribe_target(&state.keys, &message, &tag)
        && let Err(error) =
            state.ledger.block_message(message, BlockKind::Unsubscribed, "unsubscribe_link").await
    {
        tracing::warn!(%error, "writing an unsubscribe failed; the customer is answered 503 and has to try again");
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Html(DONE).into_response()
}

/// The message named by a link; none if the tag is not its keyed hash.
fn unsubscribe_target(keys: &SecretKeys, message: &str, tag: &str) -> Option<MessageId> {
    let message = MessageId(Uuid::try_parse(message).ok()?);
    let tag = hex::decode(tag).ok()?;
    keys.verify_unsubscribe(message, &tag).then_some(message)
}
