//! Webhooks after an acceptance, lookups, and the journal across a restart.
//!
//! The receiver is a real HTTP server; `webhooks_settled` is the only wait. Signatures are checked with `sign`,
//! which is tested with published vectors.

use serde_json::Value;

use super::support::{ACCOUNT, OUR_NUMBER, Receiver, client, mail, message_id, simulator_with, submit, text};
use crate::{Simulator, sign};

async fn simulator_for(receiver: &Receiver) -> Simulator {
    let (mailgun, inbound) = (format!("{}/mailgun", receiver.base), format!("{}/inbound", receiver.base));
    simulator_with(|config| {
        config.mailgun_webhook_url = Some(mailgun);
        config.twilio_inbound_url = Some(inbound);
    })
    .await
}

async fn events_of_mail(word: &str) -> Vec<Value> {
    let receiver = Receiver::start(&[200]).await;
    let simulator = simulator_for(&receiver).await;
    mail(&simulator, &format!("{word}@example.test")).send().await.expect("an answer");
    simulator.webhooks_settled().await;
    receiver.hooks().iter().map(|hook| hook.json()["event-data"].clone()).collect()
}

async fn statuses_of_text(to: &str) -> Vec<String> {
    let receiver = Receiver::start(&[200]).await;
    let simulator = simulator_for(&receiver).await;
    let callback = format!("{}/status?m=1", receiver.base);
    text(&simulator, to, Some(&callback)).send().await.expect("an answer");
    simulator.webhooks_settled().await;
    let word = |hook: &super::support::Hook| {
        format!("{}{}{}", hook.field("MessageStatus"), hook.field("ErrorCode"), hook.field("Body"))
    };
    receiver.hooks().iter().map(word).collect()
}

#[tokio::test]
async fn mailguns_webhooks_are_signed_and_carry_the_user_variables() {
    let receiver = Receiver::start(&[200]).await;
    let simulator = simulator_for(&receiver).await;
    mail(&simulator, "jo@example.test").send().await.expect("an answer");
    simulator.webhooks_settled().await;
    let hook = receiver.hooks().remove(0).json();
    let part = |name: &str| hook["signature"][name].as_str().expect("a string").to_owned();
    assert_eq!(
        part("signature"),
        sign::mailgun("simulated-mailgun-signing-key", &part("timestamp"), &part("token"))
    );
    assert_eq!(part("token").len(), 50);
    let event = &hook["event-data"];
    assert_eq!(
        (event["event"].as_str(), event["recipient"].as_str()),
        (Some("delivered"), Some("jo@example.test"))
    );
    assert_eq!(event["user-variables"]["m"], message_id().to_string());
    assert_eq!(event["user-variables"]["a"], "2");
    assert_eq!(simulator.accepted()[0].last_status, "delivered");
}

#[tokio::test]
async fn twilios_callbacks_are_signed_over_the_url_without_its_fragment() {
    let receiver = Receiver::start(&[204]).await;
    let simulator = simulator_for(&receiver).await;
    let url = format!("{}/status?m={}&a=1&t=00", receiver.base, message_id().simple());
    text(&simulator, "+14155552671", Some(&format!("{url}#rc=2"))).send().await.expect("an answer");
    simulator.webhooks_settled().await;
    let hooks = receiver.hooks();
    assert_eq!(
        hooks.iter().map(|hook| hook.field("MessageStatus")).collect::<Vec<_>>(),
        ["sent", "delivered"]
    );
    for hook in hooks {
        assert!(url.ends_with(&hook.path_and_query));
        assert_eq!(hook.signature, Some(sign::twilio("simulated-twilio-auth-token", &url, &hook.form())));
    }
}

#[tokio::test]
async fn each_fault_has_its_own_events() {
    let names = |events: &[Value]| -> Vec<String> {
        let word = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        events.iter().map(|event| format!("{}{}", word(event, "event"), word(event, "reason"))).collect()
    };
    assert_eq!(names(&events_of_mail("bounce").await), ["failedbounce"]);
    assert_eq!(names(&events_of_mail("softbounce").await), ["failedgreylisted", "delivered"]);
    assert_eq!(names(&events_of_mail("shuffled").await), ["delivered", "failedgreylisted"]);
    assert_eq!(names(&events_of_mail("optout").await), ["failedsuppress-unsubscribe"]);
    assert_eq!(names(&events_of_mail("complain").await), ["delivered", "complained"]);
    assert_eq!(names(&events_of_mail("twice").await), ["delivered", "delivered"]);
    assert!(events_of_mail("silent").await.is_empty() && events_of_mail("lostreceipt").await.is_empty());
    let late = events_of_mail("latebounce").await;
    assert_eq!(
        (&late[0]["flags"]["is-delayed-bounce"], &late[1]["flags"]["is-delayed-bounce"]),
        (&false.into(), &true.into())
    );

    assert_eq!(statuses_of_text("+15005551015").await, ["sent", "undelivered30005"]);
    assert_eq!(statuses_of_text("+15005551021").await, ["sent", "sent", "delivered", "delivered"]);
    assert_eq!(statuses_of_text("+15005551022").await, ["delivered", "sent"]);
    assert_eq!(statuses_of_text("+15005551024").await, ["sent", "undelivered30007"]);
    assert_eq!(statuses_of_text("+15005551017").await, ["sent", "delivered", "STOP"]);
}

#[tokio::test]
async fn an_early_receipt_is_answered_before_the_call_is() {
    let receiver = Receiver::start(&[200]).await;
    let simulator = simulator_for(&receiver).await;
    mail(&simulator, "early@example.test").send().await.expect("an answer");
    assert_eq!(receiver.hooks().len(), 1, "posted before the answer");
    let callback = format!("{}/status?m=1", receiver.base);
    text(&simulator, "+15005551020", Some(&callback)).send().await.expect("an answer");
    assert_eq!(receiver.hooks().len(), 3, "sent and delivered before the answer");
}

#[tokio::test]
async fn mailgun_retries_until_the_webhook_is_accepted_or_refused_permanently() {
    let receiver = Receiver::start(&[500, 503, 200]).await;
    let simulator = simulator_for(&receiver).await;
    mail(&simulator, "bounce@example.test").send().await.expect("an answer");
    simulator.webhooks_settled().await;
    let hooks = receiver.hooks();
    assert!(hooks.len() == 3 && hooks.iter().all(|hook| hook.body == hooks[0].body));
    for (statuses, word, posts) in [(&[406][..], "bounce", 1), (&[500][..], "ok", 1)] {
        let receiver = Receiver::start(statuses).await;
        let simulator = simulator_for(&receiver).await;
        mail(&simulator, &format!("{word}@example.test")).send().await.expect("an answer");
        simulator.webhooks_settled().await;
        assert_eq!(receiver.hooks().len(), posts, "{word} answered {statuses:?}");
    }
}

#[tokio::test]
async fn a_customers_stop_is_posted_signed_and_blocks_until_start() {
    let receiver = Receiver::start(&[200]).await;
    let simulator = simulator_for(&receiver).await;
    let customer = "+14155552671";
    assert_eq!(simulator.inbound_sms(customer, OUR_NUMBER, "stop", Some("STOP")).await, Some(200));
    let hook = receiver.hooks().remove(0);
    let url = format!("{}/inbound", receiver.base);
    assert_eq!(hook.signature, Some(sign::twilio("simulated-twilio-auth-token", &url, &hook.form())));
    assert_eq!((hook.field("From"), hook.field("OptOutType")), (customer.to_owned(), "STOP".to_owned()));
    let refused: Value =
        text(&simulator, customer, None).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(refused["code"], 21610);
    simulator.inbound_sms(customer, OUR_NUMBER, "START", None).await;
    assert_eq!(text(&simulator, customer, None).send().await.expect("an answer").status().as_u16(), 201);
}

async fn get(simulator: &Simulator, path: &str, user: &str, password: &str) -> Value {
    let url = format!("http://{}{path}", simulator.http_addr);
    let response = client().get(url).basic_auth(user, Some(password)).send().await.expect("an answer");
    response.json().await.expect("JSON")
}

#[tokio::test]
async fn the_journal_and_its_lookups_survive_a_restart() {
    let path = std::env::temp_dir().join(format!("postrider-simulator-{}.jsonl", crate::clock::random_id()));
    let start = || simulator_with(|config| config.journal_path = Some(path.clone()));
    let simulator = start().await;
    mail(&simulator, "lostreceipt@example.test").send().await.expect("an answer");
    text(&simulator, "+15005551028", None).send().await.expect("an answer");
    submit(&simulator, "jo@example.test", &[]).await.expect("a conversation");
    simulator.webhooks_settled().await;
    let before = simulator.accepted();
    simulator.shutdown().await;
    // A crash in the middle of a line: that acceptance was never answered.
    let torn = [std::fs::read(&path).expect("the journal file"), b"{\"kind\":\"acc".to_vec()].concat();
    std::fs::write(&path, torn).expect("the journal file");

    let simulator = start().await;
    assert_eq!(simulator.accepted(), before);
    let key = "simulated-mailgun-api-key";
    let id = format!("{}.2@shop.test", message_id().simple());
    let found =
        get(&simulator, &format!("/v3/shop.test/events?message-id={id}&ascending=yes"), "api", key).await;
    let names: Vec<_> =
        found["items"].as_array().expect("items").iter().map(|item| item["event"].clone()).collect();
    assert_eq!(names, ["accepted", "delivered"]);
    let next = found["paging"]["next"].as_str().expect("a URL").split_once("/v3").expect("ours").1.to_owned();
    assert_eq!(get(&simulator, &format!("/v3{next}"), "api", key).await["items"], Value::Array(vec![]));

    let (messages, token) =
        (format!("/2010-04-01/Accounts/{ACCOUNT}/Messages"), "simulated-twilio-auth-token");
    let sid = &before[1].provider_id;
    let one = get(&simulator, &format!("{messages}/{sid}.json"), ACCOUNT, token).await;
    assert_eq!((one["status"].as_str(), one["to"].as_str()), (Some("delivered"), Some("+15005551028")));
    let listed =
        get(&simulator, &format!("{messages}.json?To=%2B15005551028&DateSent>=2020-01-01"), ACCOUNT, token)
            .await;
    assert_eq!(
        (listed["messages"][0]["sid"].as_str(), &listed["next_page_uri"]),
        (Some(sid.as_str()), &Value::Null)
    );
    // Lines after the torn one are readable too.
    text(&simulator, "+14155552671", None).send().await.expect("an answer");
    simulator.webhooks_settled().await;
    let after = simulator.accepted();
    assert_eq!(after.len(), before.len() + 1);
    simulator.shutdown().await;
    let simulator = start().await;
    assert_eq!(simulator.accepted(), after);
    simulator.shutdown().await;
    std::fs::remove_file(&path).expect("the journal file");
}

#[tokio::test]
async fn the_logs_api_finds_the_events_of_one_message() {
    let receiver = Receiver::start(&[200]).await;
    let simulator = simulator_for(&receiver).await;
    for recipient in ["jo@example.test", "bounce@example.test"] {
        mail(&simulator, recipient).send().await.expect("an answer");
    }
    simulator.webhooks_settled().await;
    let question = serde_json::json!({
        "start": "Thu, 01 Jan 2026 00:00:00 +0000",
        "filter": { "AND": [{ "attribute": "recipient", "comparator": "=", "values": [{ "label": "", "value": "bounce@example.test" }] }] },
        "events": ["failed"],
    });
    let url = format!("http://{}/v1/analytics/logs", simulator.http_addr);
    let request = client().post(url).basic_auth("api", Some("simulated-mailgun-api-key")).json(&question);
    let found: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["items"][0]["delivery-status"]["enhanced-code"], "5.1.1");
    assert!(found["items"][0]["@timestamp"].is_string());
}
