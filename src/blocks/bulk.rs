//! Blocks in bulk: CSV files in, and the complete list out.
//!
//! `address,medium,reason` with a heading, in any order; `medium` and `reason` are optional. Every problem names its line.
//! An export can be imported again except for rows without an address: a block that the customer asked for is stored
//! as a hash only. `csv_rows` parses the rows and escapes formulas.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use crate::blocks::input::BlockInput;
use crate::csv_rows::{Columns, each_row, escape_formula};
use postrider_domain::{
    document::fields::Problems,
    hash_keys::IdentityKey,
    ids::{CompanyId, Medium},
};
use postrider_ledger::manual_blocks::{BlockRow, ManualBlock, kind_words};

/// The heading of an export.
pub const HEADING: &str = "id,medium,address,kinds,reason,source,blocked_at,changed_at\n";
/// Blocks that an export reads at once.
pub const PAGE: i64 = 1_000;

const COLUMNS: Columns = Columns {
    read: &["address", "medium", "reason"],
    required: &["address"],
    ignored: &["id", "kinds", "source", "blocked_at", "changed_at"],
};

/// The blocks of a file, one per address (its last row counts); `reason` is for rows without one. Every mistake is
/// added to `problems`.
pub fn from_csv(
    bytes: &[u8],
    reason: &str,
    keys: &IdentityKey,
    company: CompanyId,
    problems: &mut Problems,
) -> Vec<ManualBlock> {
    let mut blocks: HashMap<Uuid, ManualBlock> = HashMap::new();
    each_row(bytes, &COLUMNS, problems, |row, problems| {
        let input = BlockInput {
            address: row.cell(0).unwrap_or_default(),
            medium: row.cell(1),
            reason: row.cell(2).unwrap_or(reason),
        };
        match input.parse(keys, company) {
            Ok(block) => drop(blocks.insert(block.id, block)),
            Err(found) => {
                for problem in found {
                    let path = format!("{}.{}", row.place, problem.path);
                    problems.add(path, &problem.code, problem.message);
                }
            }
        }
    });
    blocks.into_values().collect()
}

/// The lines of an export, without the heading.
#[must_use]
pub fn to_csv(rows: &[BlockRow]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let medium = Medium::from_code(row.medium);
        let address = row.address.as_deref().unwrap_or_default();
        let cells = [
            row.id.to_string(),
            medium.map_or("unknown", Medium::as_str).to_owned(),
            match medium {
                // A phone number is no formula, and an escaped one is unreadable for other programs.
                Some(Medium::Sms) => address.to_owned(),
                Some(Medium::Email) | None => escape_formula(address),
            },
            kind_words(row.kinds).join(" "),
            escape_formula(row.note.as_deref().unwrap_or_default()),
            row.source.clone(),
            time(row.since),
            time(row.changed_at),
        ];
        writer.write_record(&cells).expect("a vector takes every record");
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(text: &str) -> Result<Vec<ManualBlock>, Vec<(String, String)>> {
        let keys = IdentityKey::new([7; 32]);
        let mut problems = Problems::default();
        let mut blocks = from_csv(text.as_bytes(), "from the old system", &keys, CompanyId(1), &mut problems);
        blocks.sort_by(|left, right| left.address.cmp(&right.address));
        let found = |problems: Vec<postrider_domain::document::Problem>| {
            problems.into_iter().map(|problem| (problem.path, problem.code)).collect()
        };
        problems.settle(Some(blocks)).map_err(found)
    }

    fn row(medium: Medium, address: &str, note: &str) -> BlockRow {
        BlockRow {
            id: Uuid::from_u128(7),
            medium: medium.code(),
            kinds: postrider_domain::ids::BlockKind::Manual.bit(),
            since: DateTime::UNIX_EPOCH,
            changed_at: DateTime::UNIX_EPOCH,
            source: "api".to_owned(),
            note: Some(note.to_owned()),
            address: Some(address.to_owned()),
        }
    }

    #[test]
    fn rows_are_read_by_their_heading_and_each_address_counts_once() {
        let text = "\u{feff}Reason,address\r\n\"asked, twice\",Jane@Example.com\r\n,+1 415 555 2671\r\n\
                    last,jane@example.com\r\n";
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
    fn what_looks_like_a_formula_goes_out_quoted_and_comes_in_as_it_was() {
        let rows = [
            row(Medium::Email, "=1+1@example.com", "=cmd"),
            row(Medium::Email, "'=2@example.com", "'quoted'"),
            row(Medium::Sms, "+14155552671", "-"),
        ];
        let text = format!("{HEADING}{}", to_csv(&rows));
        assert!(text.contains(",'=1+1@example.com,") && text.contains(",'=cmd,"), "{text}");
        assert!(text.contains(",''=2@example.com,") && text.contains(",+14155552671,"), "{text}");
        let back = import(&text).expect("is valid");
        let mut wanted: Vec<(String, String)> =
            rows.map(|row| (row.address.unwrap_or_default(), row.note.unwrap_or_default())).into();
        wanted.sort();
        let mut found: Vec<(String, String)> =
            back.into_iter().map(|block| (block.address, block.reason)).collect();
        found.sort();
        assert_eq!(found, wanted);
    }
}
