//! `POST /v1/requests`: one job, answered after its commit.
//!
//! The body is the job, byte for byte as over AMQP.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};

use crate::api::submit::{job::JobBody, submission_answer::AcceptedRequest};
use crate::api::{Api, Caller, Problem, Scope, extract};
use postrider_domain::job::parse::BODY_BYTES_MAX;

const PATH: &str = "/v1/requests";

/// Hands in one request.
///
/// Decided by the company's rules and kept before the answer comes. The same job again, by `Idempotency-Key`,
/// by its own `idempotency_key` or, within 24 h, by its content, is answered with the first request; another
/// job under the same key is a conflict.
#[utoipa::path(
    post, path = "/v1/requests", tag = "requests",
    params((
        "Idempotency-Key" = Option<String>, Header, description = "Makes repeats of this call one request",
        min_length = 1, max_length = 255, pattern = "^[!-~]( ?[!-~])*$"
    )),
    request_body = JobBody,
    responses(
        (status = 202, description = "Accepted: it will be sent, or is suppressed for the reason given", body = AcceptedRequest),
        (status = 409, description = "Another job with this key was accepted before"),
    )
)]
pub(super) async fn submit_job(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<AcceptedRequest>), Problem> {
    caller.require(Scope::Send)?;
    let key = super::idempotency_key(request.headers())?;
    let body = extract::read(request, &api, BODY_BYTES_MAX).await?;
    super::ensure_company_is_known(&api, &caller).await?;
    let answer = api.jobs.submit(super::inbound_job(&caller, PATH, key, body)).await;
    let answer = answer.map_err(|_| Problem::unavailable(1))?;
    super::submission_answer::answer(answer, !caller.live)
        .map(|accepted| (StatusCode::ACCEPTED, Json(accepted)))
}
