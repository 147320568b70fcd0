//! `/v1/rejected`: jobs of the company that were refused, with every problem, and another try.
//!
//! A replay takes the way of every job (`intake::replay`): the same rules and the same key, so that it may
//! be repeated. With `preview` it only says what would happen. Bodies are personal data: only the one that
//! is asked for is given out. Jobs whose company was never known are the operator's (`postrider rejected`).

use std::sync::Arc;

use axum::{Json, extract::State};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::settings::{
    access,
    page::{Page, PageLimit, QueryText, QueryTime},
};
use crate::{
    api::{
        Api, Caller, Problem,
        extract::{self, Path, Query},
        problem::FieldProblem,
        submit::{self, submission_answer::DecisionView},
    },
    intake::{
        AcceptOutcome,
        preview::Preview,
        replay::{self, NotReplayable, Replayed},
    },
};
use postrider_ledger::rejected::{RejectedFilter, RejectedJob, RejectedRow};

/// After a replay that ended without an answer.
const AGAIN_SECS: u64 = 2;

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(replay_job))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RejectedQuery {
    /// With a problem of this code, such as `unknown_brand`.
    #[param(value_type = Option<String>)]
    code: Option<QueryText>,
    /// With a problem at exactly this field, such as `customer.email`; of that code where both are given.
    #[param(value_type = Option<String>)]
    field: Option<QueryText>,
    /// Seen since then: RFC 3339.
    #[param(value_type = Option<DateTime<Utc>>)]
    since: Option<QueryTime>,
    /// Also those that were replayed and taken.
    #[serde(default)]
    replayed: bool,
    /// `next` of the page before.
    cursor: Option<Uuid>,
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: PageLimit,
}

/// A refused job.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedView {
    id: Uuid,
    /// Through what it came.
    source: String,
    /// Routing key, or path.
    routing: String,
    received_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    /// How often the same job came with the same mistake.
    times: i32,
    body_bytes: i64,
    problems: Vec<FieldProblem>,
    /// It came through a test key or a test user.
    test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed_at: Option<DateTime<Utc>>,
    /// The request that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed_as: Option<Uuid>,
}

/// A refused job with its body.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedJobView {
    #[serde(flatten)]
    row: RejectedView,
    /// The idempotency key that came beside the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_key: Option<String>,
    body_sha256: String,
    /// As it came; absent where it was too large to keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Instead of `body` where that is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

/// How to hand it in again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayBody {
    /// The corrected job; left out: as it came.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    body: Option<serde_json::Map<String, serde_json::Value>>,
    /// Only say what would happen; nothing is written.
    #[serde(default)]
    preview: bool,
}

/// What became of a replay, or would.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayView {
    /// `accepted`, `duplicate` (the job is a request already), `heard` (it is a customer's response, of this
    /// request where that is known), or in a preview also `rejected`.
    outcome: &'static str,
    preview: bool,
    /// The request; absent in a preview of a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// What the rules say, in a preview of a new request.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionView>,
    /// What is wrong with it, in a preview.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<FieldProblem>,
}

impl From<RejectedRow> for RejectedView {
    fn from(row: RejectedRow) -> RejectedView {
        RejectedView {
            id: row.id,
            source: row.source,
            routing: row.routing,
            received_at: row.received_at,
            last_seen_at: row.last_seen_at,
            times: row.times,
            body_bytes: row.body_bytes,
            problems: row.problems.into_iter().map(FieldProblem::from).collect(),
            test: row.test,
            replayed_at: row.replayed_at,
            replayed_as: row.replayed_as,
        }
    }
}

impl From<RejectedJob> for RejectedJobView {
    fn from(job: RejectedJob) -> RejectedJobView {
        let (body, body_base64) = match job.body.map(String::from_utf8) {
            None => (None, None),
            Some(Ok(text)) => (Some(text), None),
            Some(Err(bytes)) => (None, Some(STANDARD.encode(bytes.as_bytes()))),
        };
        RejectedJobView {
            row: RejectedView::from(job.row),
            message_key: job.message_key,
            body_sha256: hex::encode(&job.body_sha256),
            body,
            body_base64,
        }
    }
}

/// Refused jobs of the company, by when each was first seen, the latest first.
#[utoipa::path(get, path = "/v1/rejected", tag = "settings", params(RejectedQuery),
    responses((status = 200, description = "A page of refused jobs", body = Page<RejectedView>)))]
async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Query(query): Query<RejectedQuery>,
) -> Result<Json<Page<RejectedView>>, Problem> {
    access::require_read(&caller)?;
    let wish = RejectedFilter {
        code: query.code.map(|word| word.0),
        field: query.field.map(|word| word.0),
        since: query.since.map(|moment| moment.0),
        replayed: query.replayed,
        before: query.cursor,
        max: query.limit.fetch_limit(),
    };
    let rows = api.reads.rejected_jobs_page(caller.company, &wish).await?;
    Ok(Json(Page::of(rows, query.limit, |row| row.id.to_string(), RejectedView::from)))
}

/// One refused job with its body and all its problems.
#[utoipa::path(get, path = "/v1/rejected/{id}", tag = "settings", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The job", body = RejectedJobView),
    (status = 404, description = "No such job")))]
async fn show(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(id): Path<Uuid>,
) -> Result<Json<RejectedJobView>, Problem> {
    access::require_read(&caller)?;
    Ok(Json(RejectedJobView::from(found(&api, &caller, id).await?)))
}

/// Hands a refused job in again, as it came or corrected. Repeating it is safe: it becomes one request.
#[utoipa::path(post, path = "/v1/rejected/{id}/replay", tag = "settings", params(("id" = Uuid, Path)),
    request_body = ReplayBody, responses(
    (status = 200, description = "What became of it, or would", body = ReplayView),
    (status = 404, description = "No such job"),
    (status = 409, description = "Its body was not kept, or somebody replays it just now")))]
async fn replay_job(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(id): Path<Uuid>,
    extract::Json(wish): extract::Json<ReplayBody>,
) -> Result<Json<ReplayView>, Problem> {
    let actor = access::require_change(&caller)?;
    submit::ensure_company_is_known(&api, &caller).await?;
    let job = found(&api, &caller, id).await?;
    let corrected = wish.body.map(|body| serde_json::Value::Object(body).to_string().into_bytes());
    let is_corrected = corrected.is_some();
    let inbound_job = match replay::arrival(&job, corrected, Some(caller.slug.to_string())) {
        Ok(inbound_job) => inbound_job,
        Err(NotReplayable::Done(request)) => {
            return Ok(Json(ReplayView { request: Some(request), ..view("duplicate", wish.preview) }));
        }
        Err(NotReplayable::NoBody | NotReplayable::NoCompany) => {
            return Err(Problem::conflict("its body was too large to keep; send a smaller one as `body`"));
        }
    };
    if wish.preview && replay::is_response(&job) {
        return Err(Problem::conflict("it is a customer's response, which has no preview; replay it"));
    }
    if wish.preview {
        let preview = api.acceptor.preview(&inbound_job, &api.public_base_url).await?;
        return Ok(Json(previewed(preview)));
    }
    // A task of its own: a caller that hangs up once the job is in does not keep that from being noted.
    let acceptor = api.acceptor.clone();
    let task =
        tokio::spawn(async move { replay::replay(&acceptor, &job, inbound_job, is_corrected, &actor).await });
    match task.await.map_err(|_| Problem::unavailable(AGAIN_SECS))?? {
        Replayed::Answered(answer) => answered(answer).map(Json),
        Replayed::ResponseOutcome(requests) => {
            Ok(Json(ReplayView { request: requests.first().copied(), ..view("heard", false) }))
        }
        Replayed::Refused(problems) => Err(Problem::unprocessable(problems)),
        Replayed::UnderWay => {
            Err(Problem::conflict("somebody replays it just now, or has; get it again to see what it became"))
        }
    }
}

async fn found(api: &Api, caller: &Caller, id: Uuid) -> Result<RejectedJob, Problem> {
    api.reads.rejected_job(id, Some(caller.company)).await?.ok_or_else(Problem::not_found)
}

fn view(outcome: &'static str, preview: bool) -> ReplayView {
    ReplayView { outcome, preview, request: None, status: None, decision: None, problems: Vec::new() }
}

fn previewed(preview: Preview) -> ReplayView {
    match preview {
        Preview::Decided { request, .. } => {
            ReplayView { decision: Some(DecisionView::of(&request.decision)), ..view("accepted", true) }
        }
        Preview::Duplicate { id, state, .. } => {
            ReplayView { request: Some(id), status: Some(state.status().as_str()), ..view("duplicate", true) }
        }
        Preview::Rejected(problems) | Preview::Unreadable(problems) => {
            let problems = problems.into_iter().map(FieldProblem::from).collect();
            ReplayView { problems, ..view("rejected", true) }
        }
    }
}

fn answered(answer: AcceptOutcome) -> Result<ReplayView, Problem> {
    let taken =
        |outcome, id, status| ReplayView { request: Some(id), status: Some(status), ..view(outcome, false) };
    match answer {
        AcceptOutcome::Accepted { id, state, .. } => Ok(taken("accepted", id, state.status().as_str())),
        AcceptOutcome::Duplicate { id, state, .. } => Ok(taken("duplicate", id, state.status().as_str())),
        AcceptOutcome::Rejected { problems, .. } => Err(Problem::unprocessable(problems)),
    }
}
