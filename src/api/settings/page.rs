//! Pages of the settings lists, and the types of their query parameters.
//!
//! A cursor is the position of the last returned row in an immutable order: a row that is added meanwhile appears on the
//! first page, and no row is returned twice or left out.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use utoipa::ToSchema;

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 200;
/// Longest text in a query string, in characters.
const WORD_CHARS_MAX: usize = 320;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Page)]
pub struct ItemPage<T> {
    pub items: Vec<T>,
    /// Send it as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> ItemPage<T> {
    /// A page of rows that were fetched with [`PageLimit::fetch_limit`].
    pub fn new<R>(
        mut rows: Vec<R>,
        limit: PageLimit,
        cursor: impl Fn(&R) -> String,
        view: impl Fn(R) -> T,
    ) -> ItemPage<T> {
        let limit = usize::try_from(limit.0).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        ItemPage { items: rows.into_iter().map(view).collect(), next }
    }
}

/// Rows of a page, 1 to 200.
#[derive(Debug, Clone, Copy)]
pub struct PageLimit(i64);

impl Default for PageLimit {
    fn default() -> PageLimit {
        PageLimit(LIMIT_DEFAULT)
    }
}

impl PageLimit {
    /// Rows to fetch: one more than the page has, to see whether a next page exists.
    pub fn fetch_limit(self) -> i64 {
        self.0 + 1
    }
}

impl<'de> Deserialize<'de> for PageLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PageLimit, D::Error> {
        let limit = i64::deserialize(deserializer)?;
        match (1..=LIMIT_MAX).contains(&limit) {
            true => Ok(PageLimit(limit)),
            false => Err(D::Error::custom(format!("give a limit from 1 to {LIMIT_MAX}"))),
        }
    }
}

/// A text parameter that is safe for the database: bounded, not empty, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryText(pub String);

impl<'de> Deserialize<'de> for QueryText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<QueryText, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            return Err(D::Error::custom("the text is empty, leave the parameter out"));
        }
        if text.chars().count() > WORD_CHARS_MAX || text.chars().any(char::is_control) {
            return Err(D::Error::custom("the text is too long or contains a control character"));
        }
        Ok(QueryText(text))
    }
}

/// A time parameter in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryTime(pub DateTime<Utc>);

impl<'de> Deserialize<'de> for QueryTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<QueryTime, D::Error> {
        // A query string turns a plus sign into a space.
        let text = String::deserialize(deserializer)?.replace(' ', "+");
        let time = DateTime::parse_from_rfc3339(&text).map_err(|_| {
            D::Error::custom("give the time as RFC 3339 with its offset, as in 2026-03-01T09:00:00Z")
        })?;
        Ok(QueryTime(time.to_utc()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_page_says_where_to_go_on() {
        let page = |rows: Vec<i32>| ItemPage::new(rows, PageLimit(2), ToString::to_string, |row| row * 10);
        let (full, last) = (page(vec![3, 2, 1]), page(vec![1]));
        assert_eq!((full.items, full.next.as_deref()), (vec![30, 20], Some("2")));
        assert_eq!((last.items, last.next), (vec![10], None));
    }
}
