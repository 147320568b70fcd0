//! `POST /v1/requests/{id}/pause`, `resume`, `cancel` and `retry`.
//!
//! An action is possible until the first attempt has begun; a repeated action changes nothing and says so. An
//! impossible action is a 409; the last part of its `type` is the reason.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::requests::one;
use crate::{
    api::{ApiState, Caller, Problem, Scope, extract, extract::Path, problem::FieldProblem},
    requests::actions::{
        action::{Action, ActionContext, ActionRequest},
        outcome::{ActionOutcome, ActionStatus},
        retry::{NOTE_MAX, REQUESTED_BY_MAX},
    },
};
use postrider_domain::ids::MessageId;

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}

/// The result of an action.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionResult {
    request_id: Uuid,
    /// A stable word for the state that holds now.
    result: &'static str,
    /// The state held before, and nothing was changed.
    already: bool,
    /// The result as a sentence.
    detail: String,
    /// The new message of a retry.
    message_id: Option<Uuid>,
}

/// The wish to send a failed request again.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Retry)]
#[serde(deny_unknown_fields)]
pub struct RetryBody {
    /// Name of the person that asks for the retry; stored and displayed.
    #[schema(min_length = 1, max_length = 200)]
    requested_by: String,
    /// The reason; stored and displayed.
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: Option<String>,
    /// Required if an earlier attempt may have been sent: the customer may receive the message twice.
    #[serde(default)]
    acknowledge_possible_duplicate: bool,
    /// Id of the failed message; a repeated call with it makes no second retry.
    #[serde(default)]
    of: Option<Uuid>,
}

/// Pauses a queued request until it is resumed. It still expires.
#[utoipa::path(post, path = "/v1/requests/{id}/pause", tag = "requests",
    params(("id" = Uuid, Path, description = "The request's id")), responses(
    (status = 200, description = "The request is paused; an attempt in flight is completed", body = ActionResult),
    (status = 404, description = "No request of the company has that id"),
    (status = 409, description = "The request is not queued any more")))]
async fn pause(
    state: State<Arc<ApiState>>,
    caller: Caller,
    id: Path<Uuid>,
) -> Result<Json<ActionResult>, Problem> {
    apply_without_body(Action::Pause, state, caller, id).await
}

/// Resumes a paused request if the rules still allow it.
#[utoipa::path(post, path = "/v1/requests/{id}/resume", tag = "requests",
    params(("id" = Uuid, Path, description = "The request's id")), responses(
    (status = 200, description = "The request is not paused any more", body = ActionResult),
    (status = 404, description = "No request of the company has that id"),
    (status = 409, description = "The rules suppress the request, or it has ended")))]
async fn resume(
    state: State<Arc<ApiState>>,
    caller: Caller,
    id: Path<Uuid>,
) -> Result<Json<ActionResult>, Problem> {
    apply_without_body(Action::Resume, state, caller, id).await
}

/// Cancels a request that is not yet handed to a provider.
#[utoipa::path(post, path = "/v1/requests/{id}/cancel", tag = "requests",
    params(("id" = Uuid, Path, description = "The request's id")), responses(
    (status = 200, description = "The request is canceled", body = ActionResult),
    (status = 404, description = "No request of the company has that id"),
    (status = 409, description = "The request is handed to a provider, or has ended")))]
async fn cancel(
    state: State<Arc<ApiState>>,
    caller: Caller,
    id: Path<Uuid>,
) -> Result<Json<ActionResult>, Problem> {
    apply_without_body(Action::Cancel, state, caller, id).await
}

/// Sends a failed request again, as a new message.
#[utoipa::path(post, path = "/v1/requests/{id}/retry", tag = "requests", request_body = RetryBody,
    params(("id" = Uuid, Path, description = "The request's id")), responses(
    (status = 202, description = "A new message waits to be sent", body = ActionResult),
    (status = 200, description = "The message was retried before", body = ActionResult),
    (status = 404, description = "No request of the company has that id"),
    (status = 409, description = "The request did not fail, may have been sent, or is suppressed; the type says which")))]
async fn retry(
    State(api): State<Arc<ApiState>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    extract::Json(body): extract::Json<RetryBody>,
) -> Result<(StatusCode, Json<ActionResult>), Problem> {
    caller.require(Scope::Manage)?;
    body.check()?;
    let result = apply(&api, &caller, Action::Retry, id, body.to_request(&caller)).await?;
    let status = if result.already { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(result)))
}

async fn apply_without_body(
    action: Action,
    State(api): State<Arc<ApiState>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<ActionResult>, Problem> {
    caller.require(Scope::Manage)?;
    let request = ActionRequest {
        door: &caller.name,
        key: Some(caller.key),
        requested_by: "",
        note: None,
        acknowledged: false,
        of: None,
    };
    apply(&api, &caller, action, id, request).await.map(Json)
}

impl RetryBody {
    fn check(&self) -> Result<(), Problem> {
        check_text("requested_by", &self.requested_by, 1, REQUESTED_BY_MAX)?;
        self.note.as_ref().map_or(Ok(()), |note| check_text("note", note, 0, NOTE_MAX))
    }

    fn to_request<'a>(&'a self, caller: &'a Caller) -> ActionRequest<'a> {
        ActionRequest {
            door: &caller.name,
            key: Some(caller.key),
            requested_by: self.requested_by.trim(),
            note: self.note.as_deref(),
            acknowledged: self.acknowledge_possible_duplicate,
            of: self.of.map(MessageId),
        }
    }
}

/// Requires one line of `min` to `max` characters.
///
/// # Errors
/// 422 with the field.
pub(super) fn check_text(field: &str, text: &str, min: usize, max: usize) -> Result<(), Problem> {
    let chars = text.trim().chars().count();
    if (min..=max).contains(&chars) && text.chars().count() <= max && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let message = format!("give one line of {min} to {max} characters without control characters");
    Err(Problem::unprocessable([FieldProblem::new(field, "bad_text", message)]))
}

/// Applies an action to a request of the caller's company.
async fn apply(
    api: &ApiState,
    caller: &Caller,
    action: Action,
    id: Uuid,
    request: ActionRequest<'_>,
) -> Result<ActionResult, Problem> {
    let detail = one::find(api, caller, id).await?;
    if !caller.live && !detail.test {
        return Err(Problem::forbidden("a test key changes test requests only; use a live key"));
    }
    let outcome = outcome(api, action, id, request).await?;
    let ActionOutcome { status, result, detail, message, problems } = outcome;
    match status {
        ActionStatus::Done | ActionStatus::Already => Ok(ActionResult {
            request_id: id,
            result,
            already: status == ActionStatus::Already,
            detail,
            message_id: message.map(|message| message.0),
        }),
        ActionStatus::Refused => Err(Problem {
            problems: problems.into_iter().map(FieldProblem::from).collect(),
            ..Problem::new(StatusCode::CONFLICT, result, detail)
        }),
        ActionStatus::Unknown => Err(Problem::not_found()),
    }
}

/// The outcome of an action.
///
/// # Errors
/// 503 for an error that the caller did not cause.
pub(super) async fn outcome(
    api: &ApiState,
    action: Action,
    id: Uuid,
    request: ActionRequest<'_>,
) -> Result<ActionOutcome, Problem> {
    let context = ActionContext { ledger: &api.ledger, company_cache: &api.company_cache, keys: &api.keys };
    action.apply(context, id, request).await.map_err(|error| {
        tracing::warn!(request = %id, error = %format!("{error:#}"), "action on a request failed, answered 503");
        Problem::unavailable(2)
    })
}
