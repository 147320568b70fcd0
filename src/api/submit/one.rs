//! `POST /v1/requests`: one job, answered after its commit.
//!
//! The body is the job, byte for byte as over AMQP.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};

use crate::api::submit::{
    call::{ensure_company_is_known, idempotency_key, inbound_job},
    job::JobBody,
    submission_answer::{AcceptedRequest, answer},
};
use crate::api::{ApiState, Caller, Problem, Scope, extract};
use postrider_domain::job::parse::BODY_BYTES_MAX;

const PATH: &str = "/v1/requests";

/// Submits one job.
///
/// The rules of the company decide it, and it is stored before the answer. A repeated job, recognised by
/// `Idempotency-Key`, by its own `idempotency_key` or, within 24 h, by its content, is answered with the first
/// request; a different job under the same key is a conflict.
#[utoipa::path(
    post, path = "/v1/requests", tag = "requests",
    params((
        "Idempotency-Key" = Option<String>, Header, description = "Repeats of this call with the same key become one request",
        min_length = 1, max_length = 255, pattern = "^[!-~]( ?[!-~])*$"
    )),
    request_body = JobBody,
    responses(
        (status = 202, description = "Accepted: it will be sent, or is suppressed for the reason given", body = AcceptedRequest),
        (status = 409, description = "A different job with this key was accepted before"),
    )
)]
pub(super) async fn submit_job(
    State(api): State<Arc<ApiState>>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<AcceptedRequest>), Problem> {
    caller.require(Scope::Send)?;
    let key = idempotency_key(request.headers())?;
    let body = extract::read(request, &api, BODY_BYTES_MAX).await?;
    ensure_company_is_known(&api, &caller).await?;
    let outcome = api.jobs.submit(inbound_job(&caller, PATH, key, body)).await;
    let outcome = outcome.map_err(|_| Problem::unavailable(1))?;
    answer(outcome, !caller.live).map(|accepted| (StatusCode::ACCEPTED, Json(accepted)))
}
