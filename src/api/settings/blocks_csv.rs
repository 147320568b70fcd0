//! Blocks in bulk: CSV in, all rows or none, and CSV out.
//!
//! `address,medium,reason` with a heading, in any order, `medium` and `reason` optional; every problem is
//! named by its line. What goes out can come in again, but for rows without an address: what a customer
//! asked for is known by a hash only. Cells that a spreadsheet would take for a formula are quoted.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use chrono::SecondsFormat;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{access, blocks::Wanted, page::Word};
use crate::{
    api::{
        Api, Caller, Problem,
        body::{self, Query},
    },
    ledger::blocks_by_hand::{BlockRow, BlockWish, HandBlock, words},
    message::{CompanyId, Medium, fields::Problems, keys::IdentityKey},
};

const ROWS_MAX: usize = 10_000;
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
const EXPORT_PAGE: i64 = 1_000;
const COLUMNS: [&str; 3] = ["address", "medium", "reason"];
const EXPORTED: &str = "id,medium,address,kinds,reason,source,blocked_at,changed_at\n";

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(import)).routes(routes!(export))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Of rows that give none.
    #[param(value_type = Option<String>)]
    reason: Option<Word>,
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
    responses((status = 200, description = "What was imported, or would be", body = ImportView)))]
async fn import(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Json<ImportView>, Problem> {
    let actor = access::change(&caller)?;
    let bytes = body::read_as(&["text/csv"], request, &api, BODY_BYTES_MAX).await?;
    let reason = query.reason.map(|word| word.0).unwrap_or_default();
    let mut problems = Problems::default();
    let blocks = read(&bytes, &reason, &api.keys.identity, caller.company, &mut problems);
    let blocks = problems.settle(Some(blocks)).map_err(Problem::unprocessable)?;
    let rows = blocks.len();
    let added = match query.preview || blocks.is_empty() {
        true => None,
        false => Some(api.reads.block_by_hand(caller.company, &blocks, "import", &actor).await?),
    };
    Ok(Json(ImportView { preview: query.preview, rows, added }))
}

/// Everything that is blocked, as CSV; addresses only where they were blocked by hand.
#[utoipa::path(get, path = "/v1/blocks/export", tag = "settings",
    responses((status = 200, description = "One line for each block, the latest first", body = String,
        content_type = "text/csv")))]
async fn export(caller: Caller, State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    access::look(&caller)?;
    let first = page(&api, caller.company, None).await?;
    let start = (Some(EXPORTED.to_owned()), Some(first));
    let lines = stream::try_unfold(start, move |(heading, rows)| {
        let (api, company) = (Arc::clone(&api), caller.company);
        async move {
            let Some(rows) = rows else { return Ok::<_, Problem>(None) };
            let next = match rows.last().filter(|_| rows.len() as i64 == EXPORT_PAGE) {
                Some(last) => Some(page(&api, company, Some(last)).await?),
                None => None,
            };
            let text = heading.unwrap_or_default() + &written(&rows);
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
    let wish = BlockWish { before, max: EXPORT_PAGE, ..BlockWish::default() };
    Ok(api.reads.blocks_page(company, &wish).await?)
}

fn written(rows: &[BlockRow]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let cells = [
            row.id.to_string(),
            Medium::from_code(row.medium).map_or("unknown", Medium::word).to_owned(),
            row.address.clone().unwrap_or_default(),
            words(row.kinds).join(" "),
            harmless(row.note.as_deref().unwrap_or_default()),
            row.source.clone(),
            time(row.since),
            time(row.changed_at),
        ];
        writer.write_record(&cells).expect("a vector takes every record");
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// A spreadsheet takes a cell that begins so for a formula.
fn harmless(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

/// The blocks of a file, each address once (its last row counts); problems by line.
fn read(
    bytes: &[u8],
    reason: &str,
    keys: &IdentityKey,
    company: CompanyId,
    problems: &mut Problems,
) -> Vec<HandBlock> {
    // Spreadsheets write a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let columns = match reader.headers() {
        Ok(headings) => columns(headings, problems),
        Err(error) => {
            problems.add("line 1", "not_csv", told(&error));
            None
        }
    };
    let Some(columns) = columns else { return Vec::new() };
    let mut blocks: HashMap<uuid::Uuid, HandBlock> = HashMap::new();
    for (count, row) in reader.records().enumerate() {
        if count >= ROWS_MAX {
            problems.add(
                "",
                "too_many",
                format!("at most {ROWS_MAX} rows are taken at once; split the file"),
            );
            break;
        }
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                problems.add(format!("line {line}"), "not_csv", told(&error));
                continue;
            }
        };
        let line = row.position().map_or(0, csv::Position::line);
        let cell =
            |place: Option<usize>| place.and_then(|place| row.get(place)).filter(|cell| !cell.is_empty());
        let wanted = Wanted {
            address: cell(columns[0]).unwrap_or_default(),
            medium: cell(columns[1]),
            reason: cell(columns[2]).unwrap_or(reason),
        };
        match wanted.read(keys, company) {
            Ok(block) => drop(blocks.insert(block.id, block)),
            Err(found) => {
                for problem in found {
                    problems.add(format!("line {line}.{}", problem.path), &problem.code, problem.message);
                }
            }
        }
    }
    blocks.into_values().collect()
}

/// Where each of `COLUMNS` stands; other columns are ours when we wrote them, and else a mistake.
fn columns(headings: &csv::StringRecord, problems: &mut Problems) -> Option<[Option<usize>; 3]> {
    let find = |wanted: &str| headings.iter().position(|heading| heading.eq_ignore_ascii_case(wanted));
    let known = |heading: &str| {
        let ours = EXPORTED.trim_end().split(',').chain(COLUMNS);
        ours.into_iter().any(|known| known.eq_ignore_ascii_case(heading))
    };
    for heading in headings.iter().filter(|heading| !known(heading)) {
        let shown: String = heading.chars().filter(|letter| letter.is_alphanumeric()).take(40).collect();
        let message = format!("the column {shown:?} is unknown, known are {}", COLUMNS.join(", "));
        problems.add("line 1", "unknown_field", message);
    }
    if find("address").is_none() {
        problems.add("line 1", "missing", "the heading must name the column address");
        return None;
    }
    Some(COLUMNS.map(find))
}

/// Kind and place, never the text.
fn told(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "the line is not UTF-8; save the file as UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the line has {len} cells, its heading {expected_len}; quote cells that hold a comma")
        }
        _ => "the line is not CSV".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(text: &str) -> Result<Vec<HandBlock>, Vec<(String, String)>> {
        let keys = IdentityKey::new([7; 32]);
        let mut problems = Problems::default();
        let mut blocks = read(text.as_bytes(), "from the old system", &keys, CompanyId(1), &mut problems);
        blocks.sort_by(|left, right| left.address.cmp(&right.address));
        let found = |problems: Vec<crate::message::Problem>| {
            problems.into_iter().map(|problem| (problem.path, problem.code)).collect()
        };
        problems.settle(Some(blocks)).map_err(found)
    }

    #[test]
    fn rows_are_read_by_their_heading_and_each_address_counts_once() {
        let text = "\u{feff}Reason,address\r\n\"asked, twice\",Jane@Example.com\r\n,+1 415 555 2671\r\nlast,jane@example.com\r\n";
        let blocks = import(text).expect("is valid");
        let shown: Vec<(&str, Medium, &str)> = blocks
            .iter()
            .map(|block| (block.address.as_str(), block.medium, block.reason.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("+14155552671", Medium::Sms, "from the old system"),
                ("jane@example.com", Medium::Email, "last"),
            ]
        );
    }

    #[test]
    fn every_problem_is_named_by_its_line() {
        let text = "address,medium,reason\nx,,\na@b.example,fax,r\na@b.example\n\"two\nlines\",,x\n,sms,r\n";
        let found = import(text).expect_err("is refused");
        let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["line 2.address", "line 3.medium", "line 4", "line 5.address", "line 7.address"]);
        assert_eq!(import("name\nx\n").expect_err("is refused").len(), 2);
        assert_eq!(import("").expect_err("is refused")[0].1, "missing");
    }

    #[test]
    fn more_rows_than_the_bound_are_refused() {
        let rows: String = (0..=ROWS_MAX).map(|number| format!("a{number}@example.com\n")).collect();
        let found = import(&format!("address\n{rows}")).expect_err("is refused");
        assert_eq!(found, [(String::new(), "too_many".to_owned())]);
    }

    #[test]
    fn no_cell_goes_out_as_a_formula() {
        for text in ["=1+1", "+1", "-1", "@x"] {
            assert_eq!(harmless(text), format!("'{text}"));
        }
        assert_eq!(harmless("plain = text"), "plain = text");
    }
}
