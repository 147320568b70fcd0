//! `/v1/members`: team members one by one, by an id that they keep.
//!
//! The rules look them up for every job: a change counts from the next one on. All at once they are
//! replaced with the company (`company`).

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
    page::{Page, PageLimit, QueryText},
};
use crate::api::{
    Api, Caller, Problem,
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
/// A patch starts over when somebody was faster, so often.
const TRIES_MAX: usize = 5;

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, replace, patch, remove))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MemberQuery {
    /// Exactly this address, in any case.
    #[param(value_type = Option<String>)]
    email: Option<QueryText>,
    #[param(value_type = Option<String>)]
    custom_id: Option<QueryText>,
    approved: Option<bool>,
    /// `next` of the page before.
    cursor: Option<Uuid>,
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: PageLimit,
}

/// A team member: whom customers are asked about.
#[derive(Debug, Serialize, ToSchema)]
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

/// A team member as sent: an email address, a custom id, or both.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the description of what company::file reads")]
pub struct MemberBody {
    email: Option<String>,
    custom_id: Option<String>,
    name: Option<String>,
    /// `member` (left out), `leader` or `admin`.
    role: Option<String>,
    /// Left out: true.
    approved: Option<bool>,
}

impl From<MemberRow> for MemberView {
    fn from(row: MemberRow) -> MemberView {
        let MemberRow { id, member } = row;
        let Member { email, custom_id, name, role, approved } = member;
        MemberView { id, email, custom_id, name, role: role.as_str(), approved }
    }
}

/// Team members, the latest first.
#[utoipa::path(get, path = "/v1/members", tag = "settings", params(MemberQuery),
    responses((status = 200, description = "A page of members", body = Page<MemberView>)))]
async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Query(query): Query<MemberQuery>,
) -> Result<Json<Page<MemberView>>, Problem> {
    access::require_read(&caller)?;
    let wish = MemberFilter {
        email: query.email.map(|word| word.0),
        custom_id: query.custom_id.map(|word| word.0),
        approved: query.approved,
        before: query.cursor,
        max: query.limit.fetch_limit(),
    };
    let rows = api.reads.members_page(caller.company, &wish).await?;
    Ok(Json(Page::of(rows, query.limit, |row| row.id.to_string(), MemberView::from)))
}

/// Adds a team member.
#[utoipa::path(post, path = "/v1/members", tag = "settings", request_body = MemberBody, responses(
    (status = 201, description = "The new member", body = MemberView),
    (status = 409, description = "Another member has the email address or the custom id")))]
async fn add(caller: Caller, State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let actor = access::require_change(&caller)?;
    let member = read(request, &api).await?;
    let done = change(&api, &caller, &actor, postrider_clock::new_id(), MemberChange::Add(&member)).await?;
    Ok((StatusCode::CREATED, settled(done)?).into_response())
}

/// One team member.
#[utoipa::path(get, path = "/v1/members/{id}", tag = "settings", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The member", body = MemberView),
    (status = 404, description = "No such member")))]
async fn show(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(id): Path<Uuid>,
) -> Result<Json<MemberView>, Problem> {
    access::require_read(&caller)?;
    Ok(Json(MemberView::from(found(&api, &caller, id).await?)))
}

/// Makes a team member what is sent; what is left out gets its default.
#[utoipa::path(put, path = "/v1/members/{id}", tag = "settings", params(("id" = Uuid, Path)),
    request_body = MemberBody, responses(
    (status = 200, description = "The member as it is now", body = MemberView),
    (status = 404, description = "No such member"),
    (status = 409, description = "Another member has the email address or the custom id, or somebody was faster")))]
async fn replace(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(id): Path<Uuid>,
    request: Request,
) -> Result<Json<MemberView>, Problem> {
    let actor = access::require_change(&caller)?;
    let member = read(request, &api).await?;
    let old = found(&api, &caller, id).await?.member;
    settled(change(&api, &caller, &actor, id, MemberChange::Replace(&old, &member)).await?)
}

/// Changes parts of a team member, by JSON merge patch (RFC 7396).
#[utoipa::path(patch, path = "/v1/members/{id}", tag = "settings", params(("id" = Uuid, Path)),
    request_body(content((MemberBody = "application/merge-patch+json"), (MemberBody = "application/json"))),
    responses(
    (status = 200, description = "The member as it is now", body = MemberView),
    (status = 404, description = "No such member"),
    (status = 409, description = "Another member has the email address or the custom id, or somebody was faster")))]
async fn patch(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(id): Path<Uuid>,
    request: Request,
) -> Result<Json<MemberView>, Problem> {
    let actor = access::require_change(&caller)?;
    let patch: Node = extract::parse(&extract::read_as(&PATCH_KINDS, request, &api, BODY_BYTES_MAX).await?)?;
    let mut tries = 0;
    loop {
        let old = found(&api, &caller, id).await?.member;
        let new = read_patched_member(&old, &patch).map_err(Problem::unprocessable)?;
        tries += 1;
        match change(&api, &caller, &actor, id, MemberChange::Replace(&old, &new)).await? {
            MemberChanged::Overtaken if tries < TRIES_MAX => {}
            done => return settled(done),
        }
    }
}

/// Takes a team member away; jobs that name them are rejected from then on.
#[utoipa::path(delete, path = "/v1/members/{id}", tag = "settings", params(("id" = Uuid, Path)), responses(
    (status = 204, description = "The member is gone"),
    (status = 404, description = "No such member")))]
async fn remove(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let actor = access::require_change(&caller)?;
    let done = change(&api, &caller, &actor, id, MemberChange::Remove).await?;
    settled(done).map(|_| StatusCode::NO_CONTENT)
}

async fn read(request: Request, api: &Api) -> Result<Member, Problem> {
    let node: Node = extract::parse(&extract::read(request, api, BODY_BYTES_MAX).await?)?;
    read_one_member(&node).map_err(Problem::unprocessable)
}

async fn found(api: &Api, caller: &Caller, id: Uuid) -> Result<MemberRow, Problem> {
    api.reads.member(caller.company, id).await?.ok_or_else(Problem::not_found)
}

async fn change(
    api: &Api,
    caller: &Caller,
    actor: &Actor,
    id: Uuid,
    change: MemberChange<'_>,
) -> Result<MemberChanged, Problem> {
    match api.reads.change_member(caller.company, id, change, actor, &api.keys.identity).await {
        Ok(changed) => Ok(changed),
        Err(LedgerError::Taken(constraint)) => {
            let field = if constraint.contains("email") { "email" } else { "custom_id" };
            let message = format!("another team member has this {field}; change that one, or give another");
            let problems = vec![FieldProblem::new(field, "duplicate", message)];
            Err(Problem { problems, ..Problem::conflict("nothing was changed: two members cannot be one") })
        }
        Err(error) => Err(error.into()),
    }
}

fn settled(changed: MemberChanged) -> Result<Json<MemberView>, Problem> {
    match changed {
        MemberChanged::Done(row) => Ok(Json(MemberView::from(row))),
        MemberChanged::Unknown => Err(Problem::not_found()),
        MemberChanged::Overtaken => {
            Err(Problem::conflict("somebody changed this member meanwhile; get it again, and change that"))
        }
        MemberChanged::TooMany => {
            Err(Problem::conflict("the company has as many team members as it may have; remove some"))
        }
    }
}
