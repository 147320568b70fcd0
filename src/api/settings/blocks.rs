//! `/v1/blocks`: addresses that may not be written to; looked up, added and lifted by hand.
//!
//! A block's id is the keyed hash of its address: whoever knows the address finds it, nobody reads an
//! address out of it. Addresses stand here only where a person wrote them. What a customer asked for
//! (STOP, unsubscribe, complaint) is lifted only by who says that they know it. How a block is written and
//! shown is `crate::blocks`, which the command line shares; in bulk: `blocks_csv`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::settings::{
    access,
    page::{Page, PageLimit, QueryText},
};
use crate::{
    api::{
        Api, Caller, Problem,
        extract::{self, Path, Query},
    },
    blocks::{
        input::{BlockInput, parse_address, parse_kinds},
        view::BlockView,
    },
};
use postrider_domain::ids::Medium;
use postrider_ledger::manual_blocks::{BlockFilter, BlockRow, Lift, Lifted, kind_words};

/// What the database can compare with.
const YEAR_9999_MICROS: i64 = 253_402_300_799_999_999;

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, lift))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BlockQuery {
    /// Exactly this email address or phone number (`+` and country code).
    #[param(value_type = Option<String>)]
    address: Option<QueryText>,
    #[param(value_type = Option<String>)]
    medium: Option<Medium>,
    /// `stop`, `unsubscribed`, `complained`, `hard_bounced` or `blocked_by_hand`.
    #[param(value_type = Option<String>)]
    kind: Option<QueryText>,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<QueryText>,
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: PageLimit,
}

/// An address to block.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockBody {
    /// An email address, or a phone number with `+` and country code.
    address: String,
    /// `email` or `sms`; left out: as the address says.
    medium: Option<String>,
    /// Why; kept with the block and on record.
    reason: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LiftQuery {
    /// Why; kept on record.
    #[param(value_type = String)]
    reason: QueryText,
    /// Which kinds, with commas between; left out: all of them.
    #[param(value_type = Option<String>)]
    kinds: Option<QueryText>,
    /// The customer asked for the block, and you know that they want it lifted.
    #[serde(default)]
    acknowledge_opt_out: bool,
}

/// What was lifted.
#[derive(Debug, Serialize, ToSchema)]
pub struct LiftedView {
    lifted: Vec<&'static str>,
    /// What still blocks the address; empty: nothing does.
    left: Vec<&'static str>,
}

/// Blocked addresses, the latest first; by `address` whether that one is blocked.
#[utoipa::path(get, path = "/v1/blocks", tag = "settings", params(BlockQuery),
    responses((status = 200, description = "A page of blocks", body = Page<BlockView>)))]
async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Query(query): Query<BlockQuery>,
) -> Result<Json<Page<BlockView>>, Problem> {
    access::require_read(&caller)?;
    let id = match &query.address {
        Some(QueryText(text)) => {
            // A `+` in a query string is a blank, and nobody means one.
            let text = text.strip_prefix(' ').map_or_else(|| text.clone(), |digits| format!("+{digits}"));
            let (medium, address) = parse_address(&text, query.medium)
                .map_err(|problem| Problem::bad_request(format!("address: {}", problem.message)))?;
            Some(api.keys.identity.address_hash(caller.company, medium, &address))
        }
        None => None,
    };
    let kinds = match &query.kind {
        Some(QueryText(word)) => parse_kinds(word).map_err(Problem::bad_request)?,
        None => 0,
    };
    let before = match &query.cursor {
        Some(QueryText(cursor)) => Some(
            read_cursor(cursor).ok_or_else(|| Problem::bad_request("cursor: send `next` as it was given"))?,
        ),
        None => None,
    };
    let wish = BlockFilter { id, medium: query.medium, kinds, before, max: query.limit.fetch_limit() };
    let rows = api.reads.blocks_page(caller.company, &wish).await?;
    Ok(Json(Page::of(rows, query.limit, cursor_of, BlockView::from)))
}

/// Blocks an address by hand.
#[utoipa::path(post, path = "/v1/blocks", tag = "settings", request_body = BlockBody, responses(
    (status = 200, description = "It was blocked by hand before; the reason is the new one", body = BlockView),
    (status = 201, description = "It is blocked", body = BlockView)))]
async fn add(
    caller: Caller,
    State(api): State<Arc<Api>>,
    extract::Json(body): extract::Json<BlockBody>,
) -> Result<Response, Problem> {
    let actor = access::require_change(&caller)?;
    let wanted = BlockInput { address: &body.address, medium: body.medium.as_deref(), reason: &body.reason };
    let block = wanted.read(&api.keys.identity, caller.company).map_err(Problem::unprocessable)?;
    let id = block.id;
    let added = api.reads.block_manually(caller.company, &[block], "api", &actor).await?;
    let status = if added > 0 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(BlockView::from(found(&api, &caller, id).await?))).into_response())
}

/// One block.
#[utoipa::path(get, path = "/v1/blocks/{id}", tag = "settings", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The block", body = BlockView),
    (status = 404, description = "No such block")))]
async fn show(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(id): Path<Uuid>,
) -> Result<Json<BlockView>, Problem> {
    access::require_read(&caller)?;
    Ok(Json(BlockView::from(found(&api, &caller, id).await?)))
}

/// Lifts a block. A provider may block the address for itself (Twilio after STOP): that is not lifted here.
#[utoipa::path(delete, path = "/v1/blocks/{id}", tag = "settings", params(("id" = Uuid, Path), LiftQuery), responses(
    (status = 200, description = "What was lifted, and what still holds", body = LiftedView),
    (status = 404, description = "No such block, or none of these kinds"),
    (status = 409, description = "The customer asked for it; see acknowledge_opt_out")))]
async fn lift(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(id): Path<Uuid>,
    Query(query): Query<LiftQuery>,
) -> Result<Json<LiftedView>, Problem> {
    let actor = access::require_change(&caller)?;
    let kinds = match &query.kinds {
        Some(QueryText(words)) => parse_kinds(words).map_err(Problem::bad_request)?,
        None => i32::MAX,
    };
    let acknowledged = query.acknowledge_opt_out;
    let lift = Lift { id, kinds, reason: &query.reason.0, acknowledged };
    match api.reads.lift_manually(caller.company, &lift, &actor).await? {
        Lifted::Done { lifted, left } => {
            Ok(Json(LiftedView { lifted: kind_words(lifted), left: kind_words(left) }))
        }
        Lifted::Unknown => Err(Problem::not_found()),
        Lifted::Unacknowledged { opt_outs } => Err(Problem::conflict(format!(
            "the customer asked for it ({}); nothing was lifted; send acknowledge_opt_out=true if you know that \
             they want messages again, or name the other kinds",
            kind_words(opt_outs).join(", ")
        ))),
    }
}

async fn found(api: &Api, caller: &Caller, id: Uuid) -> Result<BlockRow, Problem> {
    let wish = BlockFilter { id: Some(id), max: 1, ..BlockFilter::default() };
    let rows = api.reads.blocks_page(caller.company, &wish).await?;
    rows.into_iter().next().ok_or_else(Problem::not_found)
}

fn cursor_of(row: &BlockRow) -> String {
    format!("{}.{}", row.since.timestamp_micros(), row.id.simple())
}

fn read_cursor(text: &str) -> Option<(DateTime<Utc>, Uuid)> {
    let (micros, id) = text.split_once('.')?;
    let micros: i64 = micros.parse().ok().filter(|micros| (0..=YEAR_9999_MICROS).contains(micros))?;
    Some((DateTime::from_timestamp_micros(micros)?, Uuid::try_parse(id).ok()?))
}
