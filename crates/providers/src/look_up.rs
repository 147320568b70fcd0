//! What is asked of a provider about attempts whose outcome is unknown, and what it says of them.
//!
//! PURE. A look-up never sends anything. `Absent` is a claim of its own: it stands only where the
//! provider was asked to the end; whatever came in between says nothing, and is `Unclear`. Each
//! provider's `look_up.rs` builds the questions and reads the answers, its `client.rs` asks.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use postrider_domain::ids::MessageId;

use super::{
    ReceiptKind,
    answer::{Answer, Body},
};

/// How far the provider's clock and the database's may differ.
pub const SKEW: TimeDelta = TimeDelta::minutes(5);
/// More pages than this are another mistake (a filter that is not heeded), and no answer.
pub const PAGES_MAX: usize = 10;
/// Longest URL of a page that is followed.
const PAGE_BYTES_MAX: usize = 8 * 1024;

/// An attempt whose truth is sought at its provider.
#[derive(Clone)]
pub struct LookupQuery {
    pub message: MessageId,
    pub attempt: i16,
    /// The request's id, which every text carries in its survey link.
    pub request: Uuid,
    /// Where it went: an email address or an E.164 number.
    pub to: String,
    /// Where the call's answer told it.
    pub provider_id: Option<String>,
    /// When the attempt was begun, by the database's clock.
    pub begun_at: DateTime<Utc>,
}

/// Without the address: what is printed for debugging ends in logs.
impl fmt::Debug for LookupQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sought")
            .field("message", &self.message)
            .field("attempt", &self.attempt)
            .field("request", &self.request)
            .field("begun_at", &self.begun_at)
            .finish_non_exhaustive()
    }
}

impl LookupQuery {
    /// The provider's record of the attempt can be no older than this.
    #[must_use]
    pub fn since(&self) -> DateTime<Utc> {
        self.begun_at - SKEW
    }
}

/// What a provider says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupResult {
    /// The provider has it; the furthest that it tells.
    Found(Proof),
    /// Asked completely: the provider has no such message (yet).
    Absent,
    /// Could not be asked, or not to the end: says nothing. A code for logs and metrics.
    Unclear { code: String },
}

impl LookupResult {
    #[must_use]
    pub fn unclear(code: impl Into<String>) -> LookupResult {
        LookupResult::Unclear { code: code.into() }
    }
}

/// How far a message that the provider has came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Only `Accepted`, `Delivered` or `Failed`.
    pub kind: ReceiptKind,
    /// The provider's code, as receipts show it: `30003`, `5.1.1`.
    pub code: Option<String>,
    pub provider_id: Option<String>,
}

impl Proof {
    /// Whatever a provider tells of a message and is no end of it proves all the same that it has it.
    #[must_use]
    pub fn of(told: ReceiptKind, code: Option<String>, provider_id: Option<String>) -> Proof {
        let kind = match told {
            ReceiptKind::Delivered | ReceiptKind::Failed { .. } => told,
            ReceiptKind::Accepted
            | ReceiptKind::Unwanted { .. }
            | ReceiptKind::Stop { .. }
            | ReceiptKind::Start { .. }
            | ReceiptKind::Ignored => ReceiptKind::Accepted,
        };
        Proof { kind, code, provider_id }
    }

    #[must_use]
    pub fn is_final(&self) -> bool {
        self.rank() > 0
    }

    /// The further of two proofs of one message; of two that are equally far the other, later one.
    #[must_use]
    pub fn or_further(self, other: Proof) -> Proof {
        if other.rank() >= self.rank() { other } else { self }
    }

    /// One recipient has one end, so a failure beside a delivery came after it (a late bounce).
    fn rank(&self) -> u8 {
        match &self.kind {
            ReceiptKind::Failed { block: Some(_) } => 3,
            ReceiptKind::Failed { block: None } => 2,
            ReceiptKind::Delivered => 1,
            _ => 0,
        }
    }
}

/// Reads a whole answer of success.
///
/// # Errors
///
/// `Unclear` for any other answer, one that broke off, and one of another shape.
pub fn read<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, LookupResult> {
    match (answer.status, &answer.body) {
        (200, Body::Read(bytes)) => {
            serde_json::from_slice(bytes).map_err(|_| LookupResult::unclear("http_200_unreadable"))
        }
        (200, Body::Cut) => Err(LookupResult::unclear("http_200_cut")),
        (status, _) => Err(LookupResult::unclear(format!("http_{status}"))),
    }
}

/// Path and query of a page, to be asked for on the account's own base URL: all that is taken of a URL
/// that an answer gives, so that no answer can send the credentials to another host.
///
/// # Errors
///
/// `Unclear` where nothing can be made of it: the pages from there on were not seen.
pub fn page(url: &str) -> Result<String, LookupResult> {
    let path = if url.starts_with('/') {
        Some(url.to_owned())
    } else {
        Url::parse(url).ok().map(|url| match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        })
    };
    path.filter(|path| path.starts_with('/') && path.len() <= PAGE_BYTES_MAX)
        .ok_or_else(|| LookupResult::unclear("page_unusable"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_domain::ids::BlockKind;
    use proptest::prelude::*;

    fn proof(kind: ReceiptKind, code: &str) -> Proof {
        Proof::of(kind, Some(code.to_owned()), None)
    }

    #[test]
    fn the_address_is_not_printed() {
        let sought = LookupQuery {
            message: MessageId(Uuid::from_u128(1)),
            attempt: 2,
            request: Uuid::from_u128(3),
            to: "zoe@customer.example".to_owned(),
            provider_id: Some("zoe@customer.example".to_owned()),
            begun_at: DateTime::UNIX_EPOCH,
        };
        let printed = format!("{sought:?}");
        assert!(!printed.contains("zoe") && printed.contains("attempt: 2"), "{printed}");
    }

    #[test]
    fn the_furthest_proof_counts_in_any_order() {
        let block = Some(BlockKind::HardBounced);
        let ladder = [
            proof(ReceiptKind::Accepted, "a"),
            proof(ReceiptKind::Delivered, "b"),
            proof(ReceiptKind::Failed { block: None }, "c"),
            proof(ReceiptKind::Failed { block }, "d"),
        ];
        for (place, nearer) in ladder.iter().enumerate() {
            for further in &ladder[place..] {
                assert_eq!(nearer.clone().or_further(further.clone()), *further);
                assert_eq!(further.clone().or_further(nearer.clone()), *further);
            }
            assert_eq!(nearer.is_final(), place > 0);
        }
        let later = proof(ReceiptKind::Accepted, "later");
        assert_eq!(ladder[0].clone().or_further(later.clone()), later);
    }

    #[test]
    fn whatever_is_told_proves_at_least_that_the_provider_has_it() {
        for told in [
            ReceiptKind::Ignored,
            ReceiptKind::Unwanted { block: BlockKind::Complained },
            ReceiptKind::Stop { address: String::new() },
        ] {
            assert_eq!(proof(told, "x").kind, ReceiptKind::Accepted);
        }
    }

    #[test]
    fn of_a_page_only_path_and_query_are_taken() {
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
            assert_eq!(page(url).ok().as_deref(), path, "{url}");
        }
        assert!(page(&format!("/{}", "x".repeat(PAGE_BYTES_MAX))).is_err(), "too long");
    }

    proptest! {
        /// The path is put behind the base URL as text: whatever it is, the host stays the base's.
        #[test]
        fn no_page_leads_to_another_host(url in "(https?://)?.*") {
            if let Ok(path) = page(&url) {
                let asked = Url::parse(&format!("https://api.example{path}"));
                prop_assert!(asked.is_ok_and(|url| url.host_str() == Some("api.example")), "{}", path);
            }
        }

        #[test]
        fn any_answer_is_read_without_a_panic(status in 100u16..600, body: Vec<u8>) {
            let answer =
                Answer { status, retry_after: None, rate_limit_reset: None, body: Body::Read(body) };
            let read = read::<Vec<u8>>(&answer);
            prop_assert!(status == 200 || read.is_err());
        }
    }
}
