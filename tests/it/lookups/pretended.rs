//! Look-ups at servers that are no provider: redirects, truncated bodies, silence.
//!
//! Invariants: no credentials at another host, and no `Absent` without the provider's statement.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use postrider_domain::company::{Account, ProviderSettings, policy::SmtpTls};
use postrider_providers::{HttpClient, LookupResult, ReceiptKind, Timeouts, build_provider};
use serde_json::{Value, json};

use super::{Via, kind, look_up, unclear};
use crate::support::mock_http::{Heard, MockHttp};

const NO_LOGS: &str = r#"{"message":"Not Found"}"#;

fn is_logs(call: &Heard) -> bool {
    call.path_and_query == "/v1/analytics/logs"
}

fn no_logs_found() -> String {
    json!({"items": [], "pagination": {"next": null}}).to_string()
}

fn events(items: Value, next: &str) -> String {
    json!({"items": items, "paging": {"next": next}}).to_string()
}

fn delivered(message_id: &str) -> Value {
    json!([{"event": "delivered", "message": {"headers": {"message-id": message_id}}}])
}

fn message_id(sought: &postrider_providers::LookupQuery) -> String {
    format!("{}.{}@mg.blancapeak.example", sought.message.0.simple(), sought.attempt)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_at_another_host_is_asked_for_at_the_accounts_own() {
    let elsewhere = MockHttp::start(|_| (200, "{}".to_owned())).await;
    let away = format!("http://{}", elsewhere.addr);

    let (_, mail) = Via::Mailgun.attempt("customer@example.test");
    let id = message_id(&mail);
    let next = format!("{away}/v3/mg.blancapeak.example/events/second?x=1");
    let mailgun = MockHttp::start(move |call| match call.path_and_query.as_str() {
        "/v1/analytics/logs" => (404, NO_LOGS.to_owned()),
        "/v3/mg.blancapeak.example/events/second?x=1" => (200, events(delivered(&id), &next)),
        _ => (200, events(delivered("another@example.test"), &next)),
    })
    .await;
    let looked = look_up(&*Via::Mailgun.at(mailgun.addr), &mail).await;
    assert_eq!(kind(&looked), Some(&ReceiptKind::Delivered));
    assert!(mailgun.heard().len() > 2 && mailgun.heard().iter().all(|call| call.signed));

    let (_, text) = Via::Twilio.attempt("+14155552671");
    let message = json!({
        "sid": "SM1", "status": "sent", "direction": "outbound-api", "error_code": null,
        "body": text.request.to_string(), "date_created": text.begun_at.to_rfc2822(),
    });
    let next = format!("{away}/second?Page=1");
    let twilio = MockHttp::start(move |call| {
        let page = match call.path_and_query.as_str() {
            "/second?Page=1" => json!({"messages": [message], "next_page_uri": null}),
            _ => json!({"messages": [], "next_page_uri": next}),
        };
        (200, page.to_string())
    })
    .await;
    let looked = look_up(&*Via::Twilio.at(twilio.addr), &text).await;
    assert_eq!(kind(&looked), Some(&ReceiptKind::Accepted));
    assert!(twilio.heard().len() == 2 && twilio.heard().iter().all(|call| call.signed));

    assert_eq!(elsewhere.heard(), [], "no other server got a call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_and_says_nothing() {
    let elsewhere = MockHttp::start(|_| (200, no_logs_found())).await;
    let target = format!("http://{}/", elsewhere.addr);
    let provider = MockHttp::start(move |_| (307, target.clone())).await;
    for via in [Via::Twilio, Via::Mailgun] {
        let (_, sought) = via.attempt(&via.recipient(1));
        assert_eq!(look_up(&*via.at(provider.addr), &sought).await, unclear("http_307"));
    }
    assert_eq!(elsewhere.heard(), []);
}

/// The two APIs of a Mailgun, each with its answer to everything; the events' second page is empty.
async fn halves(logs: (u16, String), first: (u16, String)) -> MockHttp {
    MockHttp::start(move |call| {
        if is_logs(call) {
            logs.clone()
        } else if call.path_and_query.ends_with("/second") {
            (200, events(json!([]), "/second"))
        } else {
            first.clone()
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_half_of_mailgun_that_is_broken_leaves_what_it_was_asked_for_unclear() {
    let (_, found) = Via::Mailgun.attempt("customer@example.test");
    let (_, other) = Via::Mailgun.attempt("customer@example.test");
    let sought = [found.clone(), other];
    let told = events(delivered(&message_id(&found)), "/second");
    let nothing = || (200, no_logs_found());
    for (logs, first, expected) in [
        ((500, "{}".to_owned()), (200, told.clone()), unclear("http_500")),
        ((403, "Forbidden".to_owned()), (200, told.clone()), unclear("http_403")),
        ((429, "{}".to_owned()), (200, told.clone()), unclear("http_429")),
        ((200, "{\"items\":".to_owned()), (200, told.clone()), unclear("http_200_unreadable")),
        ((404, NO_LOGS.to_owned()), (200, told.clone()), LookupResult::Absent),
        (nothing(), (200, told), LookupResult::Absent),
    ] {
        let mailgun = halves(logs.clone(), first).await;
        let looked = Via::Mailgun.at(mailgun.addr).lookup(&sought).await;
        assert_eq!(kind(&looked[0]), Some(&ReceiptKind::Delivered), "{logs:?}");
        assert_eq!(looked[1], expected, "{logs:?}");
    }
    for (first, expected) in [
        ((500, String::new()), unclear("http_500")),
        ((401, "Forbidden".to_owned()), unclear("http_401")),
        ((404, r#"{"message":"Domain not found"}"#.to_owned()), unclear("http_404")),
        ((410, String::new()), LookupResult::Absent),
        ((404, String::new()), LookupResult::Absent),
        ((200, "Mailgun Magnificent API".to_owned()), LookupResult::Absent),
    ] {
        let mailgun = halves(nothing(), first.clone()).await;
        let looked = Via::Mailgun.at(mailgun.addr).lookup(&sought).await;
        assert_eq!(looked, [expected.clone(), expected], "{first:?}");
    }
    let mailgun = halves((404, NO_LOGS.to_owned()), (501, String::new())).await;
    let looked = Via::Mailgun.at(mailgun.addr).lookup(&sought).await;
    assert_eq!(looked, [unclear("not_on_offer"), unclear("not_on_offer")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_goes_missing_is_no_end() {
    let mailgun = MockHttp::start(|call| {
        if is_logs(call) {
            (200, no_logs_found())
        } else if call.path_and_query.ends_with("/second") {
            (404, NO_LOGS.to_owned())
        } else {
            (200, events(delivered("another@example.test"), "/second"))
        }
    })
    .await;
    let (_, sought) = Via::Mailgun.attempt("customer@example.test");
    assert_eq!(look_up(&*Via::Mailgun.at(mailgun.addr), &sought).await, unclear("http_404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_the_account_hides_are_not_taken_for_absent() {
    let begun_at = postrider_clock::wall().to_rfc2822();
    let twilio = MockHttp::start(move |_| {
        let message = json!({
            "sid": "SM1", "status": "sent", "direction": "outbound-api", "error_code": null,
            "body": "", "date_created": begun_at,
        });
        (200, json!({"messages": [message], "next_page_uri": null}).to_string())
    })
    .await;
    let (_, sought) = Via::Twilio.attempt("+14155552671");
    assert_eq!(look_up(&*Via::Twilio.at(twilio.addr), &sought).await, unclear("text_hidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_beyond_every_measure_is_unclear() {
    let endless = json!({"messages": [], "next_page_uri": null, "pad": "x".repeat(3 << 20)}).to_string();
    let provider = MockHttp::start(move |_| (200, endless.clone())).await;
    let (_, sought) = Via::Twilio.attempt("+14155552671");
    let looked = look_up(&*Via::Twilio.at(provider.addr), &sought).await;
    assert_eq!(looked, unclear("http_200_unreadable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_ends_in_its_time_however_much_it_was_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let silent = MockHttp::start(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        (0, String::new())
    })
    .await;
    for via in [Via::Twilio, Via::Mailgun] {
        asked.store(0, Ordering::SeqCst);
        let provider = via.with(silent.addr, 1_000, None);
        let sought: Vec<_> = (0..400).map(|number| via.attempt(&via.recipient(number)).1).collect();
        let looked = provider.lookup(&sought).await;
        assert_eq!(looked, vec![unclear("timeout"); 400], "{via:?}");
        // Four at once, for the time of two calls.
        let asked = asked.load(Ordering::SeqCst);
        assert!((1..=12).contains(&asked), "{via:?}: {asked} questions");
    }
}

#[tokio::test]
async fn a_relay_cannot_be_asked() {
    let account = Account {
        id: "relay".to_owned(),
        rate_per_sec: 1,
        concurrency: 1,
        settings: ProviderSettings::Smtp {
            host: "127.0.0.1".to_owned(),
            port: 9,
            tls: SmtpTls::None,
            username: None,
            password_env: None,
            domain: "blancapeak.example".to_owned(),
        },
    };
    let timeouts = Timeouts::default();
    let client = HttpClient::new(&timeouts).expect("a client");
    let relay = build_provider(&account, &|_| None, &client, timeouts).expect("needs no secret");
    let sought = [Via::Mailgun.attempt("a@example.test").1, Via::Mailgun.attempt("b@example.test").1];
    assert_eq!(relay.lookup(&sought).await, [unclear("no_look_up"), unclear("no_look_up")]);
}
