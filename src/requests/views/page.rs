//! A page of the list, newest first, and where the next one goes on.
//!
//! A page is found by steps backwards along the key of company and id. It ends when it is full, when nothing
//! is left, or when its patience ends: then it may be short, even empty, and its cursor goes on where it
//! stopped. A cursor is an id: whatever arrives meanwhile, what was there at the first page is shown, and
//! nothing twice. What is committed late, with an id before the cursor, is on a page to come; with a later one
//! it shows to whoever begins anew, as all that is newer.

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

/// Requests that one step looks at; some tens of milliseconds.
const STEP: i64 = 2_000;
const STEPS_MAX: usize = 20;
/// No further step is begun after so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Ids carry their worker's time, `created_at` is the database's: their clocks differ by less.
const CLOCKS_APART: TimeDelta = TimeDelta::hours(1);

/// A page, and where the next one goes on; `None`: nothing is left.
#[derive(Debug, Default)]
pub struct Page {
    pub rows: Vec<ListRow>,
    pub next: Option<Uuid>,
    /// The database's time at the beginning.
    pub now: Option<DateTime<Utc>>,
}

/// The next page of at most `rows_max` rows, of requests before `before`.
pub async fn fetch_page(
    ledger: &Ledger,
    filter: &ListFilter,
    before: Option<Uuid>,
    rows_max: i64,
) -> Result<Page, LedgerError> {
    let began = postrider_clock::monotonic();
    let newest = filter.to.map_or(Uuid::max(), |to| lowest_id_at(to + CLOCKS_APART));
    let down_to = filter.from.map_or(Uuid::nil(), |from| lowest_id_at(from - CLOCKS_APART));
    let plain = *filter == ListFilter { company: filter.company, ..ListFilter::default() };
    let next = before.map_or(newest, |before| before.min(newest));
    let mut page = Page { next: Some(next), ..Page::default() };
    for _ in 0..STEPS_MAX {
        let (Some(before), left) = (page.next, rows_max - page.rows.len() as i64) else { break };
        // Where everything fits, no more is looked at than is shown.
        let looks_max = if plain { left } else { STEP };
        let step = Step { before, down_to, scan_max: looks_max, rows_max: left };
        let found = ledger.list_step(filter, step).await?;
        let full = found.rows.len() as i64 == left;
        page.next = match full {
            true => found.rows.last().map(|row| row.id),
            false => found.last.filter(|_| found.scanned == looks_max),
        };
        page.now = page.now.or(found.now);
        page.rows.extend(found.rows);
        if full || page.next.is_none() || began.elapsed() > PATIENCE {
            break;
        }
    }
    Ok(page)
}

/// What a text in the search box may mean. A name is sought only within a time, because many have it.
#[must_use]
pub fn search(text: &str, bounded: bool) -> Search {
    // A plus that a query string made a space.
    let dialled = match text.strip_prefix(' ') {
        Some(rest) if rest.starts_with(|first: char| first.is_ascii_digit()) => format!("+{rest}"),
        _ => text.to_owned(),
    };
    let text = text.trim();
    Search {
        email: normalise_email(text).unwrap_or_else(|_| text.to_owned()),
        phone: normalise_phone(&dialled, None).ok(),
        id: text.to_owned(),
        names: if bounded { spellings(text) } else { Vec::new() },
    }
}

/// A name as it may be spelt: the database may tell the case of ASCII letters only.
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
