//! All routes of the API, one line per area, and the layers around them.
//!
//! Routes under `/v1` pass `auth::require_key`; `/openapi.json` and `/docs` need no key. An unknown path or method is
//! answered with a `Problem` too.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::header,
    middleware,
    response::{Html, IntoResponse},
    routing::get,
};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::api::{ApiState, Problem, auth, discard_body, docs, openapi};

/// The routes that need a key.
fn v1() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .merge(super::whoami::routes())
        .merge(super::submit::routes())
        .merge(super::preview::routes())
        .merge(super::responses::routes())
        .merge(super::simulations::routes())
        .merge(super::requests::routes())
        .merge(super::settings::routes())
}

/// The complete router of the API, for the public port.
pub fn router(api: Arc<ApiState>) -> Router {
    let (v1, document) = v1().split_for_parts();
    let document = openapi::complete(document);
    let described = Arc::new(RenderedDescription {
        json: serde_json::to_vec(&document).expect("a description is plain data").into(),
        page: docs::page(&document),
    });
    let v1 = v1
        .route_layer(middleware::from_fn_with_state(Arc::clone(&api), auth::require_key))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&api), discard_body::discard_body))
        .with_state(Arc::clone(&api));
    let open =
        Router::new().route("/openapi.json", get(json)).route("/docs", get(page)).with_state(described);
    v1.merge(open)
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .fallback(async || Problem::not_found())
}

/// The OpenAPI 3.1 description, without a server.
#[must_use]
pub fn document() -> OpenApi {
    openapi::complete(v1().into_openapi())
}

/// The description in both forms, rendered once at the start.
struct RenderedDescription {
    json: Bytes,
    page: String,
}

async fn json(State(described): State<Arc<RenderedDescription>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], described.json.clone())
}

/// The policy forbids scripts and loading: the page needs neither.
async fn page(State(described): State<Arc<RenderedDescription>>) -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(described.page.clone()))
}
