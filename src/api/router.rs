//! Every route of the API, one line per area, and what stands around all of them.
//!
//! Routes under `/v1` pass the door (`auth`); the description does not need a key. Whatever no route
//! knows is answered as a problem too.

use std::sync::Arc;

use axum::{Json, Router, extract::State, middleware, routing::get};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::{Api, Problem, auth, openapi};

/// Everything that needs a key.
fn v1() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().merge(super::about::routes()).merge(super::hand_in::routes())
}

/// The API as a whole, for the public port.
pub fn router(api: Arc<Api>) -> Router {
    let (v1, document) = v1().split_for_parts();
    let document = Arc::new(openapi::complete(document));
    let v1 = v1
        .route_layer(middleware::from_fn_with_state(Arc::clone(&api), auth::door))
        .with_state(Arc::clone(&api));
    let open = Router::new().route("/openapi.json", get(described)).with_state(document);
    v1.merge(open)
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .fallback(async || Problem::not_found())
}

/// The description, without a server.
#[must_use]
pub fn document() -> OpenApi {
    openapi::complete(v1().into_openapi())
}

async fn described(State(document): State<Arc<OpenApi>>) -> Json<OpenApi> {
    Json((*document).clone())
}
