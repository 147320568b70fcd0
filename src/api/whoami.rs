//! `GET /v1/key`: who a key says that it is.
//!
//! The first call of whoever sets something up: it answers with any key that is good, and changes nothing.

use std::sync::Arc;

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::{Api, Caller};

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show_key))
}

/// The key that calls.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyView {
    id: Uuid,
    name: String,
    /// Slug of its company.
    company: String,
    /// False: a test key, by which no customer is reached.
    live: bool,
    /// Of `send`, `read` and `manage`.
    scopes: Vec<&'static str>,
}

/// The key that calls: its company, name and scopes.
#[utoipa::path(get, path = "/v1/key", tag = "key", responses((status = 200, description = "The key", body = KeyView)))]
async fn show_key(caller: Caller) -> Json<KeyView> {
    Json(KeyView {
        id: caller.key,
        name: caller.name.to_string(),
        company: caller.slug.to_string(),
        live: caller.live,
        scopes: caller.scopes.iter().map(|scope| scope.as_str()).collect(),
    })
}
