//! Requests over HTTP: looking at them, and what people do to one or to many.
//!
//! `filter` reads which ones; `list` pages through them, `one` shows one and says why, `actions` pauses, resumes,
//! cancels and retries one, `bulk` many after a preview. The words and the work are `crate::requests`'.

mod actions;
mod bulk;
mod filter;
mod list;
mod one;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::api::Api;

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(list::routes())
        .merge(one::routes())
        .merge(actions::routes())
        .merge(bulk::routes())
}
