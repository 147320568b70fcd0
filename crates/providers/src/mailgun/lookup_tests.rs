//! Mailgun's look-ups: the requests, single pages, and the sum of several searches.
//!
//! The events have the fields that are read and a few more. `tests/it/lookups.rs` tests the calls over real HTTP.

use super::*;
use crate::{ReceiptKind, http_response::ResponseBody};
use postrider_domain::ids::{BlockKind, MessageId};
use proptest::prelude::*;
use uuid::Uuid;

const DOMAIN: &str = "mail.example";

fn query(message: u128, provider_id: Option<&str>) -> LookupQuery {
    LookupQuery {
        message: MessageId(Uuid::from_u128(message)),
        attempt: 2,
        request: Uuid::from_u128(message),
        to: "zoe@customer.example".to_owned(),
        provider_id: provider_id.map(str::to_owned),
        begun_at: at(1_795_000_000),
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).expect("a time that exists")
}

fn name(message: u128) -> String {
    format!("{}.2@{DOMAIN}", Uuid::from_u128(message).simple())
}

fn response(status: u16, body: &str) -> HttpResponse {
    let body = ResponseBody::Complete(body.as_bytes().to_vec());
    HttpResponse { status, retry_after: None, rate_limit_reset: None, body }
}

/// An event of the Logs API; other than in a webhook, its user variables are one text.
fn event(message_id: &str, change: Value) -> Value {
    let mut event = json!({
        "id": "JDhSWf9mT5OFxCkZfpDU5d", "event": "delivered", "@timestamp": "2026-11-20T09:30:18.530Z",
        "account": {"id": "12345"}, "domain": {"name": DOMAIN}, "recipient": "zoe@customer.example",
        "message": {"headers": {"message-id": message_id, "to": "zoe@customer.example"}, "size": 900},
        "user-variables": "{\"m\": \"190\"}", "tags": [], "log-level": "info",
        "delivery-status": {"code": 250, "message": "OK", "attempt-no": 1},
    });
    let Value::Object(change) = change else { panic!("an object") };
    for (name, value) in change {
        event[name] = value;
    }
    event
}

fn logs(items: &[Value]) -> Vec<(String, Proof)> {
    let body = json!({"items": items, "pagination": {"next": null}, "aggregates": {}}).to_string();
    LookupApi::Logs.read_page(&response(200, &body)).expect("a page").proofs
}

fn proof(change: Value) -> Proof {
    let mut told = logs(&[event("1@x", change)]);
    told.pop().expect("one event").1
}

#[test]
fn the_request_names_every_attempt_and_its_time() {
    let asked = [query(1, None), LookupQuery { begun_at: at(1_795_000_100), ..query(2, None) }];
    let batch = BatchQuery::new(&asked, DOMAIN, at(1_795_000_200));
    let path = batch.events_path();
    let (path, query) = path.split_once('?').expect("a query");
    assert_eq!(path, "/v3/mail.example/events");
    let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let both = format!("{} OR {}", name(1), name(2));
    let expected = [
        ("begin", "1794999700"),
        ("end", "1795000500"),
        ("ascending", "yes"),
        ("limit", "300"),
        ("message-id", &both),
    ];
    assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let value = |text: &str| json!({"label": text, "value": text});
    let is =
        |attribute: &str, values: Value| json!({"attribute": attribute, "comparator": "=", "values": values});
    let mut body = json!({
        "start": "Wed, 18 Nov 2026 11:01:40 +0000",
        "end": "Wed, 18 Nov 2026 11:15:00 +0000",
        "filter": {"AND": [
            is("domain", json!([value(DOMAIN)])),
            is("message_id", json!([value(&name(1)), value(&name(2))])),
        ]},
        "pagination": {"sort": "timestamp:asc", "limit": 100},
    });
    assert_eq!(batch.logs_body(None), body);
    body["pagination"]["token"] = json!("next");
    assert_eq!(batch.logs_body(Some("next")), body);
}

#[test]
fn mailguns_own_id_is_searched_unless_it_would_change_the_filter() {
    let id = |told| BatchQuery::new(&[query(1, Some(told))], DOMAIN, at(0)).ids.remove(0);
    assert_eq!(id("20261120.1.abc@mail.example"), "20261120.1.abc@mail.example");
    for told in ["a@b OR c@d", "NOT x@y", "\"a@b\"", "no-id", "", "<a@b>"] {
        assert_eq!(id(told), name(1), "{told}");
    }
}

#[test]
fn events_have_the_same_meaning_as_in_webhooks() {
    let failed = |block| ReceiptKind::Failed { block };
    let status = |code: Value| json!({"code": 550, "enhanced-code": code});
    for (change, expected) in [
        (json!({"event": "accepted"}), ReceiptKind::Accepted),
        (json!({"event": "delivered"}), ReceiptKind::Delivered),
        (json!({"event": "failed", "severity": "temporary"}), ReceiptKind::Accepted),
        (
            json!({"event": "failed", "severity": "permanent", "delivery-status": status(json!("5.1.1"))}),
            failed(Some(BlockKind::HardBounced)),
        ),
        (
            json!({"event": "failed", "severity": "permanent", "reason": "suppress-unsubscribe"}),
            failed(Some(BlockKind::Unsubscribed)),
        ),
        (
            json!({"event": "failed", "severity": "permanent", "reason": "suppress-complaint"}),
            failed(Some(BlockKind::Complained)),
        ),
        (json!({"event": "failed", "severity": "permanent"}), failed(None)),
        (json!({"event": "rejected"}), failed(None)),
        (json!({"event": "opened"}), ReceiptKind::Accepted),
        (json!({"event": "complained"}), ReceiptKind::Accepted),
        (json!({"event": "trapped"}), ReceiptKind::Accepted),
    ] {
        assert_eq!(proof(change.clone()).kind, expected, "{change}");
    }
    let bounced = proof(json!({"event": "failed", "severity": "permanent",
        "delivery-status": {"code": 550, "message": "5.1.1 unknown"}}));
    assert_eq!((bounced.code.as_deref(), bounced.provider_id.as_deref()), (Some("5.1.1"), Some("1@x")));
}

#[test]
fn an_event_belongs_to_its_message_id_with_brackets_or_without() {
    let ids = |items: &[Value]| logs(items).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(ids(&[event("<1@x>", json!({})), event("2@x", json!({}))]), ["1@x", "2@x"]);
    for message in [json!(null), json!({}), json!([]), json!({"headers": {"message-id": ""}})] {
        assert_eq!(ids(&[event("1@x", json!({"message": message}))]), Vec::<String>::new());
    }
}

#[test]
fn the_last_page_is_the_empty_one_or_the_one_without_a_token() {
    let next =
        |api: LookupApi, body: Value| api.read_page(&response(200, &body.to_string())).map(|page| page.next);
    let one = event("1@x", json!({}));
    let events = |items: Value, next: Value| json!({"items": items, "paging": {"next": next}});
    let url = json!("https://elsewhere.example/v3/mail.example/events/Wyd=");
    let path = Some("/v3/mail.example/events/Wyd=".to_owned());
    assert_eq!(next(LookupApi::Events, events(json!([one]), url.clone())), Ok(path));
    assert_eq!(next(LookupApi::Events, events(json!([]), url)), Ok(None));
    let unusable = Err(LookupResult::unclear("page_unusable"));
    assert_eq!(next(LookupApi::Events, events(json!([one]), json!("x"))), unusable);
    let logs = |items: Value, next: Value| json!({"items": items, "pagination": {"next": next}});
    assert_eq!(next(LookupApi::Logs, logs(json!([one]), json!("t"))), Ok(Some("t".to_owned())));
    assert_eq!(next(LookupApi::Logs, logs(json!([]), json!("t"))), Ok(None), "nothing can follow nothing");
    assert_eq!(next(LookupApi::Logs, logs(json!([one]), json!(null))), Ok(None));
    assert_eq!(next(LookupApi::Logs, logs(json!([one]), json!(""))), Ok(None));
    assert_eq!(next(LookupApi::Logs, json!({"items": [one], "pagination": {}})), Ok(None));
}

#[test]
fn a_response_that_is_no_complete_page_is_unclear() {
    let unreadable = Err(LookupResult::unclear("http_200_unreadable"));
    for body in ["", "<html>", "{}", r#"{"items":[]}"#, r#"{"items":[{}],"paging":{},"pagination":{}}"#] {
        for api in [LookupApi::Logs, LookupApi::Events] {
            assert_eq!(api.read_page(&response(200, body)), unreadable, "{body}");
        }
    }
    for status in [201, 302, 400, 401, 403, 429, 500, 503] {
        let unclear = Err(LookupResult::unclear(format!("http_{status}")));
        assert_eq!(LookupApi::Logs.read_page(&response(status, "{}")), unclear);
        assert!(LookupApi::Logs.is_available(&response(status, "{}")), "{status} is no word about the API");
    }
}

#[test]
fn an_api_that_is_not_there_does_not_count() {
    for (status, body) in [
        (404, r#"{"message":"Not Found"}"#),
        (404, ""),
        (405, ""),
        (410, "gone"),
        (501, ""),
        (200, "Mailgun Magnificent API"),
    ] {
        assert!(!LookupApi::Events.is_available(&response(status, body)), "{status} {body}");
    }
    let unknown = r#"{"message":"Domain not found: mail.example"}"#;
    assert!(LookupApi::Events.is_available(&response(404, unknown)), "the API is there, the domain is not");
}

fn results(ends: Vec<SearchEnd>, told: Vec<(String, Proof)>) -> Vec<LookupResult> {
    let asked = [query(1, None), query(2, None)];
    let mut findings = Findings::default();
    findings.add(told);
    ends.into_iter().for_each(|end| findings.record_end(end));
    findings.results(&BatchQuery::new(&asked, DOMAIN, at(0)))
}

#[test]
fn absent_needs_a_complete_search_of_every_available_api() {
    let broken = || SearchEnd::Unclear(LookupResult::unclear("http_500"));
    let unclear = |code: &str| vec![LookupResult::unclear(code); 2];
    let absent = vec![LookupResult::Absent; 2];
    assert_eq!(results(vec![SearchEnd::Complete, SearchEnd::Complete], vec![]), absent);
    assert_eq!(results(vec![SearchEnd::NotAvailable, SearchEnd::Complete], vec![]), absent);
    assert_eq!(results(vec![SearchEnd::Complete, SearchEnd::NotAvailable], vec![]), absent);
    assert_eq!(
        results(vec![SearchEnd::NotAvailable, SearchEnd::NotAvailable], vec![]),
        unclear("not_on_offer")
    );
    assert_eq!(results(vec![broken(), SearchEnd::Complete], vec![]), unclear("http_500"));
    assert_eq!(results(vec![SearchEnd::Complete, broken()], vec![]), unclear("http_500"));
    assert_eq!(results(vec![broken(), SearchEnd::NotAvailable], vec![]), unclear("http_500"));
    assert_eq!(results(vec![], vec![]), unclear("not_on_offer"));
}

#[test]
fn a_proof_of_one_api_stands_after_any_end_of_the_other() {
    let delivered = Proof::new(ReceiptKind::Delivered, None, None);
    let accepted = Proof::new(ReceiptKind::Accepted, None, None);
    let told = vec![(name(2), delivered.clone()), (name(2), accepted), (name(9), delivered.clone())];
    let found = LookupResult::Found(delivered);
    let broken = SearchEnd::Unclear(LookupResult::unclear("timeout"));
    assert_eq!(results(vec![SearchEnd::Complete], told.clone()), [LookupResult::Absent, found.clone()]);
    assert_eq!(results(vec![broken], told), [LookupResult::unclear("timeout"), found]);
}

#[test]
fn only_messages_without_a_final_state_are_searched_again() {
    let asked = [query(1, None), query(2, None), query(3, None)];
    let whole = BatchQuery::new(&asked, DOMAIN, at(0));
    let mut findings = Findings::default();
    findings.add(vec![
        (name(1), Proof::new(ReceiptKind::Accepted, None, None)),
        (name(2), Proof::new(ReceiptKind::Failed { block: None }, None, None)),
    ]);
    assert_eq!(findings.not_final(&whole).ids, [name(1), name(3)]);
}

proptest! {
    #[test]
    fn any_body_is_read_without_a_panic(body: Vec<u8>, text in ".*", number: i64) {
        for api in [LookupApi::Logs, LookupApi::Events] {
            let raw = HttpResponse { body: ResponseBody::Complete(body.clone()), ..response(404, "") };
            let _ = (api.is_available(&raw), api.read_page(&HttpResponse { status: 200, ..raw }));
            for odd in [json!(text), json!(number), json!([text]), json!({"headers": text})] {
                let event = event(&text, json!({"message": odd, "event": text, "reason": text}));
                let body = json!({"items": [event, odd], "paging": {"next": text},
                    "pagination": {"next": text}});
                let _ = api.read_page(&response(200, &body.to_string()));
                let body = json!({"items": [event], "paging": {"next": odd}, "pagination": odd});
                let _ = api.read_page(&response(200, &body.to_string()));
            }
        }
    }

    /// With any provider id, the filter contains one id and no other condition.
    #[test]
    fn no_id_changes_the_filter(told in ".*") {
        let asked = query(1, Some(&told));
        let batch = BatchQuery::new(std::slice::from_ref(&asked), DOMAIN, at(0));
        prop_assert!(batch.ids[0].bytes().all(|byte| byte.is_ascii_graphic() && !b"\"()&=".contains(&byte)));
    }
}
