//! `GET /v1/requests/{id}` and `…/why`: the details of one request, and the explanation of its status.
//!
//! A request of another company is answered like an unknown one.

use std::sync::Arc;

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    api::{ApiState, Caller, Problem, Scope, extract::Path},
    requests::views::{
        detail::RequestView,
        explain::{Explanation, explain},
    },
};
use postrider_ledger::requests::RequestDetail;

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(why))
}

/// One request with its messages, attempts and receipts.
#[utoipa::path(get, path = "/v1/requests/{id}", tag = "requests",
    params(("id" = Uuid, Path, description = "The request's id")), responses(
    (status = 200, description = "The request", body = RequestView),
    (status = 404, description = "No request of the company has that id")))]
async fn show(
    State(api): State<Arc<ApiState>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<RequestView>, Problem> {
    caller.require(Scope::Read)?;
    Ok(Json(RequestView::from(find(&api, &caller, id).await?)))
}

/// The finding of each rule, the events since, and the time at which the request could pass.
#[utoipa::path(get, path = "/v1/requests/{id}/why", tag = "requests",
    params(("id" = Uuid, Path, description = "The request's id")), responses(
    (status = 200, description = "The explanation", body = Explanation),
    (status = 404, description = "No request of the company has that id")))]
async fn why(
    State(api): State<Arc<ApiState>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Explanation>, Problem> {
    caller.require(Scope::Read)?;
    let detail = find(&api, &caller, id).await?;
    let why = explain(&api.ledger, Some((&api.company_cache, &api.keys)), &detail).await;
    why.map(Json).map_err(|error| {
        tracing::error!(request = %id, %error, "the stored decision of a request cannot be read, answered 503");
        Problem::unavailable(60)
    })
}

/// The request, if it belongs to the caller's company.
///
/// # Errors
/// 404 otherwise.
pub(super) async fn find(api: &ApiState, caller: &Caller, id: Uuid) -> Result<RequestDetail, Problem> {
    let detail = api.ledger.request(id).await?.filter(|detail| detail.company == caller.company);
    detail.ok_or_else(Problem::not_found)
}
