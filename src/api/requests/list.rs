//! `GET /v1/requests`: the list that people know, newest first, a page at a time.
//!
//! A page may be short, even empty, and still have a `next_cursor`: a call looks at so many requests and no
//! longer than about a second. Only a page without one is the last.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::requests::filter::RequestFilter;
use crate::{
    api::{Api, Caller, Problem, Scope, extract::Query, problem::FieldProblem},
    requests::views::{page, summary::RequestSummary},
};

const LIMIT: i64 = 50;
const LIMIT_MAX: i64 = 200;

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most requests of the page, 50 where nothing is said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<String>,
}

/// The query string as a whole; see `RequestFilter` and `PageQuery`.
#[derive(Debug, Deserialize)]
struct ListQuery {
    #[serde(flatten)]
    paged: PageQuery,
    #[serde(flatten)]
    wanted: RequestFilter,
    /// What no field takes, or a field twice.
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

/// A page of requests.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestPage {
    requests: Vec<RequestSummary>,
    /// Where the next page goes on; absent on the last.
    next_cursor: Option<String>,
}

/// Requests, newest first. A page may be short and still have a `next_cursor`.
#[utoipa::path(get, path = "/v1/requests", tag = "requests", params(RequestFilter, PageQuery), responses(
    (status = 200, description = "A page", body = RequestPage),
    (status = 422, description = "A field of the query is not understood")))]
async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Query(asked): Query<ListQuery>,
) -> Result<Json<RequestPage>, Problem> {
    caller.require(Scope::Read)?;
    if !asked.rest.is_empty() {
        let message = "no such field of the query, or given twice; see the description";
        return Err(Problem::unprocessable(
            asked.rest.keys().map(|name| FieldProblem::new(name.clone(), "unknown_field", message)),
        ));
    }
    let filter = asked.wanted.filter(caller.company)?;
    let before = asked.paged.cursor.as_deref().map(cursor).transpose()?;
    let limit = asked.paged.limit.as_deref().map_or(Ok(LIMIT), limit)?;
    let page = page::fetch_page(&api.reads, &filter, before, limit).await?;
    Ok(Json(RequestPage {
        requests: page.rows.into_iter().map(RequestSummary::from).collect(),
        next_cursor: page.next.map(|id| id.simple().to_string()),
    }))
}

fn cursor(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text).map_err(|_| {
        let message = "send the next_cursor of the page before, or leave it out for the first page";
        Problem::unprocessable([FieldProblem::new("cursor", "bad_cursor", message)])
    })
}

fn limit(text: &str) -> Result<i64, Problem> {
    text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
        let message = format!("a number from 1 to {LIMIT_MAX} is allowed");
        Problem::unprocessable([FieldProblem::new("limit", "out_of_range", message)])
    })
}
