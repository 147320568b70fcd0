//! Twilio: responses, webhooks, and the client against the scripted server.
//!
//! `signature` has the tests of its vectors, `error_codes` those of the table. Every failure of a call is here with
//! its one outcome.

use std::{net::SocketAddr, time::Duration};

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Twilio, TwilioSettings, parse_inbound, parse_status, wire::classify};
use crate::{
    Correlation, HttpClient, Outcome, Outgoing, OutgoingSms, Provider, Receipt, ReceiptKind, RefusalKind,
    Token, WebhookRefusal, email,
    http_response::{HttpResponse, ResponseBody},
    test_server::{self, Step, refusing_address, serve},
};
use postrider_domain::ids::{BlockKind, MessageId};

const CREATED: &str = r#"{"sid":"SM11111111111111111111111111111111","status":"queued","error_code":null}"#;

fn sent() -> Correlation {
    Correlation { message: MessageId(Uuid::from_u128(7)), attempt: 2, token: Token([0xab; 16]) }
}

fn sms() -> Outgoing {
    Outgoing::Sms(OutgoingSms {
        to: "+14155552671".to_owned(),
        text: "How was it, Zoë? https://s.example/1 & thanks".to_owned(),
        status_callback: format!("https://p.example/status?{}", sent().to_query()),
        correlation: sent(),
    })
}

fn response(status: u16, body: &str) -> HttpResponse {
    HttpResponse {
        status,
        retry_after: Some("7".to_owned()),
        rate_limit_reset: None,
        body: ResponseBody::Complete(body.as_bytes().to_vec()),
    }
}

fn meaning(status: u16, body: &str) -> Outcome {
    classify(&response(status, body), DateTime::UNIX_EPOCH)
}

fn accepted(id: Option<&str>) -> Outcome {
    Outcome::Accepted { provider_id: id.map(str::to_owned) }
}

#[test]
fn a_response_of_success_must_be_twilios() {
    let sid = Some("SM11111111111111111111111111111111");
    assert_eq!(meaning(201, CREATED), accepted(sid));
    assert_eq!(meaning(200, CREATED), accepted(sid));
    for body in ["", "{\"sid\":", "<html>", "{}", "{\"sid\":7}", "{\"sid\":\"a b\"}"] {
        assert_eq!(meaning(201, body), accepted(None), "{body}");
        assert_eq!(meaning(200, body), Outcome::unknown("http_200_unreadable"), "{body}");
    }
    let cut = |status| {
        classify(
            &HttpResponse { body: ResponseBody::Incomplete, ..response(status, "") },
            DateTime::UNIX_EPOCH,
        )
    };
    assert_eq!(cut(201), accepted(None));
    assert_eq!(cut(200), Outcome::unknown("http_200_unreadable"));
}

#[test]
fn a_refusal_is_read_by_its_code_first_and_by_its_status_second() {
    let recipient = |block| RefusalKind::Recipient { block };
    for (status, code, kind) in [
        (429, "20429", RefusalKind::ForNow),
        (400, "21611", RefusalKind::ForNow),
        (401, "20003", RefusalKind::Account),
        (400, "21212", RefusalKind::Account),
        (400, "21408", RefusalKind::Message),
        (400, "21617", RefusalKind::Message),
        (400, "21211", recipient(None)),
        (400, "21612", recipient(None)),
        (400, "21614", recipient(Some(BlockKind::HardBounced))),
        (400, "21610", recipient(Some(BlockKind::Stop))),
        (400, "99999", RefusalKind::Message),
        (403, "99999", RefusalKind::Account),
    ] {
        let outcome = meaning(status, &format!("{{\"code\":{code},\"message\":\"x\",\"status\":{status}}}"));
        let Outcome::Refused(refusal) = outcome else { panic!("{status} {code}: {outcome:?}") };
        assert_eq!((refusal.kind, refusal.code.as_str()), (kind, code));
        let hinted = kind == RefusalKind::ForNow;
        assert_eq!(refusal.retry_after, hinted.then_some(Duration::from_secs(7)), "{code}");
    }
    for (status, kind) in [
        (429, RefusalKind::ForNow),
        (401, RefusalKind::Account),
        (403, RefusalKind::Account),
        (404, RefusalKind::Account),
        (301, RefusalKind::Account),
        (400, RefusalKind::Message),
        (418, RefusalKind::Message),
    ] {
        let Outcome::Refused(refusal) = meaning(status, "<html>") else { panic!("{status}") };
        assert_eq!((refusal.kind, refusal.code), (kind, format!("http_{status}")));
    }
}

#[test]
fn a_message_that_may_have_been_sent_is_unknown() {
    for status in [303, 408, 500, 502, 503, 504, 599] {
        assert_eq!(meaning(status, "oops"), Outcome::unknown(format!("http_{status}")));
    }
    assert_eq!(meaning(500, r#"{"code":20500}"#), Outcome::unknown("20500"));
    assert_eq!(meaning(503, r#"{"code":20503}"#), Outcome::unknown("20503"));
    assert_eq!(meaning(400, r#"{"code":30410}"#), Outcome::unknown("30410"));
    assert_eq!(meaning(500, r#"{"code":21211}"#), Outcome::unknown("21211"), "a 500 proves nothing");
}

fn status(status: &str, error: &str) -> Receipt {
    let form = format!("MessageSid=SM1&MessageStatus={status}&ErrorCode={error}&SmsSid=SM1&Newer=1");
    parse_status(&format!("{}&x=1", sent().to_query()), form.as_bytes()).expect("a receipt")
}

#[test]
fn a_status_becomes_a_receipt_of_its_attempt() {
    for word in ["accepted", "scheduled", "queued", "sending", "sent"] {
        assert_eq!(status(word, "").kind, ReceiptKind::Accepted, "{word}");
    }
    for word in ["delivered", "read", "partially_delivered"] {
        assert_eq!(status(word, "").kind, ReceiptKind::Delivered, "{word}");
    }
    for word in ["undelivered", "failed", "canceled"] {
        for (error, block) in [
            ("", None),
            ("30003", None),
            ("30007", None),
            ("30005", Some(BlockKind::HardBounced)),
            ("30006", Some(BlockKind::HardBounced)),
            ("21610", Some(BlockKind::Stop)),
            ("99999", None),
            ("not-a-number", None),
        ] {
            assert_eq!(status(word, error).kind, ReceiptKind::Failed { block }, "{word} {error}");
        }
    }
    for word in ["receiving", "received", "novel"] {
        assert_eq!(status(word, "").kind, ReceiptKind::Ignored, "{word}");
    }
    let receipt = status("failed", "30003");
    assert_eq!(receipt.correlation, Some(sent()));
    assert_eq!(receipt.dedupe_key, "SM1:failed:2");
    assert_eq!((receipt.code.as_deref(), receipt.provider_id.as_deref()), (Some("30003"), Some("SM1")));
    assert_eq!(status("failed", "0").code, None);
}

#[test]
fn a_repeated_status_is_the_same_and_a_changed_one_is_not() {
    let first = status("failed", "30003");
    let again = parse_status(
        &sent().to_query(),
        b"MessageStatus=failed&MessageSid=SM1&ErrorCode=30003&RawDlrDoneDate=2611201200",
    );
    assert_eq!(again, Ok(first.clone()), "other fields may differ between repeats");
    let forged = status("failed", "30005");
    assert_eq!(forged.dedupe_key, first.dedupe_key);
    assert_ne!(forged.content_hash, first.content_hash);
}

#[test]
fn a_status_of_no_attempt_of_ours_is_ignored_and_one_of_no_message_unreadable() {
    let receipt = parse_status("", b"MessageSid=SM1&MessageStatus=delivered").expect("a receipt");
    assert_eq!((receipt.kind, receipt.correlation), (ReceiptKind::Ignored, None));
    let query = sent().to_query();
    for body in ["", "MessageSid=SM1", "MessageStatus=sent", "MessageSid=&MessageStatus=sent", "{}"] {
        assert_eq!(parse_status(&query, body.as_bytes()), Err(WebhookRefusal::Unreadable), "{body}");
    }
}

#[test]
fn an_inbound_text_stops_starts_or_changes_nothing() {
    let kind = |body: &str| parse_inbound(body.as_bytes()).expect("a receipt").kind;
    let address = "+14155552671".to_owned();
    let stop = ReceiptKind::Stop { address: address.clone() };
    assert_eq!(kind("MessageSid=SM2&From=%2B14155552671&Body=STOP"), stop);
    assert_eq!(kind("MessageSid=SM2&From=%2B14155552671&Body=arr%C3%AAt&OptOutType=STOP"), stop);
    assert_eq!(kind("MessageSid=SM2&From=whatsapp%3A%2B14155552671&Body=stop+please"), stop);
    assert_eq!(kind("MessageSid=SM2&From=%2B14155552671&Body=Start"), ReceiptKind::Start { address });
    assert_eq!(kind("MessageSid=SM2&From=%2B14155552671&Body=Thank+you"), ReceiptKind::Ignored);
    assert_eq!(kind("MessageSid=SM2&From=12345&Body=STOP"), ReceiptKind::Ignored, "no E.164");
    assert_eq!(parse_inbound(b"From=%2B14155552671&Body=STOP"), Err(WebhookRefusal::Unreadable));
}

fn twilio(address: SocketAddr, steps: &[Step]) -> Twilio {
    let timeouts = test_server::timeouts(steps);
    let settings = TwilioSettings {
        base_url: format!("http://{address}/"),
        account_sid: "AC0".to_owned(),
        api_key_sid: Some("SK0".to_owned()),
        api_secret: "secret".into(),
        from: Some("+15005550006".to_owned()),
        messaging_service_sid: Some("MG0".to_owned()),
    };
    Twilio::new(settings, &HttpClient::new(&timeouts).expect("a client"), timeouts.http)
}

async fn after(steps: Vec<Step>) -> Outcome {
    let (address, server) = serve(steps.clone()).await;
    let outcome = twilio(address, &steps).send(&sms()).await;
    let _ = server.await.expect("the script was followed");
    outcome
}

#[tokio::test]
async fn a_call_has_every_field_that_twilio_needs() {
    let reply = "HTTP/1.1 201 Created\r\nContent-Length: 80\r\n\r\n";
    let (address, server) = serve(vec![Step::ReadRequest, Step::Send(reply), Step::Send(CREATED)]).await;
    let outcome = twilio(address, &[]).send(&sms()).await;
    assert_eq!(outcome, accepted(Some("SM11111111111111111111111111111111")));
    let received = server.await.expect("the script was followed");
    assert!(received.starts_with("POST /2010-04-01/Accounts/AC0/Messages.json HTTP/1.1\r\n"), "{received}");
    assert!(received.contains("authorization: Basic U0swOnNlY3JldA==\r\n"), "{received}");
    assert!(received.contains(concat!("user-agent: postrider/", env!("CARGO_PKG_VERSION"), "\r\n")));
    let (_, form) = received.split_once("\r\n\r\n").expect("a body");
    let form: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let callback = format!("https://p.example/status?{}#rc=3&rp=all", sent().to_query());
    let expected = [
        ("To", "+14155552671"),
        ("Body", "How was it, Zoë? https://s.example/1 & thanks"),
        ("From", "+15005550006"),
        ("MessagingServiceSid", "MG0"),
        ("StatusCallback", &callback),
    ];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn a_refused_connection_is_not_called() {
    let outcome = twilio(refusing_address().await, &[]).send(&sms()).await;
    assert_eq!(outcome, Outcome::refused(RefusalKind::NotCalled, "connect"));
}

#[tokio::test]
async fn a_call_without_a_response_is_unknown() {
    assert_eq!(after(vec![Step::ReadRequest]).await, Outcome::unknown("reset"), "closed");
    assert_eq!(after(vec![Step::ReadRequest, Step::Reset]).await, Outcome::unknown("reset"), "reset");
    assert_eq!(after(vec![Step::ReadRequest, Step::Hang]).await, Outcome::unknown("timeout"), "silence");
    assert_eq!(
        after(vec![Step::ReadRequest, Step::Send("220 no http\r\n")]).await,
        Outcome::unknown("reset")
    );
}

#[tokio::test]
async fn a_message_that_was_created_is_accepted_though_the_body_is_lost() {
    let head = "HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{\"sid\":\"SM1";
    assert_eq!(after(vec![Step::ReadRequest, Step::Send(head)]).await, accepted(None), "cut");
    assert_eq!(after(vec![Step::ReadRequest, Step::Send(head), Step::Hang]).await, accepted(None), "stalled");
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>";
    assert_eq!(
        after(vec![Step::ReadRequest, Step::Send(page)]).await,
        Outcome::unknown("http_200_unreadable")
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let reply = "HTTP/1.1 307 Temporary Redirect\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n";
    let outcome = after(vec![Step::ReadRequest, Step::Send(reply)]).await;
    assert_eq!(outcome, Outcome::refused(RefusalKind::Account, "http_307"));
}

#[tokio::test]
async fn a_rate_limit_carries_the_wait_that_twilio_asks_for() {
    let reply =
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Length: 14\r\n\r\n{\"code\":20429}";
    let Outcome::Refused(refusal) = after(vec![Step::ReadRequest, Step::Send(reply)]).await else {
        panic!("refused")
    };
    assert_eq!((refusal.kind, refusal.retry_after), (RefusalKind::ForNow, Some(Duration::from_secs(30))));
}

#[tokio::test]
async fn invalid_settings_and_the_wrong_medium_make_no_call() {
    let timeouts = test_server::timeouts(&[]);
    let http = HttpClient::new(&timeouts).expect("a client");
    let mut settings = TwilioSettings {
        base_url: "no url".to_owned(),
        account_sid: "AC0".to_owned(),
        api_key_sid: None,
        api_secret: "secret".into(),
        from: None,
        messaging_service_sid: None,
    };
    let broken = Twilio::new(settings.clone(), &http, timeouts.http);
    let outcome = broken.send(&sms()).await;
    assert_eq!(outcome, Outcome::refused(RefusalKind::Account, "settings_unusable"));
    settings.base_url = "http://127.0.0.1:1".to_owned();
    let outcome =
        Twilio::new(settings, &http, timeouts.http).send(&Outgoing::Email(email::tests::email())).await;
    assert_eq!(outcome, Outcome::refused(RefusalKind::Message, "wrong_medium"));
}

proptest! {
    #[test]
    fn any_answer_has_a_meaning(status in 200u16..600, body: Vec<u8>, now in 0i64..4_000_000_000) {
        let now = DateTime::<Utc>::from_timestamp(now, 0).unwrap_or_default();
        let given = HttpResponse { body: ResponseBody::Complete(body), ..response(status, "") };
        let outcome = classify(&given, now);
        prop_assert!(status >= 300 || !matches!(outcome, Outcome::Refused(_)));
        let accepted = matches!(outcome, Outcome::Accepted { .. });
        prop_assert!(status < 300 || !accepted);
    }

    #[test]
    fn any_webhook_body_is_read_without_a_panic(query in ".*", body: Vec<u8>, text in ".*") {
        let _ = (parse_status(&query, &body), parse_inbound(&body));
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("MessageSid", "SM1"), ("MessageStatus", &text), ("ErrorCode", &text)])
            .extend_pairs([("From", text.as_str()), ("Body", &text), ("OptOutType", &text)])
            .finish();
        prop_assert!(parse_status(&query, form.as_bytes()).is_ok_and(|receipt| receipt.dedupe_key.len() < 256)
            || text.is_empty());
        prop_assert!(parse_inbound(form.as_bytes()).is_ok());
    }
}
