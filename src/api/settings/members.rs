//! `/v1/members`: team members one by one, by a stable id.
//!
//! The rules look team members up for every job: a change takes effect with the next job. `company` replaces all
//! members at once.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::settings::{
    access,
    page::{ItemPage, PageLimit, QueryText},
};
use crate::api::{
    ApiState, Caller, Problem,
    extract::{self, BODY_BYTES_MAX, Path, Query},
    problem::FieldProblem,
};
use postrider_domain::{
    company::{Member, json::read_patched_member, member::read_one_member},
    document::node::Node,
};
use postrider_ledger::{
    LedgerError,
    audit::Actor,
    members::{MemberChange, MemberChanged, MemberFilter, MemberRow},
};

const PATCH_KINDS: [&str; 2] = ["application/merge-patch+json", "application/json"];
/// Attempts of a patch that concurrent changes overtake.
const TRIES_MAX: usize = 5;

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, replace, patch, remove))
}

/// The filter of team members.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MemberQuery {
    /// Exactly this address; upper and lower case are equal.
    #[param(value_type = Option<String>)]
    email: Option<QueryText>,
    #[param(value_type = Option<String>)]
    custom_id: Option<QueryText>,
    approved: Option<bool>,
    /// `next` of the previous page.
    cursor: Option<Uuid>,
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: PageLimit,
}

/// A team member: the feedback of customers is about one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberView {
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// `member`, `leader` or `admin`.
    role: &'static str,
    approved: bool,
}

/// The fields of a team member: an email address, a custom id, or both.
#[derive(Debug, ToSchema)]
#[schema(as = MemberFields)]
#[expect(dead_code, reason = "the description of what company::file reads")]
pub struct MemberBody {
    email: Option<String>,
    custom_id: Option<String>,
    name: Option<String>,
    /// `member` (default), `leader` or `admin`.
    role: Option<String>,
    /// Default: true.
    approved: Option<bool>,
}

impl From<MemberRow> for MemberView {
    fn from(row: MemberRow) -> MemberView {
        let MemberRow { id, member } = row;
        let Member { email, custom_id, name, role, approved } = member;
        MemberView { id, email, custom_id, name, role: role.as_str(), approved }
    }
}

/// Team members, newest first.
#[utoipa::path(get, path = "/v1/members", tag = "settings", params(MemberQuery),
    responses((status = 200, description = "A page of members", body = ItemPage<MemberView>)))]
async fn list(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Query(query): Query<MemberQuery>,
) -> Result<Json<ItemPage<MemberView>>, Problem> {
    access::require_read(&caller)?;
    let filter = MemberFilter {
        email: query.email.map(|text| text.0),
        custom_id: query.custom_id.map(|text| text.0),
        approved: query.approved,
        before: query.cursor,
        max: query.limit.fetch_limit(),
    };
    let rows = api.reads.members_page(caller.company, &filter).await?;
    Ok(Json(ItemPage::new(rows, query.limit, |row| row.id.to_string(), MemberView::from)))
}

/// Adds a team member.
#[utoipa::path(post, path = "/v1/members", tag = "settings", request_body = MemberBody, responses(
    (status = 201, description = "The new member", body = MemberView),
    (status = 409, description = "Another member has the email address or the custom id")))]
async fn add(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    request: Request,
) -> Result<Response, Problem> {
    let actor = access::require_change(&caller)?;
    let member = read(request, &api).await?;
    let done = change(&api, &caller, &actor, postrider_clock::new_id(), MemberChange::Add(&member)).await?;
    Ok((StatusCode::CREATED, changed_member(done)?).into_response())
}

/// One team member.
#[utoipa::path(get, path = "/v1/members/{id}", tag = "settings", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The member", body = MemberView),
    (status = 404, description = "No such member")))]
async fn show(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Path(id): Path<Uuid>,
) -> Result<Json<MemberView>, Problem> {
    access::require_read(&caller)?;
    Ok(Json(MemberView::from(find(&api, &caller, id).await?)))
}

/// Replaces a team member; an absent field gets its default.
#[utoipa::path(put, path = "/v1/members/{id}", tag = "settings", params(("id" = Uuid, Path)),
    request_body = MemberBody, responses(
    (status = 200, description = "The changed member", body = MemberView),
    (status = 404, description = "No such member"),
    (status = 409, description = "Another member has the email address or the custom id, or the member was changed meanwhile")))]
async fn replace(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Path(id): Path<Uuid>,
    request: Request,
) -> Result<Json<MemberView>, Problem> {
    let actor = access::require_change(&caller)?;
    let member = read(request, &api).await?;
    let old = find(&api, &caller, id).await?.member;
    changed_member(change(&api, &caller, &actor, id, MemberChange::Replace(&old, &member)).await?)
}

/// Changes parts of a team member, by JSON merge patch (RFC 7396).
#[utoipa::path(patch, path = "/v1/members/{id}", tag = "settings", params(("id" = Uuid, Path)),
    request_body(content((MemberBody = "application/merge-patch+json"), (MemberBody = "application/json"))),
    responses(
    (status = 200, description = "The changed member", body = MemberView),
    (status = 404, description = "No such member"),
    (status = 409, description = "Another member has the email address or the custom id, or the member was changed meanwhile")))]
async fn patch(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Path(id): Path<Uuid>,
    request: Request,
) -> Result<Json<MemberView>, Problem> {
    let actor = access::require_change(&caller)?;
    let patch: Node =
        extract::parse(&extract::read_content(&PATCH_KINDS, request, &api, BODY_BYTES_MAX).await?)?;
    let mut tries = 0;
    loop {
        let old = find(&api, &caller, id).await?.member;
        let new = read_patched_member(&old, &patch).map_err(Problem::unprocessable)?;
        tries += 1;
        match change(&api, &caller, &actor, id, MemberChange::Replace(&old, &new)).await? {
            MemberChanged::Overtaken if tries < TRIES_MAX => {}
            done => return changed_member(done),
        }
    }
}

/// Removes a team member; later jobs that name the member are rejected.
#[utoipa::path(delete, path = "/v1/members/{id}", tag = "settings", params(("id" = Uuid, Path)), responses(
    (status = 204, description = "The member is removed"),
    (status = 404, description = "No such member")))]
async fn remove(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let actor = access::require_change(&caller)?;
    let done = change(&api, &caller, &actor, id, MemberChange::Remove).await?;
    changed_member(done).map(|_| StatusCode::NO_CONTENT)
}

async fn read(request: Request, api: &ApiState) -> Result<Member, Problem> {
    let node: Node = extract::parse(&extract::read(request, api, BODY_BYTES_MAX).await?)?;
    read_one_member(&node).map_err(Problem::unprocessable)
}

async fn find(api: &ApiState, caller: &Caller, id: Uuid) -> Result<MemberRow, Problem> {
    api.reads.member(caller.company, id).await?.ok_or_else(Problem::not_found)
}

async fn change(
    api: &ApiState,
    caller: &Caller,
    actor: &Actor,
    id: Uuid,
    change: MemberChange<'_>,
) -> Result<MemberChanged, Problem> {
    match api.reads.change_member(caller.company, id, change, actor, &api.keys.identity).await {
        Ok(changed) => Ok(changed),
        Err(LedgerError::Taken(constraint)) => {
            let field = if constraint.contains("email") { "email" } else { "custom_id" };
            let message =
                format!("another team member has this {field}; change that member, or give another {field}");
            let problems = vec![FieldProblem::new(field, "duplicate", message)];
            Err(Problem {
                problems,
                ..Problem::conflict(
                    "another team member has the same email address or custom id; nothing was changed",
                )
            })
        }
        Err(error) => Err(error.into()),
    }
}

fn changed_member(changed: MemberChanged) -> Result<Json<MemberView>, Problem> {
    match changed {
        MemberChanged::Done(row) => Ok(Json(MemberView::from(row))),
        MemberChanged::Unknown => Err(Problem::not_found()),
        MemberChanged::Overtaken => {
            Err(Problem::conflict("the member was changed meanwhile; read it again and repeat the change"))
        }
        MemberChanged::TooMany => Err(Problem::conflict(
            "the company has the largest allowed number of team members; remove some first",
        )),
    }
}
