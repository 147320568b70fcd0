//! Look-ups: queries about attempts with an unknown outcome, and the provider's results.
//!
//! PURE. A look-up never sends a message. `Absent` is as strong a statement as `Found`: it stands only if the
//! provider was queried to the end; every failure on the way is `Unclear`. The `lookup.rs` of each provider
//! builds the requests and reads the responses, its `client.rs` makes the calls.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use postrider_domain::ids::MessageId;

use super::{
    ReceiptKind,
    http_response::{HttpResponse, ResponseBody},
};

/// Largest difference between the clocks of the provider and the database.
pub(crate) const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);
/// Pages of one search. More pages mean that the provider ignored the filter; the result is `Unclear`.
pub(crate) const PAGES_MAX: usize = 10;
/// Longest path of a next page.
const PAGE_PATH_BYTES_MAX: usize = 8 * 1024;

/// One attempt to look up.
#[derive(Clone)]
pub struct LookupQuery {
    /// The message.
    pub message: MessageId,
    /// Number of the attempt.
    pub attempt: i16,
    /// Id of the request; the survey link in every text contains it.
    pub request: Uuid,
    /// The address that the message was sent to: an email address or an E.164 number.
    pub to: String,
    /// The provider's id of the message, if the response to the call had one.
    pub provider_id: Option<String>,
    /// Start of the attempt, by the database's clock.
    pub begun_at: DateTime<Utc>,
}

/// Omits the address and the provider's id: debug output ends in logs.
impl fmt::Debug for LookupQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LookupQuery")
            .field("message", &self.message)
            .field("attempt", &self.attempt)
            .field("request", &self.request)
            .field("begun_at", &self.begun_at)
            .finish_non_exhaustive()
    }
}

impl LookupQuery {
    /// Earliest time, by the provider's clock, of its record of the attempt.
    #[must_use]
    pub(crate) fn earliest(&self) -> DateTime<Utc> {
        self.begun_at - CLOCK_SKEW
    }
}

/// The provider's knowledge of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupResult {
    /// The provider has the message.
    Found(Proof),
    /// The provider was queried completely and does not have the message (yet).
    Absent,
    /// The provider was not queried, or not to the end: proves nothing.
    Unclear {
        /// For logs and metrics: `timeout`, `http_503`, `page_unusable`.
        code: String,
    },
}

impl LookupResult {
    /// `Unclear` with this code.
    #[must_use]
    pub fn unclear(code: impl Into<String>) -> LookupResult {
        LookupResult::Unclear { code: code.into() }
    }
}

/// The latest news of a message that the provider has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// `Accepted`, `Delivered` or `Failed`; no other kind.
    pub kind: ReceiptKind,
    /// The provider's code, as receipts show it: `30003`, `5.1.1`.
    pub code: Option<String>,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
}

impl Proof {
    /// A proof from any news of a message: news that is not final proves `Accepted`.
    #[must_use]
    pub fn new(kind: ReceiptKind, code: Option<String>, provider_id: Option<String>) -> Proof {
        let kind = match kind {
            ReceiptKind::Delivered | ReceiptKind::Failed { .. } => kind,
            ReceiptKind::Accepted
            | ReceiptKind::Unwanted { .. }
            | ReceiptKind::Stop { .. }
            | ReceiptKind::Start { .. }
            | ReceiptKind::Ignored => ReceiptKind::Accepted,
        };
        Proof { kind, code, provider_id }
    }

    /// Whether the message was delivered or failed.
    #[must_use]
    pub(crate) fn is_final(&self) -> bool {
        self.rank() > 0
    }

    /// The later one of two proofs of the same message; `other` if their ranks are equal.
    #[must_use]
    pub(crate) fn or_later(self, other: Proof) -> Proof {
        if other.rank() >= self.rank() { other } else { self }
    }

    /// Order in time: a failure beside a delivery is a late bounce, because one recipient has one final state.
    fn rank(&self) -> u8 {
        match &self.kind {
            ReceiptKind::Failed { block: Some(_) } => 3,
            ReceiptKind::Failed { block: None } => 2,
            ReceiptKind::Delivered => 1,
            _ => 0,
        }
    }
}

/// Parses the JSON of a complete response with status 200.
///
/// # Errors
///
/// `Unclear` for any other response.
pub(crate) fn parse_json<'a, T: Deserialize<'a>>(response: &'a HttpResponse) -> Result<T, LookupResult> {
    match (response.status, &response.body) {
        (200, ResponseBody::Complete(bytes)) => {
            serde_json::from_slice(bytes).map_err(|_| LookupResult::unclear("http_200_unreadable"))
        }
        (200, ResponseBody::Incomplete) => Err(LookupResult::unclear("http_200_cut")),
        (status, _) => Err(LookupResult::unclear(format!("http_{status}"))),
    }
}

/// Path and query of a next page, to be requested from the account's own base URL. Scheme and host of `url` are
/// dropped, so that no response can send the credentials to another host.
///
/// # Errors
///
/// `Unclear` if `url` has no path or is too long: the pages from there on were not seen.
pub(crate) fn page_path(url: &str) -> Result<String, LookupResult> {
    let path = if url.starts_with('/') {
        Some(url.to_owned())
    } else {
        Url::parse(url).ok().map(|url| match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        })
    };
    path.filter(|path| path.starts_with('/') && path.len() <= PAGE_PATH_BYTES_MAX)
        .ok_or_else(|| LookupResult::unclear("page_unusable"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_domain::ids::BlockKind;
    use proptest::prelude::*;

    fn proof(kind: ReceiptKind, code: &str) -> Proof {
        Proof::new(kind, Some(code.to_owned()), None)
    }

    #[test]
    fn the_address_is_not_printed() {
        let query = LookupQuery {
            message: MessageId(Uuid::from_u128(1)),
            attempt: 2,
            request: Uuid::from_u128(3),
            to: "zoe@customer.example".to_owned(),
            provider_id: Some("zoe@customer.example".to_owned()),
            begun_at: DateTime::UNIX_EPOCH,
        };
        let printed = format!("{query:?}");
        assert!(!printed.contains("zoe") && printed.contains("attempt: 2"), "{printed}");
    }

    #[test]
    fn the_latest_proof_counts_in_any_order() {
        let block = Some(BlockKind::HardBounced);
        let ladder = [
            proof(ReceiptKind::Accepted, "a"),
            proof(ReceiptKind::Delivered, "b"),
            proof(ReceiptKind::Failed { block: None }, "c"),
            proof(ReceiptKind::Failed { block }, "d"),
        ];
        for (index, earlier) in ladder.iter().enumerate() {
            for later in &ladder[index..] {
                assert_eq!(earlier.clone().or_later(later.clone()), *later);
                assert_eq!(later.clone().or_later(earlier.clone()), *later);
            }
            assert_eq!(earlier.is_final(), index > 0);
        }
        let later = proof(ReceiptKind::Accepted, "later");
        assert_eq!(ladder[0].clone().or_later(later.clone()), later);
    }

    #[test]
    fn any_news_proves_at_least_that_the_provider_has_it() {
        for kind in [
            ReceiptKind::Ignored,
            ReceiptKind::Unwanted { block: BlockKind::Complained },
            ReceiptKind::Stop { address: String::new() },
        ] {
            assert_eq!(proof(kind, "x").kind, ReceiptKind::Accepted);
        }
    }

    #[test]
    fn only_path_and_query_of_a_next_page_are_used() {
        for (url, path) in [
            ("/2010/Messages.json?Page=1&u=http://x", Some("/2010/Messages.json?Page=1&u=http://x")),
            ("https://elsewhere.example/v3/d/events/Wy?a=b#c", Some("/v3/d/events/Wy?a=b")),
            ("https://user:word@elsewhere.example:81/v3/d", Some("/v3/d")),
            ("https://elsewhere.example", Some("/")),
            ("//elsewhere.example/x", Some("//elsewhere.example/x")),
            ("@elsewhere.example/x", None),
            ("elsewhere.example/x", None),
            (".elsewhere.example", None),
            ("mailto:a@b.example", None),
            ("", None),
        ] {
            assert_eq!(page_path(url).ok().as_deref(), path, "{url}");
        }
        assert!(page_path(&format!("/{}", "x".repeat(PAGE_PATH_BYTES_MAX))).is_err(), "too long");
    }

    proptest! {
        /// The path is put behind the base URL as text: whatever it is, the host stays the base's.
        #[test]
        fn no_page_leads_to_another_host(url in "(https?://)?.*") {
            if let Ok(path) = page_path(&url) {
                let asked = Url::parse(&format!("https://api.example{path}"));
                prop_assert!(asked.is_ok_and(|url| url.host_str() == Some("api.example")), "{}", path);
            }
        }

        #[test]
        fn any_answer_is_read_without_a_panic(status in 100u16..600, body: Vec<u8>) {
            let response =
                HttpResponse { status, retry_after: None, rate_limit_reset: None, body: ResponseBody::Complete(body) };
            let read = parse_json::<Vec<u8>>(&response);
            prop_assert!(status == 200 || read.is_err());
        }
    }
}
