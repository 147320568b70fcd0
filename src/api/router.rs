//! Every route of the API, one line per area, and what stands around all of them.
//!
//! Routes under `/v1` pass the door (`auth`); the description does not need a key. Whatever no route
//! knows is answered as a problem too.

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

use crate::api::{Api, Problem, auth, discard_body, docs, openapi};

/// Everything that needs a key.
fn v1() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(super::whoami::routes())
        .merge(super::submit::routes())
        .merge(super::preview::routes())
        .merge(super::responses::routes())
        .merge(super::simulations::routes())
        .merge(super::requests::routes())
        .merge(super::settings::routes())
}

/// The API as a whole, for the public port.
pub fn router(api: Arc<Api>) -> Router {
    let (v1, document) = v1().split_for_parts();
    let document = openapi::complete(document);
    let described = Arc::new(Described {
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

/// The description, without a server.
#[must_use]
pub fn document() -> OpenApi {
    openapi::complete(v1().into_openapi())
}

/// The description, made once.
struct Described {
    json: Bytes,
    page: String,
}

async fn json(State(described): State<Arc<Described>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], described.json.clone())
}

/// The page runs nothing and loads nothing.
async fn page(State(described): State<Arc<Described>>) -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(described.page.clone()))
}
