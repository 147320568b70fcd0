//! `GET /v1/requests`: the list of requests, newest first, by pages.
//!
//! A page may be short, even empty, and still have a `next_cursor`: a call examines a bounded number of requests for
//! about a second at most. Only a page without `next_cursor` is the last.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::requests::filter::RequestFilter;
use crate::{
    api::{ApiState, Caller, Problem, Scope, extract::Query, problem::FieldProblem},
    requests::views::{page, summary::RequestSummary},
};

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 200;

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The page to answer with.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
    /// Largest number of requests in the page; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<String>,
}

/// The complete query string: `RequestFilter` and `PageQuery`.
#[derive(Debug, Deserialize)]
struct ListQuery {
    #[serde(flatten)]
    paged: PageQuery,
    #[serde(flatten)]
    filter: RequestFilter,
    /// Unknown and repeated fields.
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

/// A page of requests.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestPage {
    requests: Vec<RequestSummary>,
    /// Cursor of the next page; absent on the last one.
    next_cursor: Option<String>,
}

/// Requests, newest first. A page may be short and still have a `next_cursor`.
#[utoipa::path(get, path = "/v1/requests", tag = "requests", params(RequestFilter, PageQuery), responses(
    (status = 200, description = "A page", body = RequestPage),
    (status = 422, description = "A field of the query is not valid")))]
async fn list(
    State(api): State<Arc<ApiState>>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<RequestPage>, Problem> {
    caller.require(Scope::Read)?;
    if !query.rest.is_empty() {
        let message = "the field is unknown or repeated; see /docs for the fields of this query";
        return Err(Problem::unprocessable(
            query.rest.keys().map(|name| FieldProblem::new(name.clone(), "unknown_field", message)),
        ));
    }
    let filter = query.filter.to_ledger(caller.company)?;
    let before = query.paged.cursor.as_deref().map(cursor).transpose()?;
    let limit = query.paged.limit.as_deref().map_or(Ok(LIMIT_DEFAULT), limit)?;
    let page = page::fetch_page(&api.reads, &filter, before, limit).await?;
    Ok(Json(RequestPage {
        requests: page.rows.into_iter().map(RequestSummary::from).collect(),
        next_cursor: page.next.map(|id| id.simple().to_string()),
    }))
}

fn cursor(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text).map_err(|_| {
        let message = "send the next_cursor of the previous page, or leave it out for the first page";
        Problem::unprocessable([FieldProblem::new("cursor", "bad_cursor", message)])
    })
}

fn limit(text: &str) -> Result<i64, Problem> {
    text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
        let message = format!("give a number from 1 to {LIMIT_MAX}");
        Problem::unprocessable([FieldProblem::new("limit", "out_of_range", message)])
    })
}
