//! `POST /v1/requests/bulk`: one action on all requests that match a filter, after a preview.
//!
//! Without `confirm` nothing is changed: the answer counts the requests, shows a sample and gives a confirmation. With
//! the confirmation and otherwise the same body, one batch is processed; the answer gives the next confirmation as long
//! as requests remain.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::requests::{actions::check_text, filter::RequestFilter};
use crate::{
    api::{ApiState, Caller, Problem, Scope, extract, problem::FieldProblem},
    requests::{
        actions::{
            action::{Action, ActionContext, ActionRequest},
            bulk::{self, BulkError, Plan},
            retry::{NOTE_MAX, REQUESTED_BY_MAX},
        },
        views::summary::RequestSummary,
    },
};
use postrider_ledger::list::ListFilter;

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(many))
}

/// One action on many requests.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = BulkAction)]
#[serde(deny_unknown_fields)]
pub struct BulkBody {
    act: Action,
    /// Filter of the requests; only those that the action can change are counted and processed.
    #[serde(deserialize_with = "extract::object")]
    filter: RequestFilter,
    /// Name of the person that asks, stored and displayed; required for a retry.
    #[serde(default)]
    #[schema(max_length = 200)]
    requested_by: Option<String>,
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: Option<String>,
    /// Retries also requests of which an earlier attempt may have been sent.
    #[serde(default)]
    acknowledge_possible_duplicate: bool,
    /// The confirmation of the preview, or of the previous batch; all other fields must be the same as there. It is
    /// valid for an hour, even after other actions on the same requests: do not repeat a call that was answered.
    #[serde(default)]
    #[schema(max_length = 200)]
    confirm: Option<String>,
}

/// The count of a preview, or the results of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkResult {
    /// Requests that remain to be processed.
    left: usize,
    /// The newest of them, in a preview.
    sample: Vec<RequestSummary>,
    /// Number of requests by result, in a batch.
    results: BTreeMap<&'static str, usize>,
    /// Each processed request with its result, in a batch.
    requests: Vec<BulkItem>,
    /// Confirmation for the next batch; absent if nothing remains.
    confirm: Option<String>,
}

/// The result of one request.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkItem {
    request_id: Uuid,
    result: &'static str,
    detail: String,
}

/// The fields that a confirmation is bound to.
#[derive(Serialize)]
struct SignedTerms<'a> {
    company: i32,
    live: bool,
    act: Action,
    filter: &'a RequestFilter,
    requested_by: Option<&'a str>,
    note: Option<&'a str>,
    acknowledge_possible_duplicate: bool,
}

/// Pauses, resumes, cancels or retries all requests that match a filter: first a preview, then by its confirmation.
#[utoipa::path(post, path = "/v1/requests/bulk", tag = "requests", request_body = BulkBody, responses(
    (status = 200, description = "The count of the preview, or the results of this batch", body = BulkResult),
    (status = 409, description = "The confirmation is for another body, or has expired")))]
async fn many(
    State(api): State<Arc<ApiState>>,
    caller: Caller,
    extract::Json(bulk): extract::Json<BulkBody>,
) -> Result<Json<BulkResult>, Problem> {
    caller.require(Scope::Manage)?;
    bulk.check()?;
    let mut filter: ListFilter = bulk.filter.to_ledger(caller.company)?;
    if !caller.live {
        // A test key changes test requests only; a filter for live ones matches nothing.
        filter.test =
            if filter.test == Some(false) { return Ok(Json(BulkResult::empty())) } else { Some(true) };
    }
    let terms = bulk.signed_terms(&caller);
    let plan = Plan { action: bulk.act, filter: &filter, request: bulk.to_request(&caller), signed: &terms };
    let answer = match &bulk.confirm {
        None => {
            let preview = bulk::preview(&api.reads, &api.keys, plan).await.map_err(refused)?;
            BulkResult {
                left: preview.count,
                sample: preview.sample.into_iter().map(RequestSummary::from).collect(),
                confirm: preview.confirm,
                ..BulkResult::empty()
            }
        }
        Some(confirm) => {
            let context =
                ActionContext { ledger: &api.reads, company_cache: &api.company_cache, keys: &api.keys };
            let batch = bulk::confirmed(context, plan, confirm).await.map_err(refused)?;
            BulkResult {
                left: batch.left,
                results: batch.results,
                requests: batch
                    .outcomes
                    .into_iter()
                    .map(|(request_id, outcome)| BulkItem {
                        request_id,
                        result: outcome.result,
                        detail: outcome.detail,
                    })
                    .collect(),
                confirm: batch.confirm,
                ..BulkResult::empty()
            }
        }
    };
    Ok(Json(answer))
}

impl BulkBody {
    fn check(&self) -> Result<(), Problem> {
        match (&self.requested_by, self.act) {
            (None, Action::Retry) => {
                let message = "give the name of the person that asks for the retry";
                return Err(Problem::unprocessable([FieldProblem::new("requested_by", "missing", message)]));
            }
            (Some(name), _) => check_text("requested_by", name, 1, REQUESTED_BY_MAX)?,
            (None, _) => {}
        }
        self.note.as_ref().map_or(Ok(()), |note| check_text("note", note, 0, NOTE_MAX))
    }

    fn to_request<'a>(&'a self, caller: &'a Caller) -> ActionRequest<'a> {
        ActionRequest {
            door: &caller.name,
            key: Some(caller.key),
            requested_by: self.requested_by.as_deref().unwrap_or_default().trim(),
            note: self.note.as_deref(),
            acknowledged: self.acknowledge_possible_duplicate,
            of: None,
        }
    }

    fn signed_terms(&self, caller: &Caller) -> Vec<u8> {
        let terms = SignedTerms {
            company: caller.company.0,
            live: caller.live,
            act: self.act,
            filter: &self.filter,
            requested_by: self.requested_by.as_deref(),
            note: self.note.as_deref(),
            acknowledge_possible_duplicate: self.acknowledge_possible_duplicate,
        };
        serde_json::to_vec(&terms).expect("plain data")
    }
}

impl BulkResult {
    fn empty() -> BulkResult {
        BulkResult {
            left: 0,
            sample: Vec::new(),
            results: BTreeMap::new(),
            requests: Vec::new(),
            confirm: None,
        }
    }
}

fn refused(error: BulkError) -> Problem {
    match error {
        BulkError::TooWide => {
            Problem::unprocessable([FieldProblem::new("filter", "too_wide", error.to_string())])
        }
        BulkError::NotConfirmed => Problem::new(StatusCode::CONFLICT, "not_confirmed", error.to_string()),
        BulkError::Failed(error) => {
            tracing::warn!(error = %format!("{error:#}"), "bulk action failed, answered 503");
            Problem::unavailable(2)
        }
    }
}
