//! `POST /v1/responses`: the response of a customer to a feedback request.
//!
//! The same as over AMQP: a response is stored and counted for the requests that it names before the call is answered.
//! A refused response is reported to the caller and not stored.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::{
    ApiState, Caller, Problem, Scope, extract, problem::FieldProblem, submit::call::ensure_company_is_known,
};
use crate::intake::{
    Acceptor, InboundJob,
    inbound::EntryPoint,
    responses::{ResponseOutcome, conflict_problem},
};
use postrider_domain::document;
use postrider_domain::job::{JobOrigin, parse::BODY_BYTES_MAX, response::parse_response_call};

const PATH: &str = "/v1/responses";

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(respond))
}

/// The response of a customer. It names either the request or the interaction.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Response, example = json!({ "response_id": "survey-4711", "ext_interaction_id": "123456", "score": 5 }))]
pub struct ResponseBody {
    /// Unique id of the response, given by its sender; a repeat with the same content changes nothing.
    #[schema(min_length = 1, max_length = 255)]
    pub response_id: String,
    /// Id of the request, or its `former_id`.
    pub request_id: Option<Uuid>,
    /// Id of the interaction: completes every request about it except service recoveries.
    #[schema(min_length = 1, max_length = 255)]
    pub ext_interaction_id: Option<String>,
    /// The current time if absent or in the future.
    pub answered_at: Option<DateTime<Utc>>,
    #[schema(minimum = 0, maximum = 1_000)]
    pub score: Option<u32>,
    #[schema(max_length = 2_000)]
    pub comment: Option<String>,
    /// At most 50, names of at most 64 characters, values of at most 2,000.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub custom_properties: Option<BTreeMap<String, String>>,
}

/// A stored response.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StoredResponse)]
pub struct ResponseView {
    pub id: Uuid,
    /// `completed`, or `waiting` for a request that is not known yet: stored for 30 days and counted when the
    /// request arrives.
    pub status: &'static str,
    /// The requests that it completes.
    pub request_ids: Vec<Uuid>,
    pub answered_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
}

/// Submits the response of a customer.
///
/// The request becomes answered and nothing more is sent for it. It need not be known yet. A repeated `response_id`
/// gets the first answer; with different content it is a conflict.
#[utoipa::path(
    post, path = "/v1/responses", tag = "responses",
    request_body = ResponseBody,
    responses(
        (status = 200, description = "Stored, and counted for the requests that are known", body = ResponseView),
        (status = 409, description = "Another response with this response_id was accepted before"),
    )
)]
async fn respond(
    State(api): State<Arc<ApiState>>,
    caller: Caller,
    request: Request,
) -> Result<Json<ResponseView>, Problem> {
    caller.require(Scope::Send)?;
    let body = extract::read(request, &api, BODY_BYTES_MAX).await?;
    parse_response_call(&body).map_err(refusal)?;
    ensure_company_is_known(&api, &caller).await?;
    let inbound_job = InboundJob {
        body,
        company: Some(caller.slug.to_string()),
        routing: PATH.to_owned(),
        entry_point: EntryPoint::Http { test: !caller.live, manager: false },
        key: None,
        origin: JobOrigin::Automatic,
        suspect: None,
    };
    // The pool of the web role: a call does not delay the consumers of the broker.
    let acceptor = Acceptor { ledger: api.ledger.clone(), ..api.acceptor.clone() };
    match acceptor.accept_responses(&[inbound_job]).await?.pop() {
        Some(ResponseOutcome::Kept(kept)) => Ok(Json(ResponseView {
            id: kept.id,
            status: if kept.requests.is_empty() { "waiting" } else { "completed" },
            request_ids: kept.requests,
            answered_at: kept.answered_at,
            received_at: kept.received_at,
        })),
        Some(ResponseOutcome::Conflict(_)) => Err(refusal(vec![conflict_problem()])),
        Some(ResponseOutcome::Refused(_, problems)) => Err(refusal(problems)),
        None => Err(Problem::unavailable(1)),
    }
}

fn refusal(problems: Vec<document::Problem>) -> Problem {
    let plain = match problems.first().map_or("", |problem| problem.code.as_str()) {
        "not_json" => {
            Problem::new(StatusCode::BAD_REQUEST, "not_json", "the body is not JSON; send one response")
        }
        "conflict" => {
            Problem::conflict("another response with this response_id was accepted before; use a new id")
        }
        _ => return Problem::unprocessable(problems),
    };
    Problem { problems: problems.into_iter().map(FieldProblem::from).collect(), ..plain }
}
