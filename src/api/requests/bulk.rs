//! `POST /v1/requests/bulk`: one act on all requests that fit a filter, after a preview.
//!
//! Without `confirm` nothing is done: the answer counts, shows a sample and gives a confirmation. With it, and
//! the same words, one batch is acted on; as long as the answer has a confirmation, the next call goes on.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::requests::{actions::check_text, filter::RequestFilter};
use crate::{
    api::{Api, Caller, Problem, Scope, extract, problem::FieldProblem},
    requests::{
        actions::{
            action::{Action, ActionContext},
            bulk::{self, BulkError, Plan},
            retry::{ActionRequest, NOTE_MAX, REQUESTED_BY_MAX},
        },
        views::summary::RequestSummary,
    },
};
use postrider_ledger::list::ListFilter;

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(many))
}

/// One act on many requests.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkBody {
    act: Action,
    /// Which requests; only those that the act can change are counted and hit.
    #[serde(deserialize_with = "extract::object")]
    filter: RequestFilter,
    /// The person who wants it, kept and shown; a retry needs one.
    #[serde(default)]
    #[schema(max_length = 200)]
    requested_by: Option<String>,
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: Option<String>,
    /// Of a retry: also those of which an earlier attempt may have gone out.
    #[serde(default)]
    acknowledge_possible_duplicate: bool,
    /// From the preview, or from the batch before; everything else must be said just as it was there. It holds
    /// for an hour, also after other acts on the same requests: do not send it again once it was answered.
    #[serde(default)]
    #[schema(max_length = 200)]
    confirm: Option<String>,
}

/// What it would hit, or what was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkResult {
    /// Requests that are still to be acted on.
    left: usize,
    /// Of a preview: the newest of them.
    sample: Vec<RequestSummary>,
    /// Of a batch: how many by result.
    results: BTreeMap<&'static str, usize>,
    /// Of a batch: each request and what came of it.
    requests: Vec<BulkItem>,
    /// To be sent back for the next batch; absent where nothing is left.
    confirm: Option<String>,
}

/// What came of one request.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkItem {
    request_id: Uuid,
    result: &'static str,
    detail: String,
}

/// What both the filter's company and the confirmation are bound to.
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

/// Pauses, resumes, cancels or retries all requests that fit: a preview first, then by its confirmation.
#[utoipa::path(post, path = "/v1/requests/bulk", tag = "requests", request_body = BulkBody, responses(
    (status = 200, description = "What it would hit, or what was done in this batch", body = BulkResult),
    (status = 409, description = "The confirmation is not for these words, or has had its time")))]
async fn many(
    State(api): State<Arc<Api>>,
    caller: Caller,
    extract::Json(bulk): extract::Json<BulkBody>,
) -> Result<Json<BulkResult>, Problem> {
    caller.require(Scope::Manage)?;
    bulk.check()?;
    let mut filter: ListFilter = bulk.filter.filter(caller.company)?;
    if !caller.live {
        // A test key reaches no customer: with live requests asked for, nothing fits.
        filter.test =
            if filter.test == Some(false) { return Ok(Json(BulkResult::none())) } else { Some(true) };
    }
    let said = bulk.said(&caller);
    let plan = Plan { act: bulk.act, filter: &filter, wish: bulk.wish(&caller), said: &said };
    let answer = match &bulk.confirm {
        None => {
            let preview = bulk::preview(&api.reads, &api.keys, plan).await.map_err(refused)?;
            BulkResult {
                left: preview.count,
                sample: preview.sample.into_iter().map(RequestSummary::from).collect(),
                confirm: preview.confirm,
                ..BulkResult::none()
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
                ..BulkResult::none()
            }
        }
    };
    Ok(Json(answer))
}

impl BulkBody {
    fn check(&self) -> Result<(), Problem> {
        match (&self.requested_by, self.act) {
            (None, Action::Retry) => {
                let message = "a retry needs the name of the person who wants it";
                return Err(Problem::unprocessable([FieldProblem::new("requested_by", "missing", message)]));
            }
            (Some(name), _) => check_text("requested_by", name, 1, REQUESTED_BY_MAX)?,
            (None, _) => {}
        }
        self.note.as_ref().map_or(Ok(()), |note| check_text("note", note, 0, NOTE_MAX))
    }

    fn wish<'a>(&'a self, caller: &'a Caller) -> ActionRequest<'a> {
        ActionRequest {
            door: &caller.name,
            key: Some(caller.key),
            requested_by: self.requested_by.as_deref().unwrap_or_default().trim(),
            note: self.note.as_deref(),
            acknowledged: self.acknowledge_possible_duplicate,
            of: None,
        }
    }

    fn said(&self, caller: &Caller) -> Vec<u8> {
        let said = SignedTerms {
            company: caller.company.0,
            live: caller.live,
            act: self.act,
            filter: &self.filter,
            requested_by: self.requested_by.as_deref(),
            note: self.note.as_deref(),
            acknowledge_possible_duplicate: self.acknowledge_possible_duplicate,
        };
        serde_json::to_vec(&said).expect("plain data")
    }
}

impl BulkResult {
    fn none() -> BulkResult {
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
            tracing::warn!(error = %format!("{error:#}"), "an act on many requests was not done");
            Problem::unavailable(2)
        }
    }
}
