//! `POST /v1/requests/{id}/pause`, `resume`, `cancel` and `retry`.
//!
//! Each is the person's until the message is begun; doing it twice changes nothing and says so. What is not
//! possible is a 409 whose type's last word is the reason.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::requests::one;
use crate::{
    api::{Api, Caller, Problem, Scope, extract, extract::Path, problem::FieldProblem},
    requests::actions::{
        action::{Action, ActionContext, ActionStatus, Outcome},
        retry::{ActionRequest, NOTE_MAX, REQUESTED_BY_MAX},
    },
};
use postrider_domain::ids::MessageId;

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}

/// What came of an act.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionResult {
    request_id: Uuid,
    /// A stable word: what holds now.
    result: &'static str,
    /// It was so before, and nothing was changed.
    already: bool,
    /// The same in words.
    detail: String,
    /// Of a retry: its message.
    message_id: Option<Uuid>,
}

/// Who wants a failed request sent once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryBody {
    /// The person who wants it; kept and shown.
    #[schema(min_length = 1, max_length = 200)]
    requested_by: String,
    /// Why; kept and shown.
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: Option<String>,
    /// Needed where an earlier attempt may have gone out: the customer may get it twice.
    #[serde(default)]
    acknowledge_possible_duplicate: bool,
    /// Only if this is the message that failed: a call that is repeated then makes no second retry.
    #[serde(default)]
    of: Option<Uuid>,
}

/// Stops what is still on its way, until it is resumed. It still expires.
#[utoipa::path(post, path = "/v1/requests/{id}/pause", tag = "requests",
    params(("id" = Uuid, Path, description = "The request's id")), responses(
    (status = 200, description = "It is paused, or the attempt under way is the last", body = ActionResult),
    (status = 404, description = "No request of the company has that id"),
    (status = 409, description = "Nothing of it is on its way")))]
async fn pause(
    state: State<Arc<Api>>,
    caller: Caller,
    id: Path<Uuid>,
) -> Result<Json<ActionResult>, Problem> {
    simple(Action::Pause, state, caller, id).await
}

/// Lets a paused request go on, if the rules still let it.
#[utoipa::path(post, path = "/v1/requests/{id}/resume", tag = "requests",
    params(("id" = Uuid, Path, description = "The request's id")), responses(
    (status = 200, description = "It is not paused any more", body = ActionResult),
    (status = 404, description = "No request of the company has that id"),
    (status = 409, description = "The rules keep it back, or it has ended")))]
async fn resume(
    state: State<Arc<Api>>,
    caller: Caller,
    id: Path<Uuid>,
) -> Result<Json<ActionResult>, Problem> {
    simple(Action::Resume, state, caller, id).await
}

/// Takes back what is not yet handed over.
#[utoipa::path(post, path = "/v1/requests/{id}/cancel", tag = "requests",
    params(("id" = Uuid, Path, description = "The request's id")), responses(
    (status = 200, description = "It is canceled", body = ActionResult),
    (status = 404, description = "No request of the company has that id"),
    (status = 409, description = "It is handed over, or has ended")))]
async fn cancel(
    state: State<Arc<Api>>,
    caller: Caller,
    id: Path<Uuid>,
) -> Result<Json<ActionResult>, Problem> {
    simple(Action::Cancel, state, caller, id).await
}

/// Sends a failed request once more, as a new message, on record.
#[utoipa::path(post, path = "/v1/requests/{id}/retry", tag = "requests", request_body = RetryBody,
    params(("id" = Uuid, Path, description = "The request's id")), responses(
    (status = 202, description = "A new message waits to be sent", body = ActionResult),
    (status = 200, description = "It was retried before", body = ActionResult),
    (status = 404, description = "No request of the company has that id"),
    (status = 409, description = "It did not fail, may have gone out, or is kept back; the type says which")))]
async fn retry(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    extract::Json(wish): extract::Json<RetryBody>,
) -> Result<(StatusCode, Json<ActionResult>), Problem> {
    caller.require(Scope::Manage)?;
    wish.check()?;
    let acted = apply(&api, &caller, Action::Retry, id, wish.wish(&caller)).await?;
    let status = if acted.already { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(acted)))
}

async fn simple(
    act: Action,
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<ActionResult>, Problem> {
    caller.require(Scope::Manage)?;
    let wish = ActionRequest {
        door: &caller.name,
        key: Some(caller.key),
        requested_by: "",
        note: None,
        acknowledged: false,
        of: None,
    };
    apply(&api, &caller, act, id, wish).await.map(Json)
}

impl RetryBody {
    fn check(&self) -> Result<(), Problem> {
        check_text("requested_by", &self.requested_by, 1, REQUESTED_BY_MAX)?;
        self.note.as_ref().map_or(Ok(()), |note| check_text("note", note, 0, NOTE_MAX))
    }

    fn wish<'a>(&'a self, caller: &'a Caller) -> ActionRequest<'a> {
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

/// One line of text of so many characters.
pub(super) fn check_text(field: &str, text: &str, min: usize, max: usize) -> Result<(), Problem> {
    let chars = text.trim().chars().count();
    if (min..=max).contains(&chars) && text.chars().count() <= max && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let message = format!("{min} to {max} characters on one line, without control characters, are allowed");
    Err(Problem::unprocessable([FieldProblem::new(field, "bad_text", message)]))
}

/// Acts on one of the caller's own requests.
async fn apply(
    api: &Api,
    caller: &Caller,
    act: Action,
    id: Uuid,
    wish: ActionRequest<'_>,
) -> Result<ActionResult, Problem> {
    let detail = one::find(api, caller, id).await?;
    if !caller.live && !detail.test {
        return Err(Problem::forbidden("a test key acts on test requests only; use a live key"));
    }
    let outcome = outcome(api, act, id, wish).await?;
    let Outcome { did, result, detail, message, problems } = outcome;
    match did {
        ActionStatus::Done | ActionStatus::Already => Ok(ActionResult {
            request_id: id,
            result,
            already: did == ActionStatus::Already,
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

/// What came of an act; trouble that is not the caller's is a 503.
pub(super) async fn outcome(
    api: &Api,
    act: Action,
    id: Uuid,
    wish: ActionRequest<'_>,
) -> Result<Outcome, Problem> {
    let context = ActionContext { ledger: &api.ledger, company_cache: &api.company_cache, keys: &api.keys };
    act.apply(context, id, wish).await.map_err(|error| {
        tracing::warn!(request = %id, error = %format!("{error:#}"), "an act was not done");
        Problem::unavailable(2)
    })
}
