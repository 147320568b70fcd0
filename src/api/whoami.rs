//! `GET /v1/key`: the API key of the call, as the worker knows it.
//!
//! A first call for a new integration: it answers with any valid key and changes nothing.

use std::sync::Arc;

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::{ApiState, Caller};

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(show_key))
}

/// The API key of the call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct KeyView {
    id: Uuid,
    name: String,
    /// Slug of its company.
    company: String,
    /// False for a test key: none of its requests reaches a customer.
    live: bool,
    /// Of `send`, `read` and `manage`.
    scopes: Vec<&'static str>,
}

/// The API key of the call: its company, name and scopes.
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
