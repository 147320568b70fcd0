//! `GET /v1/requests/{id}` and `…/why`: everything about one request, and why it stands as it does.
//!
//! Whose it is comes first: anybody else's request is answered like one that is not there.

use std::sync::Arc;

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    api::{Api, Caller, Problem, Scope, extract::Path},
    requests::views::{
        detail::RequestView,
        explain::{Explanation, explain},
    },
};
use postrider_ledger::requests::RequestDetail;

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(why))
}

/// One request with its messages, attempts and receipts.
#[utoipa::path(get, path = "/v1/requests/{id}", tag = "requests",
    params(("id" = Uuid, Path, description = "The request's id")), responses(
    (status = 200, description = "The request", body = RequestView),
    (status = 404, description = "No request of the company has that id")))]
async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<RequestView>, Problem> {
    caller.require(Scope::Read)?;
    Ok(Json(RequestView::from(find(&api, &caller, id).await?)))
}

/// What each rule found, what happened since, and when it could pass.
#[utoipa::path(get, path = "/v1/requests/{id}/why", tag = "requests",
    params(("id" = Uuid, Path, description = "The request's id")), responses(
    (status = 200, description = "The account", body = Explanation),
    (status = 404, description = "No request of the company has that id")))]
async fn why(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Explanation>, Problem> {
    caller.require(Scope::Read)?;
    let detail = find(&api, &caller, id).await?;
    let why = explain(&api.ledger, Some((&api.company_cache, &api.keys)), &detail).await;
    why.map(Json).map_err(|error| {
        tracing::error!(request = %id, error = %format!("{error:#}"), "a decision cannot be read");
        Problem::unavailable(60)
    })
}

/// The caller's own request; anybody else's is not there.
pub(super) async fn find(api: &Api, caller: &Caller, id: Uuid) -> Result<RequestDetail, Problem> {
    let detail = api.ledger.request(id).await?.filter(|detail| detail.company == caller.company);
    detail.ok_or_else(Problem::not_found)
}
