//! `POST /v1/responses`: a customer answered.
//!
//! The same as over AMQP: kept, then counted for the requests that it names, before the answer comes. What
//! is refused here is told to whoever calls, and kept nowhere.

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

use crate::api::{Api, Caller, Problem, Scope, extract, problem::FieldProblem};
use crate::intake::{
    Acceptor, InboundJob,
    inbound::EntryPoint,
    responses::{ResponseOutcome, conflict_problem},
};
use postrider_domain::document;
use postrider_domain::job::{JobOrigin, parse::BODY_BYTES_MAX, response::parse_response_call};

const PATH: &str = "/v1/responses";

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(respond))
}

/// What a customer answered. Names the request or the interaction, one of the two.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "response_id": "survey-4711", "ext_interaction_id": "123456", "score": 5 }))]
pub struct ResponseBody {
    /// Whoever sends it made it; the same one again changes nothing.
    #[schema(min_length = 1, max_length = 255)]
    pub response_id: String,
    /// The request's id here, or its `former_id`.
    pub request_id: Option<Uuid>,
    /// The interaction: every request about it is completed, but for service recoveries.
    #[schema(min_length = 1, max_length = 255)]
    pub ext_interaction_id: Option<String>,
    /// Left out, or a time to come: now.
    pub answered_at: Option<DateTime<Utc>>,
    #[schema(minimum = 0, maximum = 1_000)]
    pub score: Option<u32>,
    #[schema(max_length = 2_000)]
    pub comment: Option<String>,
    /// At most 50, names of at most 64 characters, values of at most 2,000.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub custom_properties: Option<BTreeMap<String, String>>,
}

/// A response that is kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseView {
    pub id: Uuid,
    /// `completed`, or `waiting` for a request that is not known yet: kept for 30 days, and counted when the
    /// request comes.
    pub status: &'static str,
    /// The requests that it completes.
    pub request_ids: Vec<Uuid>,
    pub answered_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
}

/// Hands in what a customer answered.
///
/// The request shows as answered and nothing more is sent for it. It may not be known yet. The same
/// `response_id` again is answered as the first time; with another content it is a conflict.
#[utoipa::path(
    post, path = "/v1/responses", tag = "responses",
    request_body = ResponseBody,
    responses(
        (status = 200, description = "Kept, and counted for the requests that are known", body = ResponseView),
        (status = 409, description = "Another response with this response_id was taken before"),
    )
)]
async fn respond(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<Json<ResponseView>, Problem> {
    caller.require(Scope::Send)?;
    let body = extract::read(request, &api, BODY_BYTES_MAX).await?;
    parse_response_call(&body).map_err(refusal)?;
    super::submit::ensure_company_is_known(&api, &caller).await?;
    let inbound_job = InboundJob {
        body,
        company: Some(caller.slug.to_string()),
        routing: PATH.to_owned(),
        entry_point: EntryPoint::Http { test: !caller.live, manager: false },
        key: None,
        origin: JobOrigin::Automatic,
        suspect: None,
    };
    // By the web's own connections: what is read from the broker is not held up here.
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
            Problem::conflict("another response with this response_id was taken before; use a new id")
        }
        _ => return Problem::unprocessable(problems),
    };
    Problem { problems: problems.into_iter().map(FieldProblem::from).collect(), ..plain }
}
