//! Requests over HTTP: list, details, explanation, and the actions on one or many.
//!
//! `filter` parses the filter fields; `list` pages through requests, `one` answers one with its details or its
//! explanation, `actions` pauses, resumes, cancels and retries one, `bulk` many after a preview. The work and its
//! wording are in `crate::requests`, shared with the command line.

mod actions;
mod bulk;
mod filter;
mod list;
mod one;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::api::ApiState;

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .merge(list::routes())
        .merge(one::routes())
        .merge(actions::routes())
        .merge(bulk::routes())
}
