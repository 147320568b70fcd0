//! `/v1/blocks`: blocked addresses, looked up, added and lifted by hand.
//!
//! The id of a block is the keyed hash of its address: a caller that knows the address finds the block, and the id
//! discloses no address. An address is stored only for a block by hand. A block that the customer asked for (STOP,
//! unsubscribe, complaint) is lifted only with `acknowledge_opt_out`. Parsing and the views are in `crate::blocks`,
//! shared with the command line; bulk import and export are `blocks_csv`.

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
    page::{ItemPage, PageLimit, QueryText},
};
use crate::{
    api::{
        ApiState, Caller, Problem,
        extract::{self, Path, Query},
    },
    blocks::{
        input::{BlockInput, parse_address, parse_kinds},
        view::BlockView,
    },
};
use postrider_domain::ids::Medium;
use postrider_ledger::manual_blocks::{BlockFilter, BlockRow, Lift, Lifted, kind_words};

/// The latest time that the database compares with, in microseconds since 1970.
const YEAR_9999_MICROS: i64 = 253_402_300_799_999_999;

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, lift))
}

/// The filter of blocks.
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
    /// `next` of the previous page.
    #[param(value_type = Option<String>)]
    cursor: Option<QueryText>,
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: PageLimit,
}

/// The address to block.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewBlock)]
#[serde(deny_unknown_fields)]
pub struct BlockBody {
    /// An email address, or a phone number with `+` and country code.
    address: String,
    /// `email` or `sms`; absent: derived from the address.
    medium: Option<String>,
    /// The reason; stored with the block and in the audit entry.
    reason: String,
}

/// The options of lifting a block.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LiftQuery {
    /// The reason; stored in the audit entry.
    #[param(value_type = String)]
    reason: QueryText,
    /// Kinds to lift, separated by commas; absent: all.
    #[param(value_type = Option<String>)]
    kinds: Option<QueryText>,
    /// Required for a block that the customer asked for: confirms that the customer wants messages again.
    #[serde(default)]
    acknowledge_opt_out: bool,
}

/// The lifted kinds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiftedBlock)]
pub struct LiftedView {
    lifted: Vec<&'static str>,
    /// The kinds that still block the address; empty if none does.
    left: Vec<&'static str>,
}

/// Blocked addresses, newest first; with `address`, the block of that address.
#[utoipa::path(get, path = "/v1/blocks", tag = "settings", params(BlockQuery),
    responses((status = 200, description = "A page of blocks", body = ItemPage<BlockView>)))]
async fn list(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Query(query): Query<BlockQuery>,
) -> Result<Json<ItemPage<BlockView>>, Problem> {
    access::require_read(&caller)?;
    let id = match &query.address {
        Some(QueryText(text)) => {
            // A query string turns a plus sign into a space.
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
            read_cursor(cursor)
                .ok_or_else(|| Problem::bad_request("cursor: send the `next` of the previous page"))?,
        ),
        None => None,
    };
    let filter = BlockFilter { id, medium: query.medium, kinds, before, max: query.limit.fetch_limit() };
    let rows = api.reads.blocks_page(caller.company, &filter).await?;
    Ok(Json(ItemPage::new(rows, query.limit, cursor_of, BlockView::from)))
}

/// Blocks an address by hand.
#[utoipa::path(post, path = "/v1/blocks", tag = "settings", request_body = BlockBody, responses(
    (status = 200, description = "The address was blocked by hand before; its reason is replaced", body = BlockView),
    (status = 201, description = "The address is blocked", body = BlockView)))]
async fn add(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    extract::Json(body): extract::Json<BlockBody>,
) -> Result<Response, Problem> {
    let actor = access::require_change(&caller)?;
    let input = BlockInput { address: &body.address, medium: body.medium.as_deref(), reason: &body.reason };
    let block = input.parse(&api.keys.identity, caller.company).map_err(Problem::unprocessable)?;
    let id = block.id;
    let added = api.reads.block_manually(caller.company, &[block], "api", &actor).await?;
    let status = if added > 0 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(BlockView::from(find(&api, &caller, id).await?))).into_response())
}

/// One block.
#[utoipa::path(get, path = "/v1/blocks/{id}", tag = "settings", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The block", body = BlockView),
    (status = 404, description = "No such block")))]
async fn show(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Path(id): Path<Uuid>,
) -> Result<Json<BlockView>, Problem> {
    access::require_read(&caller)?;
    Ok(Json(BlockView::from(find(&api, &caller, id).await?)))
}

/// Lifts a block. A block at the provider (Twilio after STOP) is not lifted by this call.
#[utoipa::path(delete, path = "/v1/blocks/{id}", tag = "settings", params(("id" = Uuid, Path), LiftQuery), responses(
    (status = 200, description = "The lifted kinds, and those that remain", body = LiftedView),
    (status = 404, description = "No such block, or none of these kinds"),
    (status = 409, description = "The customer asked for the block; see acknowledge_opt_out")))]
async fn lift(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
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
            "the customer asked for this block ({}); nothing was lifted; send acknowledge_opt_out=true if the customer \
             wants messages again, or name other kinds",
            kind_words(opt_outs).join(", ")
        ))),
    }
}

async fn find(api: &ApiState, caller: &Caller, id: Uuid) -> Result<BlockRow, Problem> {
    let filter = BlockFilter { id: Some(id), max: 1, ..BlockFilter::default() };
    let rows = api.reads.blocks_page(caller.company, &filter).await?;
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
