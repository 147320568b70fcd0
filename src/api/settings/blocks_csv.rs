//! `/v1/blocks/import` and `/v1/blocks/export`: blocked addresses as CSV, imported all or none.
//!
//! Routes and limits only: `blocks::bulk` reads and writes the CSV for the command line too. The export is read page by
//! page, so that no complete list is held in memory.

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
        ApiState, Caller, Problem,
        extract::{self, Query},
    },
    blocks::bulk::{self, HEADING, PAGE},
    csv_rows::BYTES_MAX,
};
use postrider_domain::{document::fields::Problems, ids::CompanyId};
use postrider_ledger::manual_blocks::{BlockFilter, BlockRow};

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(import)).routes(routes!(export))
}

/// The options of an import.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Reason of the rows without one.
    #[param(value_type = Option<String>)]
    reason: Option<QueryText>,
    /// Only check the file; nothing is written.
    #[serde(default)]
    preview: bool,
}

/// The counts of an import, or of its preview.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BlockImport)]
pub struct ImportView {
    preview: bool,
    /// Distinct addresses in the file.
    rows: usize,
    /// Addresses that were not blocked by hand before; absent in a preview.
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<i64>,
}

/// Blocks up to 10,000 addresses by hand, all or none.
#[utoipa::path(post, path = "/v1/blocks/import", tag = "settings", params(ImportQuery),
    request_body(content = String, content_type = "text/csv",
        description = "A heading with `address` and optionally `medium` and `reason`, then one line per address"),
    responses(
        (status = 200, description = "The counts of the import, or of its preview", body = ImportView),
        (status = 415, description = "The body is not text/csv in UTF-8")))]
async fn import(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Json<ImportView>, Problem> {
    let actor = access::require_change(&caller)?;
    let bytes = extract::read_content(&["text/csv"], request, &api, BYTES_MAX).await?;
    let reason = query.reason.map(|text| text.0).unwrap_or_default();
    let mut problems = Problems::default();
    let blocks = bulk::from_csv(&bytes, &reason, &api.keys.identity, caller.company, &mut problems);
    let blocks = problems.settle(Some(blocks)).map_err(Problem::unprocessable)?;
    let rows = blocks.len();
    let added = match query.preview || blocks.is_empty() {
        true => None,
        false => Some(api.reads.block_manually(caller.company, &blocks, "import", &actor).await?),
    };
    Ok(Json(ImportView { preview: query.preview, rows, added }))
}

/// All blocks as CSV; only blocks by hand have an address.
#[utoipa::path(get, path = "/v1/blocks/export", tag = "settings",
    responses((status = 200, description = "One line per block, newest first", body = String,
        content_type = "text/csv")))]
async fn export(caller: Caller, State(api): State<Arc<ApiState>>) -> Result<Response, Problem> {
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
        // The response has begun: it ends early, which the client detects.
        std::io::Error::other(problem.detail)
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"blocks.csv\""),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

async fn page(
    api: &ApiState,
    company: CompanyId,
    after: Option<&BlockRow>,
) -> Result<Vec<BlockRow>, Problem> {
    let before = after.map(|row| (row.since, row.id));
    let filter = BlockFilter { before, max: PAGE, ..BlockFilter::default() };
    Ok(api.reads.blocks_page(company, &filter).await?)
}
