//! A page of the list of requests, newest first, and the cursor of the next one.
//!
//! A page is collected in steps backwards along the key of company and id. It ends when it is full, when no request
//! remains, or after `TIMEOUT`: then it may be short, even empty, and its cursor continues there. A cursor is a request
//! id: requests that arrive meanwhile shift no later page, and none is returned twice. A request that is committed late
//! with an id before the cursor appears on a later page.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use postrider_domain::{
    address::{normalise_email, normalise_phone},
    ids::lowest_id_at,
};
use postrider_ledger::{
    Ledger, LedgerError,
    list::{ListFilter, ListRow, Search, Step},
};
use uuid::Uuid;

/// Requests that one step examines, in some tens of milliseconds.
const STEP: i64 = 2_000;
const STEPS_MAX: usize = 20;
/// Time after which no further step begins.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Bound of the difference between the clock of a worker (ids) and of the database (`created_at`).
const CLOCK_SKEW_MAX: TimeDelta = TimeDelta::hours(1);

/// A page of rows.
#[derive(Debug, Default)]
pub struct RowPage {
    pub rows: Vec<ListRow>,
    /// Cursor of the next page; `None` if no request remains.
    pub next: Option<Uuid>,
    /// Time of the database at the first step.
    pub now: Option<DateTime<Utc>>,
}

/// Fetches the page of at most `rows_max` rows with ids before `before`.
///
/// # Errors
/// The ledger cannot be read.
pub async fn fetch_page(
    ledger: &Ledger,
    filter: &ListFilter,
    before: Option<Uuid>,
    rows_max: i64,
) -> Result<RowPage, LedgerError> {
    let began = postrider_clock::monotonic();
    let newest = filter.to.map_or(Uuid::max(), |to| lowest_id_at(to + CLOCK_SKEW_MAX));
    let down_to = filter.from.map_or(Uuid::nil(), |from| lowest_id_at(from - CLOCK_SKEW_MAX));
    let plain = *filter == ListFilter { company: filter.company, ..ListFilter::default() };
    let next = before.map_or(newest, |before| before.min(newest));
    let mut page = RowPage { next: Some(next), ..RowPage::default() };
    for _ in 0..STEPS_MAX {
        let (Some(before), left) = (page.next, rows_max - page.rows.len() as i64) else { break };
        // Without a filter every examined request is a row.
        let scan_max = if plain { left } else { STEP };
        let step = Step { before, down_to, scan_max, rows_max: left };
        let found = ledger.list_step(filter, step).await?;
        let full = found.rows.len() as i64 == left;
        page.next = match full {
            true => found.rows.last().map(|row| row.id),
            false => found.last.filter(|_| found.scanned == scan_max),
        };
        page.now = page.now.or(found.now);
        page.rows.extend(found.rows);
        if full || page.next.is_none() || began.elapsed() > TIMEOUT {
            break;
        }
    }
    Ok(page)
}

/// The meanings of a search text. A name is searched only within a `bounded` time, because many customers share it.
#[must_use]
pub fn search(text: &str, bounded: bool) -> Search {
    // A query string turns a plus sign into a space.
    let phone = match text.strip_prefix(' ') {
        Some(rest) if rest.starts_with(|first: char| first.is_ascii_digit()) => format!("+{rest}"),
        _ => text.to_owned(),
    };
    let text = text.trim();
    Search {
        email: normalise_email(text).unwrap_or_else(|_| text.to_owned()),
        phone: normalise_phone(&phone, None).ok(),
        id: text.to_owned(),
        names: if bounded { spellings(text) } else { Vec::new() },
    }
}

/// The spellings of a name in upper and lower case: the database folds the case of ASCII letters only.
fn spellings(text: &str) -> Vec<String> {
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
        first + &letters.as_str().to_lowercase()
    };
    let words: Vec<String> = text.split(' ').map(capital).collect();
    let mut spellings = vec![text.to_owned(), text.to_lowercase(), text.to_uppercase(), words.join(" ")];
    spellings.sort_unstable();
    spellings.dedup();
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_searched_text_is_read_as_an_address_an_id_and_within_a_time_a_name() {
        let email = search(" Jane@Example.COM", false);
        assert_eq!((email.email.as_str(), email.phone), ("Jane@example.com", None));
        assert!(email.names.is_empty(), "many have a name");
        for text in ["+1 (415) 555-2671", " 14155552671"] {
            assert_eq!(search(text, false).phone.as_deref(), Some("+14155552671"), "{text}");
        }
        let name = search("émile Z", true);
        assert_eq!(name.id, "émile Z");
        assert_eq!(name.names, ["ÉMILE Z", "Émile Z", "émile Z", "émile z"]);
    }
}
