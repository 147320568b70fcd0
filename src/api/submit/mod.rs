//! Submitting jobs: `POST /v1/requests` and `POST /v1/requests/batch`.
//!
//! The bytes of each job go to intake unparsed: parsing, idempotency and the record of a rejection are the same as over
//! AMQP, and concurrent calls share commits (`intake::http_batcher`). `one` and `batch` are the two calls,
//! `call` has their common parts, `submission_answer` is their answer, `job` describes their body.

mod batch;
pub(super) mod call;
pub mod job;
mod one;
pub(super) mod submission_answer;

use std::sync::Arc;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::ApiState;

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(one::submit_job)).routes(routes!(batch::submit_batch))
}
