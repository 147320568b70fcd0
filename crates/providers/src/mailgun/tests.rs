//! Mailgun: responses, events, and the client against the scripted server.
//!
//! The events have the fields that are read, and one more. Every failure of a call is here with its one outcome.

use std::{net::SocketAddr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    Mailgun, MailgunSettings, Signature, parse_event, verify,
    wire::{VARIABLES, classify},
};
use crate::{
    HttpClient, Outcome, Outgoing, Provider, Receipt, ReceiptKind, RefusalKind, WebhookRefusal, correlation,
    email,
    http_response::{HttpResponse, ResponseBody},
    test_server::{self, Step, refusing_address, serve},
};
use postrider_domain::ids::BlockKind;

const KEY: &str = "TEST_WEBHOOK_SIGNING_KEY";
const M1: [&str; 3] = [
    "1534108637",
    "651869375b9df3c98fc15c4889b102119add1235c38fc92824",
    "2a75affe24846ead9e37e614a5e7643a04abf4d5b49b34d224ede9af23a00ccc",
];
const M2: [&str; 3] = [
    "1529006854",
    "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0",
    "d715b4facdb68e32a3bf6c28d9f005fa348e252f96db49bdbba95169c391ea69",
];
const M3: [&str; 3] = [
    "1700000000",
    "0123456789abcdef0123456789abcdef0123456789abcdef01",
    "3363e7e34af651ce18c3867aa990faf6ff0d1b5577de851e28c2fb1bdc10c1c0",
];
const QUEUED: &str = r#"{"id":"<190.2@mail.example>","message":"Queued. Thank you."}"#;

fn signature([timestamp, token, signature]: [&str; 3]) -> Signature {
    Signature { timestamp: timestamp.to_owned(), token: token.to_owned(), signature: signature.to_owned() }
}

fn verified(keys: &[&str], given: [&str; 3], age: TimeDelta) -> Result<(), WebhookRefusal> {
    let keys: Vec<SecretString> = keys.iter().map(|key| SecretString::from(*key)).collect();
    let signed_at = DateTime::from_timestamp(given[0].parse().unwrap_or(0), 0).unwrap_or_default();
    verify(&keys, &signature(given), signed_at + age)
}

#[test]
fn the_known_signatures_hold() {
    let now = TimeDelta::zero();
    assert_eq!(verified(&[KEY], M1, now), Ok(()));
    assert_eq!(verified(&[KEY], M2, now), Ok(()));
    assert_eq!(verified(&["postrider-mailgun-signing-key"], M3, now), Ok(()));
    assert_eq!(verified(&["newer", KEY], M1, now), Ok(()), "a rotation");
}

#[test]
fn another_key_token_time_or_length_is_refused() {
    let now = TimeDelta::zero();
    let refused = Err(WebhookRefusal::BadSignature);
    assert_eq!(verified(&["other"], M1, now), refused);
    assert_eq!(verified(&[], M1, now), refused);
    assert_eq!(verified(&[""], M1, now), refused);
    assert_eq!(verified(&[KEY], [M1[0], M2[1], M1[2]], now), refused, "another token");
    assert_eq!(verified(&[KEY], [M2[0], M1[1], M1[2]], now), refused, "another time");
    assert_eq!(verified(&[KEY], [M1[0], M1[1], &M1[2][1..]], now), refused, "short");
    assert_eq!(verified(&[KEY], [M1[0], M1[1], ""], now), refused, "none");
    assert_eq!(verified(&[KEY], ["-534108637", M1[1], M1[2]], now), refused);
    // The signature covers both as one string, and stays valid if a digit moves from one to the other.
    let moved = ["15341086376", &M1[1][1..], M1[2]];
    assert_eq!(verified(&[KEY], moved, now), refused, "a digit moved to the time");
    let moved = ["153410863", &format!("7{}", M1[1]), M1[2]];
    assert_eq!(verified(&[KEY], moved, now), refused, "a digit moved to the token");
}

#[test]
fn a_webhook_may_be_a_day_old_and_five_minutes_ahead() {
    assert_eq!(verified(&[KEY], M1, TimeDelta::hours(24)), Ok(()));
    assert_eq!(verified(&[KEY], M1, TimeDelta::minutes(-5)), Ok(()));
    let late = TimeDelta::hours(24) + TimeDelta::seconds(1);
    assert_eq!(verified(&[KEY], M1, late), Err(WebhookRefusal::OutOfTime));
    let early = TimeDelta::minutes(-5) - TimeDelta::seconds(1);
    assert_eq!(verified(&[KEY], M1, early), Err(WebhookRefusal::OutOfTime));
}

fn event(change: Value) -> Value {
    let sent = email::tests::email().correlation;
    let [message, attempt, token] = sent.to_values();
    let mut event = json!({
        "id": "e1", "timestamp": 1_534_108_637.123, "recipient": "zoe@customer.example",
        "message": {"headers": {"message-id": "190.2@mail.example"}},
        "user-variables": {"m": message, "a": attempt, "t": token, "other": "x"},
        "novel": [1, 2],
    });
    let Value::Object(change) = change else { panic!("an object") };
    for (name, value) in change {
        event[name] = value;
    }
    event
}

fn parsed(event: Value) -> Receipt {
    let [timestamp, token, signature] = M1;
    let body = json!({
        "signature": {"timestamp": timestamp, "token": token, "signature": signature, "parent-signature": {}},
        "event-data": event,
    });
    let (given, receipt) = parse_event(body.to_string().as_bytes()).expect("an event");
    assert_eq!(given, self::signature(M1));
    receipt
}

fn kind(change: Value) -> ReceiptKind {
    parsed(event(change)).kind
}

#[test]
fn an_event_becomes_a_receipt_of_its_attempt() {
    let receipt = parsed(event(json!({"event": "delivered", "delivery-status": {"code": 250}})));
    assert_eq!(receipt.kind, ReceiptKind::Delivered);
    assert_eq!(receipt.correlation, Some(email::tests::email().correlation));
    assert_eq!(receipt.dedupe_key, M1[1]);
    assert_eq!(receipt.code.as_deref(), Some("250"));
    assert_eq!(receipt.provider_id.as_deref(), Some("190.2@mail.example"));
    let unwanted = |block| ReceiptKind::Unwanted { block };
    for (word, expected) in [
        ("accepted", ReceiptKind::Accepted),
        ("rejected", ReceiptKind::Failed { block: None }),
        ("complained", unwanted(BlockKind::Complained)),
        ("unsubscribed", unwanted(BlockKind::Unsubscribed)),
        ("opened", ReceiptKind::Ignored),
        ("clicked", ReceiptKind::Ignored),
        ("stored", ReceiptKind::Ignored),
        ("novel", ReceiptKind::Ignored),
    ] {
        assert_eq!(kind(json!({"event": word})), expected, "{word}");
    }
}

#[test]
fn a_temporary_failure_is_acceptance_and_a_permanent_one_blocks_only_by_proof() {
    let temporary = json!({"event": "failed", "severity": "temporary", "reason": "greylisted",
        "delivery-status": {"code": 450, "enhanced-code": "5.1.1"}});
    assert_eq!(kind(temporary), ReceiptKind::Accepted);
    let bounced = Some(BlockKind::HardBounced);
    for (reason, status, block) in [
        ("bounce", json!({"code": 550, "enhanced-code": "5.1.1"}), bounced),
        ("bounce", json!({"code": 550, "bounce-code": "5.1.10"}), bounced),
        ("bounce", json!({"code": "550", "enhanced-code": "", "message": "5.2.1 disabled"}), bounced),
        ("suppress-bounce", json!({"code": 605}), bounced),
        ("bounce", json!({"code": 605}), bounced),
        ("suppress-unsubscribe", json!({"code": 606}), Some(BlockKind::Unsubscribed)),
        ("suppress-complaint", json!({"code": 607}), Some(BlockKind::Complained)),
        ("bounce", json!({"code": 550, "enhanced-code": "5.7.1"}), None),
        ("bounce", json!({"code": 552, "enhanced-code": "5.2.2"}), None),
        ("bounce", json!({"code": 550, "message": "mailbox unavailable"}), None),
        ("old", json!({"code": 499}), None),
        ("generic", json!(null), None),
        ("generic", json!([]), None),
    ] {
        let change =
            json!({"event": "failed", "severity": "permanent", "reason": reason, "delivery-status": status});
        assert_eq!(kind(change), ReceiptKind::Failed { block }, "{reason} {status}");
    }
}

#[test]
fn an_event_of_other_mail_is_ignored() {
    for variables in [json!({}), json!([]), json!(null), json!({"m": "x", "a": "1", "t": "y"}), json!("m")] {
        let receipt = parsed(event(json!({"event": "complained", "user-variables": variables})));
        assert_eq!((receipt.kind, receipt.correlation), (ReceiptKind::Ignored, None), "{variables}");
    }
}

#[test]
fn every_field_that_decides_is_in_the_content_hash() {
    let base = json!({"event": "failed", "severity": "permanent", "reason": "bounce",
        "delivery-status": {"code": 550, "enhanced-code": "5.7.1"}});
    let first = parsed(event(base.clone()));
    assert_eq!(parsed(event(base)), first, "a repeat");
    for change in [
        json!({"event": "delivered"}),
        json!({"event": "failed", "severity": "temporary"}),
        json!({"event": "failed", "severity": "permanent", "reason": "suppress-bounce"}),
        json!({"event": "failed", "severity": "permanent", "reason": "bounce",
            "delivery-status": {"code": 550, "enhanced-code": "5.1.1"}}),
        json!({"event": "failed", "severity": "permanent", "reason": "bounce", "recipient": "other@x.example",
            "delivery-status": {"code": 550, "enhanced-code": "5.7.1"}}),
    ] {
        let forged = parsed(event(change.clone()));
        assert_eq!(forged.dedupe_key, first.dedupe_key);
        assert_ne!(forged.content_hash, first.content_hash, "{change}");
    }
}

#[test]
fn a_body_of_another_shape_is_unreadable() {
    let sign = r#""signature":{"timestamp":"1","token":"2","signature":"3"}"#;
    for body in [
        String::new(),
        "null".to_owned(),
        "event=delivered".to_owned(),
        "{}".to_owned(),
        format!("{{{sign}}}"),
        format!(r#"{{{sign},"event-data":{{}}}}"#),
        format!(r#"{{{sign},"event-data":{{"event":"a","event":"b"}}}}"#),
        format!(r#"{{{sign},{sign},"event-data":{{"event":"a"}}}}"#),
        "[".repeat(100_000),
    ] {
        let refused = parse_event(body.as_bytes()).expect_err("unreadable");
        assert_eq!(refused, WebhookRefusal::Unreadable, "{}", &body[..body.len().min(80)]);
    }
}

fn meaning(status: u16, body: ResponseBody) -> Outcome {
    let reset = Some("90".to_owned());
    let answer = HttpResponse { status, retry_after: None, rate_limit_reset: reset, body };
    classify(&answer, DateTime::UNIX_EPOCH)
}

fn read(text: &str) -> ResponseBody {
    ResponseBody::Complete(text.as_bytes().to_vec())
}

fn accepted(id: Option<&str>) -> Outcome {
    Outcome::Accepted { provider_id: id.map(str::to_owned) }
}

#[test]
fn only_queued_is_success() {
    assert_eq!(meaning(200, read(QUEUED)), accepted(Some("190.2@mail.example")));
    assert_eq!(meaning(200, ResponseBody::Incomplete), accepted(None));
    let wrong_path = Outcome::refused(RefusalKind::Account, "wrong_path");
    assert_eq!(meaning(200, read("Mailgun Magnificent API")), wrong_path);
    assert_eq!(meaning(200, read(r#"{"message":"Mailgun Magnificent API"}"#)), wrong_path);
    for body in
        ["", "<html>", "{}", r#"{"id":"x","message":"Hello"}"#, r#"{"message":"Queued."}"#, "{\"id\":"]
    {
        assert_eq!(meaning(200, read(body)), Outcome::unknown("http_200_unreadable"), "{body}");
    }
    assert_eq!(meaning(202, ResponseBody::Incomplete), Outcome::unknown("http_202_unreadable"));
}

#[test]
fn refusals_follow_the_status_and_the_words_of_a_400() {
    let recipient = RefusalKind::Recipient { block: None };
    for (status, body, kind) in [
        (
            400,
            r#"{"message":"'to' parameter is not a valid address. please check documentation"}"#,
            recipient,
        ),
        (400, r#"{"message":"to parameter is not a valid address"}"#, recipient),
        (400, r#"{"message":"from parameter is not a valid address"}"#, RefusalKind::Message),
        (
            400,
            r#"{"message":"Sandbox subdomains: add the address to authorized recipients"}"#,
            RefusalKind::Account,
        ),
        (
            400,
            r#"{"message":"Domain mail.example is not allowed to send: unverified"}"#,
            RefusalKind::Account,
        ),
        (400, "Account disabled", RefusalKind::Account),
        (400, r#"{"message":"something else"}"#, RefusalKind::Message),
        (400, "", RefusalKind::Message),
        (401, "Forbidden", RefusalKind::Account),
        (402, "{}", RefusalKind::Account),
        (403, "{}", RefusalKind::Account),
        (404, "{}", RefusalKind::Account),
        (302, "", RefusalKind::Account),
        (413, "", RefusalKind::Message),
        (418, "", RefusalKind::Message),
    ] {
        assert_eq!(meaning(status, read(body)), Outcome::refused(kind, format!("http_{status}")), "{body}");
    }
    let Outcome::Refused(limited) = meaning(429, read("{}")) else { panic!("refused") };
    assert_eq!((limited.kind, limited.retry_after), (RefusalKind::ForNow, Some(Duration::from_secs(90))));
    for status in [303, 408, 500, 502, 503, 504] {
        assert_eq!(meaning(status, read(QUEUED)), Outcome::unknown(format!("http_{status}")));
    }
}

fn mailgun(address: SocketAddr, steps: &[Step]) -> Mailgun {
    let timeouts = test_server::timeouts(steps);
    let settings = MailgunSettings {
        base_url: format!("http://{address}"),
        domain: "mail.example".to_owned(),
        api_key: "key".into(),
    };
    Mailgun::new(settings, &HttpClient::new(&timeouts).expect("a client"), timeouts.http)
}

async fn after(steps: Vec<Step>) -> Outcome {
    let (address, server) = serve(steps.clone()).await;
    let outcome = mailgun(address, &steps).send(&Outgoing::Email(email::tests::email())).await;
    let _ = server.await.expect("the script was followed");
    outcome
}

#[test]
fn the_variables_are_named_as_events_name_them() {
    assert_eq!(VARIABLES.map(str::to_owned), correlation::NAMES.map(|name| format!("v:{name}")));
}

#[tokio::test]
async fn a_call_carries_the_message_as_a_file_and_its_correlation_as_variables() {
    let reply = "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n";
    let (address, server) = serve(vec![Step::ReadRequest, Step::Send(reply), Step::Send(QUEUED)]).await;
    let outcome = mailgun(address, &[]).send(&Outgoing::Email(email::tests::email())).await;
    assert_eq!(outcome, accepted(Some("190.2@mail.example")));
    let received = server.await.expect("the script was followed");
    assert!(received.starts_with("POST /v3/mail.example/messages.mime HTTP/1.1\r\n"), "{received}");
    assert!(received.contains("authorization: Basic YXBpOmtleQ==\r\n"), "{received}");
    let [message, attempt, token] = email::tests::email().correlation.to_values();
    for (name, value) in [
        ("to", "zoe@customer.example"),
        ("v:m", &message),
        ("v:a", &attempt),
        ("v:t", &token),
        ("o:tracking-clicks", "no"),
        ("o:tracking-opens", "no"),
    ] {
        let part = format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--");
        assert!(received.contains(&part), "{name} in\n{received}");
    }
    let file = "Content-Disposition: form-data; name=\"message\"; filename=\"message.eml\"\r\n\
                Content-Type: message/rfc822\r\n\r\n";
    assert!(received.contains(file), "{received}");
    assert!(
        received.contains("Message-ID: <00000000000000000000000000000190.2@mail.example>\r\n"),
        "{received}"
    );
}

#[tokio::test]
async fn the_outcome_of_a_failed_call_depends_on_its_progress() {
    let outcome = mailgun(refusing_address().await, &[]).send(&Outgoing::Email(email::tests::email())).await;
    assert_eq!(outcome, Outcome::refused(RefusalKind::NotCalled, "connect"));
    assert_eq!(after(vec![Step::ReadRequest, Step::Reset]).await, Outcome::unknown("reset"));
    assert_eq!(after(vec![Step::ReadRequest, Step::Hang]).await, Outcome::unknown("timeout"));
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n{\"id\":";
    assert_eq!(after(vec![Step::ReadRequest, Step::Send(cut)]).await, accepted(None), "cut");
    assert_eq!(after(vec![Step::ReadRequest, Step::Send(cut), Step::Hang]).await, accepted(None), "stalled");
    let wrong = "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\nMailgun Magnificent API";
    let outcome = after(vec![Step::ReadRequest, Step::Send(wrong)]).await;
    assert_eq!(outcome, Outcome::refused(RefusalKind::Account, "wrong_path"));
    let broken = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(after(vec![Step::ReadRequest, Step::Send(broken)]).await, Outcome::unknown("http_500"));
}

#[tokio::test]
async fn an_unusable_address_makes_no_call() {
    let mut email = email::tests::email();
    email.to_address = "a@x.example, b@x.example".to_owned();
    let outcome = mailgun(refusing_address().await, &[]).send(&Outgoing::Email(email)).await;
    assert_eq!(outcome, Outcome::refused(RefusalKind::Recipient { block: None }, "address_unusable"));
}

proptest! {
    #[test]
    fn any_body_is_read_without_a_panic(body: Vec<u8>, text in ".*", status in 200u16..600) {
        let _ = parse_event(&body);
        let _ = parsed(event(json!({"event": text, "severity": text, "reason": text, "id": text,
            "delivery-status": {"code": text, "message": text, "enhanced-code": text},
            "user-variables": {"m": text, "a": text, "t": text}})));
        let outcome = meaning(status, ResponseBody::Complete(body));
        let accepted = matches!(outcome, Outcome::Accepted { .. });
        prop_assert!(status < 300 || !accepted);
    }

    #[test]
    fn no_triple_panics_and_none_is_authentic_by_chance(
        timestamp in "[0-9]{0,12}|.*", token in "[a-f0-9]{30,66}|.*", stated in "[a-f0-9]{64}|.*", now: i32,
    ) {
        let now = DateTime::<Utc>::from_timestamp(now.into(), 0).unwrap_or_default();
        let given = signature([&timestamp, &token, &stated]);
        prop_assert!(verify(&[SecretString::from(KEY)], &given, now).is_err());
    }
}
