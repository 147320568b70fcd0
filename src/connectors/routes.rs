//! The routes of connectors: `/webhooks/{system}/{connector}/events`.
//!
//! The endpoints stand in the folders of their systems.

use std::sync::Arc;

use axum::{Router, routing::post};

use crate::connectors::{ConnectorState, eight_by_eight, kustomer};

/// The routes of all connectors.
pub fn router(state: ConnectorState) -> Router {
    Router::new()
        .route("/webhooks/kustomer/{recipe}/events", post(kustomer::endpoint::notification))
        .route("/webhooks/8x8/{recipe}/events", post(eight_by_eight::endpoint::notification))
        .with_state(Arc::new(state))
}
