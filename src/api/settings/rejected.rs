//! `/v1/rejected`: rejected jobs of the company, with every problem, and their replay.
//!
//! A replay follows the path of every job (`intake::replay`): the same rules and the same idempotency key, so that it may
//! be repeated. With `preview` it only evaluates the job. A body is personal data: only the details of one job contain
//! it. Jobs of an unknown company are handled by the operator (`postrider rejected`).

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
    page::{ItemPage, PageLimit, QueryText, QueryTime},
};
use crate::{
    api::{
        ApiState, Caller, Problem,
        extract::{self, Path, Query},
        problem::FieldProblem,
        submit::{call::ensure_company_is_known, submission_answer::DecisionView},
    },
    intake::{
        AcceptOutcome,
        preview::Preview,
        replay::{self, NotReplayable, Replayed},
    },
};
use postrider_ledger::rejected::{RejectedFilter, RejectedJob, RejectedRow};

/// Seconds to wait after a replay without a result.
const RETRY_AFTER_SECS: u64 = 2;

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(replay_job))
}

/// The filter of rejected jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RejectedQuery {
    /// Jobs with a problem of this code, such as `unknown_brand`.
    #[param(value_type = Option<String>)]
    code: Option<QueryText>,
    /// Jobs with a problem at exactly this field, such as `customer.email`; with `code`, a problem of both.
    #[param(value_type = Option<String>)]
    field: Option<QueryText>,
    /// Jobs last seen at this time or later: RFC 3339.
    #[param(value_type = Option<DateTime<Utc>>)]
    since: Option<QueryTime>,
    /// Include jobs that were replayed and accepted.
    #[serde(default)]
    replayed: bool,
    /// `next` of the previous page.
    cursor: Option<Uuid>,
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: PageLimit,
}

/// A rejected job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RejectedJob)]
pub struct RejectedView {
    id: Uuid,
    /// Entry point of the job.
    source: String,
    /// Routing key, or path of the call.
    routing: String,
    received_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    /// Number of times that the same job was rejected for the same problems.
    times: i32,
    body_bytes: i64,
    problems: Vec<FieldProblem>,
    /// The job was submitted with a test key or by a test user.
    test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed_at: Option<DateTime<Utc>>,
    /// Id of the request of the replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed_as: Option<Uuid>,
}

/// A rejected job with its body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RejectedJobDetails)]
pub struct RejectedJobView {
    #[serde(flatten)]
    row: RejectedView,
    /// Idempotency key of the header or of the AMQP message.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_key: Option<String>,
    body_sha256: String,
    /// The unchanged body; absent if it was too large to store.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Instead of `body`, if the body is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

/// The options of a replay.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = Replay)]
#[serde(deny_unknown_fields)]
pub struct ReplayBody {
    /// The corrected job; absent: the stored body.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    body: Option<serde_json::Map<String, serde_json::Value>>,
    /// Only evaluate the job; nothing is written.
    #[serde(default)]
    preview: bool,
}

/// The outcome of a replay, or of its preview.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplayResult)]
pub struct ReplayView {
    /// `accepted`, `duplicate` (the job was accepted before), `heard` (the job is a response of a customer, counted
    /// for this request if it is known), or in a preview also `rejected`.
    outcome: &'static str,
    preview: bool,
    /// Id of the request; absent in the preview of a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// The decision of the rules, in the preview of a new request.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionView>,
    /// The problems of the job, in a preview.
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

/// Rejected jobs of the company by the time of their first rejection, newest first.
#[utoipa::path(get, path = "/v1/rejected", tag = "settings", params(RejectedQuery),
    responses((status = 200, description = "A page of rejected jobs", body = ItemPage<RejectedView>)))]
async fn list(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Query(query): Query<RejectedQuery>,
) -> Result<Json<ItemPage<RejectedView>>, Problem> {
    access::require_read(&caller)?;
    let filter = RejectedFilter {
        code: query.code.map(|text| text.0),
        field: query.field.map(|text| text.0),
        since: query.since.map(|time| time.0),
        replayed: query.replayed,
        before: query.cursor,
        max: query.limit.fetch_limit(),
    };
    let rows = api.reads.rejected_jobs_page(caller.company, &filter).await?;
    Ok(Json(ItemPage::new(rows, query.limit, |row| row.id.to_string(), RejectedView::from)))
}

/// One rejected job with its body and all its problems.
#[utoipa::path(get, path = "/v1/rejected/{id}", tag = "settings", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The job", body = RejectedJobView),
    (status = 404, description = "No such job")))]
async fn show(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Path(id): Path<Uuid>,
) -> Result<Json<RejectedJobView>, Problem> {
    access::require_read(&caller)?;
    Ok(Json(RejectedJobView::from(find(&api, &caller, id).await?)))
}

/// Submits a rejected job again, unchanged or corrected. A repeat is safe: the job becomes one request.
#[utoipa::path(post, path = "/v1/rejected/{id}/replay", tag = "settings", params(("id" = Uuid, Path)),
    request_body = ReplayBody, responses(
    (status = 200, description = "The outcome of the replay, or of its preview", body = ReplayView),
    (status = 404, description = "No such job"),
    (status = 409, description = "The body was not stored, or the job is being replayed")))]
async fn replay_job(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Path(id): Path<Uuid>,
    extract::Json(replay_body): extract::Json<ReplayBody>,
) -> Result<Json<ReplayView>, Problem> {
    let actor = access::require_change(&caller)?;
    ensure_company_is_known(&api, &caller).await?;
    let job = find(&api, &caller, id).await?;
    let corrected = replay_body.body.map(|body| serde_json::Value::Object(body).to_string().into_bytes());
    let is_corrected = corrected.is_some();
    let inbound_job = match replay::inbound_job(&job, corrected, Some(caller.slug.to_string())) {
        Ok(inbound_job) => inbound_job,
        Err(NotReplayable::Done(request)) => {
            return Ok(Json(ReplayView { request: Some(request), ..view("duplicate", replay_body.preview) }));
        }
        Err(NotReplayable::NoBody | NotReplayable::NoCompany) => {
            return Err(Problem::conflict(
                "the body of the job was too large to store; send a smaller one as `body`",
            ));
        }
    };
    if replay_body.preview && replay::is_response(&job) {
        return Err(Problem::conflict(
            "the job is a response of a customer, which has no preview; replay it",
        ));
    }
    if replay_body.preview {
        let preview = api.acceptor.preview(&inbound_job, &api.public_base_url).await?;
        return Ok(Json(previewed(preview)));
    }
    // A task of its own: the replay is recorded even if the caller disconnects meanwhile.
    let acceptor = api.acceptor.clone();
    let task =
        tokio::spawn(async move { replay::replay(&acceptor, &job, inbound_job, is_corrected, &actor).await });
    match task.await.map_err(|_| Problem::unavailable(RETRY_AFTER_SECS))?? {
        Replayed::Answered(outcome) => replayed(outcome).map(Json),
        Replayed::ResponseOutcome(requests) => {
            Ok(Json(ReplayView { request: requests.first().copied(), ..view("heard", false) }))
        }
        Replayed::Refused(problems) => Err(Problem::unprocessable(problems)),
        Replayed::UnderWay => {
            Err(Problem::conflict("the job is being replayed, or was; read it again for the result"))
        }
    }
}

async fn find(api: &ApiState, caller: &Caller, id: Uuid) -> Result<RejectedJob, Problem> {
    api.reads.rejected_job(id, Some(caller.company)).await?.ok_or_else(Problem::not_found)
}

fn view(outcome: &'static str, preview: bool) -> ReplayView {
    ReplayView { outcome, preview, request: None, status: None, decision: None, problems: Vec::new() }
}

fn previewed(preview: Preview) -> ReplayView {
    match preview {
        Preview::Decided { request, .. } => {
            ReplayView { decision: Some(DecisionView::from(&request.decision)), ..view("accepted", true) }
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

fn replayed(outcome: AcceptOutcome) -> Result<ReplayView, Problem> {
    let result =
        |outcome, id, status| ReplayView { request: Some(id), status: Some(status), ..view(outcome, false) };
    match outcome {
        AcceptOutcome::Accepted { id, state, .. } => Ok(result("accepted", id, state.status().as_str())),
        AcceptOutcome::Duplicate { id, state, .. } => Ok(result("duplicate", id, state.status().as_str())),
        AcceptOutcome::Rejected { problems, .. } => Err(Problem::unprocessable(problems)),
    }
}
