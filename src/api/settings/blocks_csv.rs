//! `/v1/blocks/import` and `/v1/blocks/export`: blocks in bulk, CSV in, all rows or none, and CSV out.
//!
//! Calls and bounds only: how a file is read and written is `blocks::bulk`, which the command line shares.
//! What goes out is read page by page, so that no company's list is held in memory.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::settings::{access, page::QueryText};
use crate::{
    api::{
        Api, Caller, Problem,
        extract::{self, Query},
    },
    blocks::bulk::{self, HEADING, PAGE},
    csv_rows::BYTES_MAX,
};
use postrider_domain::{document::fields::Problems, ids::CompanyId};
use postrider_ledger::manual_blocks::{BlockFilter, BlockRow};

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(import)).routes(routes!(export))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Of rows that give none.
    #[param(value_type = Option<String>)]
    reason: Option<QueryText>,
    /// Only check; nothing is written.
    #[serde(default)]
    preview: bool,
}

/// What was imported, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportView {
    preview: bool,
    /// Addresses in the file, each once.
    rows: usize,
    /// Not blocked by hand before; absent in a preview.
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<i64>,
}

/// Blocks up to 10,000 addresses by hand, all or none.
#[utoipa::path(post, path = "/v1/blocks/import", tag = "settings", params(ImportQuery),
    request_body(content = String, content_type = "text/csv",
        description = "A heading with address, and medium and reason where rows give them; then a line for each"),
    responses(
        (status = 200, description = "What was imported, or would be", body = ImportView),
        (status = 415, description = "The body is not text/csv in UTF-8")))]
async fn import(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Json<ImportView>, Problem> {
    let actor = access::require_change(&caller)?;
    let bytes = extract::read_as(&["text/csv"], request, &api, BYTES_MAX).await?;
    let reason = query.reason.map(|word| word.0).unwrap_or_default();
    let mut problems = Problems::default();
    let blocks = bulk::read(&bytes, &reason, &api.keys.identity, caller.company, &mut problems);
    let blocks = problems.settle(Some(blocks)).map_err(Problem::unprocessable)?;
    let rows = blocks.len();
    let added = match query.preview || blocks.is_empty() {
        true => None,
        false => Some(api.reads.block_manually(caller.company, &blocks, "import", &actor).await?),
    };
    Ok(Json(ImportView { preview: query.preview, rows, added }))
}

/// Everything that is blocked, as CSV; addresses only where they were blocked by hand.
#[utoipa::path(get, path = "/v1/blocks/export", tag = "settings",
    responses((status = 200, description = "One line for each block, the latest first", body = String,
        content_type = "text/csv")))]
async fn export(caller: Caller, State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    access::require_read(&caller)?;
    let first = page(&api, caller.company, None).await?;
    let start = (Some(HEADING.to_owned()), Some(first));
    let lines = stream::try_unfold(start, move |(heading, rows)| {
        let (api, company) = (Arc::clone(&api), caller.company);
        async move {
            let Some(rows) = rows else { return Ok::<_, Problem>(None) };
            let next = match rows.last().filter(|_| rows.len() as i64 == PAGE) {
                Some(last) => Some(page(&api, company, Some(last)).await?),
                None => None,
            };
            let text = heading.unwrap_or_default() + &bulk::to_csv(&rows);
            Ok(Some((Bytes::from(text), (None, next))))
        }
    });
    let lines = futures_util::TryStreamExt::map_err(lines, |problem: Problem| {
        // The answer has begun: it ends short, and its reader sees that.
        std::io::Error::other(problem.detail)
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"blocks.csv\""),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

async fn page(api: &Api, company: CompanyId, after: Option<&BlockRow>) -> Result<Vec<BlockRow>, Problem> {
    let before = after.map(|row| (row.since, row.id));
    let wish = BlockFilter { before, max: PAGE, ..BlockFilter::default() };
    Ok(api.reads.blocks_page(company, &wish).await?)
}
