//! `POST /v1/requests/batch`: up to 1,000 jobs, each with its own answer.
//!
//! The bytes of each job are passed on unchanged; a rejected job does not affect the others.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::submit::{
    call::{IDEMPOTENCY_KEY, ensure_company_is_known, inbound_job},
    submission_answer::{AcceptedRequest, answer},
};
use crate::{
    api::{ApiState, Caller, Problem, Scope, extract, problem::FieldProblem},
    intake::InboundJob,
};

const PATH: &str = "/v1/requests/batch";
const JOBS_MAX: usize = 1_000;
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Jobs to submit together.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Batch)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchBody {
    /// Each as the body of `POST /v1/requests`; the problems of a job are in its own answer.
    #[schema(value_type = Vec<serde_json::Value>, min_items = 1, max_items = 1000)]
    requests: Vec<Box<RawValue>>,
}

/// One answer for each job, in order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchResult {
    answers: Vec<BatchItem>,
}

/// The accepted request, or the problem of the job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BatchItem {
    Request(AcceptedRequest),
    Problem(Problem),
}

/// Submits up to 1,000 jobs.
///
/// Each job is decided, stored and answered by itself: check every answer. Repeats are recognised by the
/// `idempotency_key` of each job, or by its content; the header `Idempotency-Key` is for single jobs.
#[utoipa::path(
    post, path = "/v1/requests/batch", tag = "requests",
    request_body = BatchBody,
    responses((status = 202, description = "An answer for each job, in order", body = BatchResult))
)]
pub(super) async fn submit_batch(
    State(api): State<Arc<ApiState>>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<BatchResult>), Problem> {
    caller.require(Scope::Send)?;
    if request.headers().contains_key(IDEMPOTENCY_KEY) {
        let detail =
            "a batch does not accept the header Idempotency-Key; give each job its own idempotency_key";
        return Err(Problem::bad_request(detail));
    }
    let _permit = api.batches.try_acquire().map_err(|_| Problem::unavailable(1))?;
    let body = extract::read(request, &api, BODY_BYTES_MAX).await?;
    let jobs = split(&body)?;
    ensure_company_is_known(&api, &caller).await?;
    let inbound_jobs: Vec<InboundJob> =
        jobs.into_iter().map(|job| inbound_job(&caller, PATH, None, job)).collect();
    let outcomes = api.jobs.submit_all(inbound_jobs).await.map_err(|_| Problem::unavailable(1))?;
    let items = outcomes.into_iter().map(|outcome| match answer(outcome, !caller.live) {
        Ok(accepted) => BatchItem::Request(accepted),
        Err(problem) => BatchItem::Problem(problem),
    });
    Ok((StatusCode::ACCEPTED, Json(BatchResult { answers: items.collect() })))
}

/// The bytes of each job, unparsed: intake judges them.
fn split(body: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
    let BatchBody { requests } = extract::parse_plain(body)?;
    if !(1..=JOBS_MAX).contains(&requests.len()) {
        let message = format!("the batch has {} jobs; send 1 to {JOBS_MAX}", requests.len());
        return Err(Problem::unprocessable([FieldProblem::new("requests", "bad_count", message)]));
    }
    Ok(requests.into_iter().map(|job| Box::<str>::from(job).into_string().into_bytes()).collect())
}
