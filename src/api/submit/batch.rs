//! `POST /v1/requests/batch`: up to 1,000 jobs, each with its own answer.
//!
//! Each job's bytes are kept as they were written; one that is refused refuses no other.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::submit::{IDEMPOTENCY_KEY, submission_answer::AcceptedRequest};
use crate::{
    api::{Api, Caller, Problem, Scope, extract, problem::FieldProblem},
    intake::InboundJob,
};

const PATH: &str = "/v1/requests/batch";
const JOBS_MAX: usize = 1_000;
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Jobs to hand in together.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchBody {
    /// Each as the body of `POST /v1/requests`; what is wrong with one is told in its answer.
    #[schema(value_type = Vec<serde_json::Value>, min_items = 1, max_items = 1000)]
    requests: Vec<Box<RawValue>>,
}

/// One answer for each job, in order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchResult {
    answers: Vec<BatchItem>,
}

/// The request, or what is wrong with the job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BatchItem {
    Request(AcceptedRequest),
    Problem(Problem),
}

/// Hands in up to 1,000 requests.
///
/// Each is decided, kept and answered by itself: look at every answer. Repeats are recognised by the
/// `idempotency_key` of each job, or by its content; the header `Idempotency-Key` is for single requests.
#[utoipa::path(
    post, path = "/v1/requests/batch", tag = "requests",
    request_body = BatchBody,
    responses((status = 202, description = "Taken: an answer for each job, in order", body = BatchResult))
)]
pub(super) async fn submit_batch(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<BatchResult>), Problem> {
    caller.require(Scope::Send)?;
    if request.headers().contains_key(IDEMPOTENCY_KEY) {
        let detail = "a batch takes no Idempotency-Key; give each job its own idempotency_key";
        return Err(Problem::bad_request(detail));
    }
    let _slot = api.batches.try_acquire().map_err(|_| Problem::unavailable(1))?;
    let body = extract::read(request, &api, BODY_BYTES_MAX).await?;
    let jobs = split(&body)?;
    super::ensure_company_is_known(&api, &caller).await?;
    let arrivals: Vec<InboundJob> =
        jobs.into_iter().map(|job| super::inbound_job(&caller, PATH, None, job)).collect();
    let answers = api.jobs.submit_all(arrivals).await.map_err(|_| Problem::unavailable(1))?;
    let told =
        answers.into_iter().map(|answer| match super::submission_answer::answer(answer, !caller.live) {
            Ok(accepted) => BatchItem::Request(accepted),
            Err(problem) => BatchItem::Problem(problem),
        });
    Ok((StatusCode::ACCEPTED, Json(BatchResult { answers: told.collect() })))
}

/// The bytes of each job; what is inside of them is for intake to judge.
fn split(body: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
    let BatchBody { requests } = extract::parse_plain(body)?;
    if !(1..=JOBS_MAX).contains(&requests.len()) {
        let message = format!("{} jobs were sent; send 1 to {JOBS_MAX}", requests.len());
        return Err(Problem::unprocessable([FieldProblem::new("requests", "bad_count", message)]));
    }
    Ok(requests.into_iter().map(|job| Box::<str>::from(job).into_string().into_bytes()).collect())
}
