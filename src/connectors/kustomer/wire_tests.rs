//! Kustomer's notifications as documented, forged and broken; and its jobs beside those of its own workflow.
//!
//! The fixture follows developer.kustomer.com's event catalogue; the signature's vector was made with
//! another implementation.

use super::*;
use postrider_domain::{company::ConnectorSettings, job::parse};
use proptest::prelude::*;
use serde_json::json;

const DONE_NOTICE: &[u8] = include_bytes!("../../../tests/fixtures/recipes/kustomer_done.json");
const WORKFLOWS_CHAT: &[u8] = include_bytes!("../../../tests/fixtures/seeds/kustomer_other.json");
const WORKFLOWS_VOICE: &[u8] = include_bytes!("../../../tests/fixtures/seeds/kustomer_voice.json");

fn settings() -> KustomerSettings {
    KustomerSettings {
        base_url: "https://api.kustomerapp.com".to_owned(),
        api_key_env: "KEY".to_owned(),
        webhook_token_env: "TOKEN".to_owned(),
        conversation_url: Some(
            "https://blancapeak.kustomerapp.com/app/customers/{customer}/event/{conversation}".to_owned(),
        ),
        do_not_send_attribute: "doNotSendStellaConnectRequestBool".to_owned(),
    }
}

fn recipe() -> Connector {
    let settings = ConnectorSettings::Kustomer(settings());
    Connector { id: "blanca-kustomer".to_owned(), brand: None, test: false, settings }
}

fn found() -> LookedUp {
    LookedUp {
        customer_name: Some("Jane Customer".to_owned()),
        customer_email: Some("janecustomer@example.com".to_owned()),
        user_email: Some("paulagent@blancapeak.com".to_owned()),
        tags: vec!["exchange".to_owned(), "backorder".to_owned()],
    }
}

/// The fixture with one thing changed.
fn changed(change: impl FnOnce(&mut Value)) -> Result<ParsedNotification, UnreadableConversation> {
    let mut notification: Value = serde_json::from_slice(DONE_NOTICE).expect("the fixture is JSON");
    change(&mut notification);
    parse(notification.to_string().as_bytes(), &settings())
}

fn closed(change: impl FnOnce(&mut Value)) -> ClosedConversation {
    match changed(change) {
        Ok(ParsedNotification::Closed(closed)) => closed,
        other => panic!("a finished conversation, not {other:?}"),
    }
}

fn token(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

#[test]
fn a_signature_is_taken_only_for_the_very_bytes_under_one_of_the_tokens() {
    let body = br#"{"id":"6717c2b1e5b1f00012ab3511","name":"kustomer.conversation.update"}"#;
    let signature = "1f3643f414fa3278ef1889f1f43edd58ef2eb314e2c6f7789e23fc25bf7e27b3";
    let tokens = [token("an older one"), token("kustomer-token")];
    assert!(is_authentic(&tokens, body, Some(signature)));
    assert!(!is_authentic(&tokens[..1], body, Some(signature)), "another token");
    assert!(!is_authentic(&tokens, &[&body[..], b"\n"].concat(), Some(signature)), "another body");
    for wrong in [None, Some(""), Some(&signature[1..]), Some(&signature.to_uppercase()[..])] {
        assert!(!is_authentic(&tokens, body, wrong), "{wrong:?}");
    }
    let empty = "3b53e90f176254a344522b8c110932a6e9fc8b5786bc1b3e1540d21a5588d3ae";
    assert!(!is_authentic(&[token("")], body, Some(empty)) && !is_authentic(&[], body, Some(signature)));
}

#[test]
fn only_a_conversation_that_was_just_finished_while_somebody_was_assigned_counts() {
    let nothing = Ok(ParsedNotification::Irrelevant);
    assert_eq!(
        changed(|notification| notification["changes"]["attributes"]["status"]["after"] = json!("open")),
        nothing
    );
    assert_eq!(changed(|notification| notification["changes"]["attributes"] = json!({})), nothing);
    assert_eq!(
        changed(|notification| notification["changes"] = json!(null)),
        nothing,
        "a conversation that is new"
    );
    assert_eq!(changed(|notification| notification["name"] = json!("kustomer.customer.update")), nothing);
    assert_eq!(
        changed(|notification| notification["data"]["attributes"]["assignedUsers"] = json!([])),
        nothing
    );
    assert_eq!(
        changed(|notification| notification["data"]["attributes"]["assignedUsers"] = json!(null)),
        nothing
    );
    let message = json!({"id": 7, "name": "kustomer.message.create", "data": {"attributes": {"tags": [{}]}}});
    assert_eq!(parse(message.to_string().as_bytes(), &settings()), nothing, "other events have other shapes");
    let closed = closed(|_| {});
    assert_eq!(closed.notification, "6717c2b1e5b1f00012ab3511");
    assert_eq!(
        (closed.customer.as_str(), closed.user.as_str()),
        ("5f0c89aa2d3e4f5061728001", "5f0c8a1b2d3e4f50617200a1")
    );
}

#[test]
fn null_stands_for_what_a_conversation_does_not_have() {
    let closed = closed(|notification| {
        for field in ["tags", "channels", "custom"] {
            notification["data"]["attributes"][field] = json!(null);
        }
    });
    assert_eq!((closed.tags.len(), closed.channels.len(), closed.do_not_send), (0, 0, None));
}

#[test]
fn an_id_that_would_lead_elsewhere_is_refused_where_it_stands() {
    let bad = json!("../users?x=");
    let path = |notification: Result<ParsedNotification, UnreadableConversation>| {
        notification.expect_err("refused").path
    };
    assert_eq!(
        path(changed(|notification| notification["data"]["attributes"]["tags"][1] = bad.clone())),
        "data.attributes.tags"
    );
    assert_eq!(
        path(changed(|notification| notification["data"]["attributes"]["assignedUsers"][0] = bad.clone())),
        "data.attributes.assignedUsers"
    );
    assert_eq!(
        path(changed(|notification| notification["data"]["relationships"] = json!({}))),
        "data.relationships.customer.data.id"
    );
    assert_eq!(path(changed(|notification| notification["data"] = json!(null))), "data");
    assert_eq!(path(changed(|notification| notification["id"] = json!(7))), "");
}

#[test]
fn the_job_of_a_notice_is_the_one_that_the_workflow_posts() {
    for (channels, workflows) in [
        (json!(["chat"]), WORKFLOWS_CHAT),
        (json!(["chat", "voice"]), WORKFLOWS_VOICE),
        (json!(["voice"]), WORKFLOWS_VOICE),
    ] {
        let closed = closed(|notification| notification["data"]["attributes"]["channels"] = channels.clone());
        let made = job(&closed, &found(), &recipe(), &settings()).expect("a job");
        let made: Value = serde_json::from_slice(&made).expect("JSON");
        let posted: Value = serde_json::from_slice(workflows).expect("JSON");
        assert_eq!(made, posted, "{channels}");
        parse::parse(made.to_string().as_bytes()).expect("a job that is taken");
    }
}

#[test]
fn the_box_that_forbids_asking_is_read_under_the_name_that_the_company_gave_it() {
    let sent = |attribute: &str, value: Value| {
        let settings = KustomerSettings { do_not_send_attribute: attribute.to_owned(), ..settings() };
        let mut notification: Value = serde_json::from_slice(DONE_NOTICE).expect("JSON");
        notification["data"]["attributes"]["custom"][attribute] = value;
        let Ok(ParsedNotification::Closed(closed)) = parse(notification.to_string().as_bytes(), &settings)
        else {
            panic!("finished")
        };
        let made = job(&closed, &found(), &recipe(), &settings).expect("a job");
        serde_json::from_slice::<Value>(&made).expect("JSON")["do_not_send"].clone()
    };
    assert_eq!(sent("quietBool", json!(true)), json!(true));
    assert_eq!(sent("quietBool", json!(false)), json!(false));
    assert_eq!(sent("quietBool", json!(null)), json!(null));
    // Whatever else it holds was meant to say something: the job is refused, and no customer is asked by mistake.
    assert_eq!(sent("quietTxt", json!("true")), json!("true"));
    let refused = parse::parse(br#"{"do_not_send": "true"}"#).expect_err("no flag");
    assert!(refused.iter().any(|problem| problem.path == "do_not_send"), "{refused:?}");
}

#[test]
fn a_customer_without_an_email_address_is_not_asked_as_in_the_workflow() {
    let nowhere = LookedUp { customer_email: None, ..found() };
    assert_eq!(job(&closed(|_| {}), &nowhere, &recipe(), &settings()), None);
}

#[test]
fn answers_are_read_as_far_as_they_are_there() {
    let answer = json!({"data": {"attributes": {
        "name": " Jane ", "emails": [{"type": "home", "email": "jane@example.com"}, {"email": "j@example.org"}]
    }}});
    assert_eq!(customer(&answer), (Some("Jane".to_owned()), Some("jane@example.com".to_owned())));
    assert_eq!(customer(&json!({"data": {"attributes": {"name": null, "emails": []}}})), (None, None));
    assert_eq!(
        user(&json!({"data": {"attributes": {"email": "p@example.com"}}})),
        Some("p@example.com".into())
    );
    let answer = json!({"data": [{"attributes": {"name": "exchange"}}, {"attributes": {"name": ""}}, {}]});
    assert_eq!(tags(&answer), ["exchange"]);
    assert_eq!(tags(&json!({"data": {"attributes": {"name": "alone"}}})), Vec::<String>::new());
}

proptest! {
    #[test]
    fn no_body_panics_and_none_is_authentic_by_accident(body in any::<Vec<u8>>(), signature in ".{0,80}") {
        let _ = parse(&body, &settings());
        prop_assert!(!is_authentic(&[token("kustomer-token")], &body, Some(&signature)));
    }
}
