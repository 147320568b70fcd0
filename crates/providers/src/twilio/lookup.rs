//! Twilio's look-ups: the requests for a message, and the proof in their responses.
//!
//! PURE. A known SID is fetched directly. Without one, all messages to the number are read, and the message is
//! recognised by the request's id in its text (part of the survey link). `client` makes the calls.
//!
//! Invariants: no filter by `DateSent`, which is null while a message is queued; no early end of the list, which is
//! sorted by that same date, so that an old message proves nothing about the ones after it.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    LookupQuery, LookupResult, Proof,
    http_response::HttpResponse,
    lookup::{page_path, parse_json},
};

use super::wire::{self, status_kind};

/// With the longest texts, a page of this many messages stays below the byte limit of a response.
const PAGE_SIZE: &str = "200";

/// The path of one message.
#[must_use]
pub(super) fn message_path(account_sid: &str, sid: &str) -> String {
    format!("/2010-04-01/Accounts/{account_sid}/Messages/{sid}.json")
}

/// The path of the first page of messages to one number.
#[must_use]
pub(super) fn search_path(account_sid: &str, to: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("To", to)
        .append_pair("PageSize", PAGE_SIZE)
        .finish();
    format!("{}?{query}", wire::path(account_sid))
}

/// Reads the response to `message_path`. A 404 is `Unclear`: Twilio itself gave this SID.
#[must_use]
pub(super) fn read_message(response: &HttpResponse, sid: &str) -> LookupResult {
    match parse_json::<MessageResource>(response) {
        Ok(message) if message.sid == sid => LookupResult::Found(message.proof()),
        Ok(_) => LookupResult::unclear("http_200_unreadable"),
        Err(unclear) => unclear,
    }
}

/// One page of the messages to a number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MessagePage {
    pub found: Option<Proof>,
    /// The account redacts texts: a message without its text may be the one of the query.
    pub has_redacted: bool,
    /// Path and query of the next page.
    pub next: Option<String>,
}

/// Searches one page for the message of the query.
///
/// # Errors
///
/// `Unclear` if the response is not a complete page.
pub(super) fn read_page(response: &HttpResponse, query: &LookupQuery) -> Result<MessagePage, LookupResult> {
    let MessageList { messages, next_page_uri } = parse_json(response)?;
    let next = match next_page_uri {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(page_path(&text)?),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return Err(LookupResult::unclear("page_unusable"));
        }
    };
    let request = query.request.to_string();
    let mut found: Option<Proof> = None;
    let mut has_redacted = false;
    for message in messages.iter().filter(|message| message.is_outbound()) {
        let text = message.body.as_deref().unwrap_or_default();
        let is_ours = text.contains(&request);
        // A former attempt of the same request carries the same link, and is too old.
        if !(is_ours || text.is_empty()) || message.created_at()? < query.earliest() {
            continue;
        }
        if is_ours {
            let proof = message.proof();
            found = Some(found.map_or(proof.clone(), |found| found.or_later(proof)));
        } else {
            has_redacted = true;
        }
    }
    Ok(MessagePage { found, has_redacted, next })
}

#[derive(Deserialize)]
struct MessageList {
    messages: Vec<MessageResource>,
    /// Null on the last page. A required field: without it the last page cannot be recognised.
    next_page_uri: Value,
}

/// The fields of a message resource that are read.
#[derive(Deserialize)]
struct MessageResource {
    sid: String,
    status: String,
    /// A number, or null.
    error_code: Option<Value>,
    body: Option<String>,
    direction: Option<String>,
    date_created: Option<String>,
}

impl MessageResource {
    fn is_outbound(&self) -> bool {
        self.direction.as_deref().is_some_and(|direction| direction.starts_with("outbound"))
    }

    fn created_at(&self) -> Result<DateTime<Utc>, LookupResult> {
        let date = self.date_created.as_deref().and_then(|text| DateTime::parse_from_rfc2822(text).ok());
        date.map(|at| at.to_utc()).ok_or_else(|| LookupResult::unclear("http_200_unreadable"))
    }

    fn proof(&self) -> Proof {
        let code = match &self.error_code {
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::String(text)) => Some(wire::truncate_code(text).to_owned()),
            _ => None,
        };
        let code = code.filter(|code| !code.is_empty() && code != "0");
        let sid = Some(self.sid.clone()).filter(|sid| wire::is_sid(sid));
        Proof::new(status_kind(&self.status, code.as_deref()), code, sid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReceiptKind, http_response::ResponseBody};
    use postrider_domain::ids::{BlockKind, MessageId};
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    const SID: &str = "SM11111111111111111111111111111111";

    fn query() -> LookupQuery {
        LookupQuery {
            message: MessageId(Uuid::from_u128(1)),
            attempt: 1,
            request: Uuid::from_u128(7),
            to: "+14155552671".to_owned(),
            provider_id: None,
            begun_at: DateTime::from_timestamp(1_795_000_000, 0).expect("a time that exists"),
        }
    }

    fn response(status: u16, body: &str) -> HttpResponse {
        let body = ResponseBody::Complete(body.as_bytes().to_vec());
        HttpResponse { status, retry_after: None, rate_limit_reset: None, body }
    }

    /// A message resource, with the changes.
    fn message(change: Value) -> Value {
        let query = query();
        let mut message = json!({
            "sid": SID, "account_sid": "AC0", "api_version": "2010-04-01",
            "body": format!("How was it? https://s.example/{} Bye", query.request),
            "date_created": query.begun_at.to_rfc2822(),
            "date_sent": null, "date_updated": query.begun_at.to_rfc2822(),
            "direction": "outbound-api", "error_code": null, "error_message": null,
            "from": "+15005550006", "to": query.to, "num_segments": "1", "price": null,
            "status": "queued", "subresource_uris": {"media": "/x"},
        });
        let Value::Object(change) = change else { panic!("an object") };
        for (name, value) in change {
            message[name] = value;
        }
        message
    }

    fn list(messages: Vec<Value>) -> Result<MessagePage, LookupResult> {
        let body = json!({"messages": messages, "next_page_uri": null, "page": 0}).to_string();
        read_page(&response(200, &body), &query())
    }

    fn found(change: Value) -> Option<Proof> {
        list(vec![message(change)]).expect("a page").found
    }

    fn kind(change: Value) -> ReceiptKind {
        found(change).expect("found").kind
    }

    #[test]
    fn a_search_filters_by_the_number_and_never_by_a_date() {
        let path = search_path("AC0", "+14155552671");
        assert_eq!(path, "/2010-04-01/Accounts/AC0/Messages.json?To=%2B14155552671&PageSize=200");
        assert_eq!(message_path("AC0", "SM1"), "/2010-04-01/Accounts/AC0/Messages/SM1.json");
    }

    #[test]
    fn statuses_have_the_same_meaning_as_on_callbacks() {
        let failed = |block| ReceiptKind::Failed { block };
        for (status, error, expected) in [
            ("queued", Value::Null, ReceiptKind::Accepted),
            ("sent", json!(0), ReceiptKind::Accepted),
            ("novel", Value::Null, ReceiptKind::Accepted),
            ("delivered", Value::Null, ReceiptKind::Delivered),
            ("undelivered", json!(30005), failed(Some(BlockKind::HardBounced))),
            ("undelivered", json!("30005"), failed(Some(BlockKind::HardBounced))),
            ("failed", json!(21610), failed(Some(BlockKind::Stop))),
            ("failed", json!(30007), failed(None)),
            ("failed", json!({}), failed(None)),
        ] {
            assert_eq!(kind(json!({"status": status, "error_code": error})), expected, "{status} {error}");
        }
        let proof = found(json!({"status": "failed", "error_code": 30003})).expect("found");
        assert_eq!((proof.code.as_deref(), proof.provider_id.as_deref()), (Some("30003"), Some(SID)));
        assert_eq!(found(json!({"error_code": 0})).expect("found").code, None);
    }

    #[test]
    fn only_an_outbound_text_of_this_request_since_it_was_begun_is_the_one() {
        let at = |seconds: i64| (query().begun_at + chrono::TimeDelta::seconds(seconds)).to_rfc2822();
        assert!(found(json!({})).is_some());
        assert!(found(json!({"date_created": at(-300)})).is_some(), "the clocks differ");
        for other in [
            json!({"date_created": at(-301)}),
            json!({"direction": "inbound"}),
            json!({"direction": null}),
            json!({"body": format!("https://s.example/{}", Uuid::from_u128(8))}),
            json!({"body": format!("https://s.example/{}", query().request.simple())}),
        ] {
            let page = list(vec![message(other.clone())]).expect("a page");
            assert_eq!((page.found, page.has_redacted), (None, false), "{other}");
        }
    }

    #[test]
    fn a_redacted_text_may_be_the_one() {
        for body in [Value::Null, json!("")] {
            let page = list(vec![message(json!({"body": body}))]).expect("a page");
            assert_eq!((page.found, page.has_redacted), (None, true), "{body}");
        }
        let old = json!({"body": "", "date_created": "Mon, 01 Jan 2024 00:00:00 +0000"});
        assert!(!list(vec![message(old)]).expect("a page").has_redacted, "too old to be it");
        let both = list(vec![message(json!({"body": ""})), message(json!({}))]).expect("a page");
        assert!(both.found.is_some());
    }

    #[test]
    fn pages_are_followed_by_path_and_the_last_one_says_so() {
        let next = |uri: Value| {
            let body = json!({"messages": [], "next_page_uri": uri}).to_string();
            read_page(&response(200, &body), &query()).map(|page| page.next)
        };
        assert_eq!(next(Value::Null), Ok(None));
        assert_eq!(next(json!("")), Ok(None));
        assert_eq!(next(json!("/2010?Page=1")), Ok(Some("/2010?Page=1".to_owned())));
        assert_eq!(next(json!("https://other.example/p?q")), Ok(Some("/p?q".to_owned())));
        assert_eq!(next(json!(7)), Err(LookupResult::unclear("page_unusable")));
        assert_eq!(next(json!("page 2")), Err(LookupResult::unclear("page_unusable")));
    }

    #[test]
    fn a_response_that_is_no_complete_page_is_unclear() {
        let unreadable = Err(LookupResult::unclear("http_200_unreadable"));
        for body in
            ["", "<html>", "{}", r#"{"messages":[]}"#, r#"{"next_page_uri":null}"#, r#"{"messages":[{}]}"#]
        {
            assert_eq!(read_page(&response(200, body), &query()), unreadable, "{body}");
        }
        assert_eq!(list(vec![message(json!({"date_created": "now"}))]), unreadable);
        let cut = HttpResponse { body: ResponseBody::Incomplete, ..response(200, "") };
        assert_eq!(read_page(&cut, &query()), Err(LookupResult::unclear("http_200_cut")));
        for status in [201, 204, 302, 401, 403, 404, 429, 500, 503] {
            let unclear = LookupResult::unclear(format!("http_{status}"));
            let body = json!({"messages": [], "next_page_uri": null}).to_string();
            assert_eq!(read_page(&response(status, &body), &query()), Err(unclear.clone()));
            assert_eq!(read_message(&response(status, &message(json!({})).to_string()), SID), unclear);
        }
    }

    #[test]
    fn a_known_message_is_itself_or_unclear() {
        let body = message(json!({"status": "delivered", "body": "", "direction": "outbound-reply"}));
        let LookupResult::Found(proof) = read_message(&response(200, &body.to_string()), SID) else {
            panic!("found")
        };
        assert_eq!(proof.kind, ReceiptKind::Delivered);
        let unreadable = LookupResult::unclear("http_200_unreadable");
        assert_eq!(read_message(&response(200, &body.to_string()), "SM2"), unreadable, "another message");
        assert_eq!(read_message(&response(200, "{}"), SID), unreadable);
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_a_panic(body: Vec<u8>, text in ".*", number: i64) {
            let raw = HttpResponse { body: ResponseBody::Complete(body), ..response(200, "") };
            let _ = (read_page(&raw, &query()), read_message(&raw, SID));
            for odd in [json!(text), json!(number), json!([text]), json!({"a": text})] {
                for field in ["status", "error_code", "body", "direction", "date_created"] {
                    let _ = list(vec![message(json!({field: odd}))]);
                }
                let body = json!({"messages": [], "next_page_uri": odd}).to_string();
                let _ = read_page(&response(200, &body), &query());
            }
        }
    }
}
