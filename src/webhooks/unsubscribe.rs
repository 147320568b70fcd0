//! One-click unsubscribe (RFC 8058): POST blocks the address, GET only asks.
//!
//! Scanners follow links, so GET never unsubscribes. No login, no redirect, and an unknown link is
//! answered like a known one.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use postrider_domain::ids::BlockKind;

use crate::webhooks::{routes::WebhookState, verify::unsubscribe_target};

const ASK: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>Unsubscribe</title>\
<body style=\"font-family:sans-serif;max-width:30em;margin:4em auto\">\
<p>Do you want no more feedback requests at this address?<br>Ne plus recevoir de demandes d’avis à cette adresse ?</p>\
<form method=\"post\"><button>Unsubscribe / Se désabonner</button></form></body></html>";

const DONE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>Unsubscribed</title>\
<body style=\"font-family:sans-serif;max-width:30em;margin:4em auto\">\
<p>You will get no more feedback requests.<br>Vous ne recevrez plus de demandes d’avis.</p></body></html>";

pub(super) async fn ask() -> Html<&'static str> {
    Html(ASK)
}

pub(super) async fn unsubscribe(
    State(door): State<Arc<WebhookState>>,
    Path((message, tag)): Path<(String, String)>,
) -> Response {
    if let Some(message) = unsubscribe_target(&door.keys, &message, &tag)
        && let Err(error) =
            door.ledger.block_message(message, BlockKind::Unsubscribed, "unsubscribe_link").await
    {
        tracing::warn!(%error, "an unsubscribe could not be written");
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Html(DONE).into_response()
}
