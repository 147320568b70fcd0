//! Interactions from their notifications: in every order, twice, through several hands.
//!
//! The properties are the promise: one request whatever the order, and never before the wrap-up ended.

use super::*;
use crate::connectors::eight_by_eight::wire;
use postrider_domain::{company::ConnectorSettings, job::parse};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

fn settings() -> EightByEightSettings {
    EightByEightSettings {
        tenant_id: "tenant01".to_owned(),
        channel: "social".to_owned(),
        social_channels: vec!["Facebook".to_owned(), "WhatsApp".to_owned()],
        case_url: Some("https://crm.example.com/case/{case}".to_owned()),
        debounce_secs: 0,
        transaction_codes: BTreeMap::from([("5|12".to_owned(), "exchange".to_owned())]),
        keys: Vec::new(),
        keys_url: None,
    }
}

fn recipe() -> Connector {
    let settings = ConnectorSettings::EightByEight(settings());
    Connector { id: "blanca-8x8".to_owned(), brand: Some("blanca".to_owned()), test: false, settings }
}

fn stream(name: &str, agent: &str, second: i64) -> Value {
    json!({"conversationId": "chat-1", "Interaction": {
        "event": name, "agentId": agent, "interactionEventTS": second, "mediaType": "chat",
        "interactionGUID": "int-1", "msgInfo": {"timestamp": second * 1_000},
        "attachedData": {"attachedDatum": [
            {"attachedDataKey": "tclSelectedItems", "attachedDataValue": format!("5|12,6|{second}")}
        ]}
    }})
}

fn conversation(channel: &str, email: &str, second: i64) -> Value {
    json!({"eventType": "CONVERSATION_UPDATE", "conversationId": "chat-1", "timestamp": second * 1_000,
        "data": {"state": "active", "channel": channel, "user": {
            "userId": "u-1", "name": "Jane", "email": email, "caseId": "case 9", "language": "fr_CA"}}})
}

/// A chat that one agent rejected, another let time out, and a third took to its end.
fn handled() -> Vec<Value> {
    vec![
        conversation("Facebook", "old@example.com", 1),
        stream("InteractionAssigned", "agRejects", 2),
        stream("InteractionRejected", "agRejects", 3),
        stream("InteractionAssigned", "agSleeps", 4),
        stream("InteractionRejected", "agSleeps", 5),
        stream("InteractionAccepted", "agPaul", 6),
        conversation("Facebook", "jane@example.com", 7),
        stream("InteractionPostProcess", "agPaul", 8),
        stream("InteractionEndPostProcess", "agPaul", 9),
        stream("InteractionDeleted", "agPaul", 10),
    ]
}

/// The same, handed over to another agent, and back.
fn transferred() -> Vec<Value> {
    let mut notifications = handled();
    let after: Vec<Value> = [
        ("InteractionAccepted", "agLea", 11),
        ("InteractionEndPostProcess", "agLea", 12),
        ("InteractionAccepted", "agPaul", 13),
        ("InteractionEndPostProcess", "agPaul", 14),
    ]
    .map(|(name, agent, second)| stream(name, agent, second))
    .into();
    notifications.splice(9..9, after);
    notifications
}

fn merge_facts(interaction: &mut Interaction, notification: &Value) {
    if let Some(told) = wire::parse(notification.to_string().as_bytes()).expect("readable") {
        interaction.merge(told.facts);
    }
}

fn all(notifications: &[Value]) -> Interaction {
    let mut interaction = Interaction::default();
    notifications.iter().for_each(|notification| merge_facts(&mut interaction, notification));
    interaction
}

fn is(notification: &Value, name: &str) -> bool {
    notification["Interaction"]["event"] == name
}

/// The notifications in another order, some of them twice.
fn disorder(notifications: &[Value], moves: &[Index], repeats: &[Index]) -> Vec<Value> {
    let mut disordered: Vec<Value> = notifications.to_vec();
    disordered.extend(repeats.iter().map(|index| notifications[index.index(notifications.len())].clone()));
    for (place, index) in moves.iter().enumerate() {
        let (left, right) = (place % disordered.len(), index.index(disordered.len()));
        disordered.swap(left, right);
    }
    disordered
}

#[test]
fn a_chat_that_was_accepted_ended_and_wrapped_up_is_complete_and_no_sooner() {
    for notifications in [handled(), transferred()] {
        let last = notifications.len() - 1;
        for known in 0..last {
            assert_eq!(
                all(&notifications[..=known]).state(&settings()) == InteractionState::Complete,
                known == last
            );
        }
        assert_eq!(all(&notifications).state(&settings()), InteractionState::Complete);
    }
}

#[test]
fn a_chat_that_nobody_took_is_never_complete() {
    let untaken: Vec<Value> = handled()
        .into_iter()
        .filter(|notification| {
            !is(notification, "InteractionAccepted") && !is(notification, "InteractionEndPostProcess")
        })
        .collect();
    assert_eq!(all(&untaken).state(&settings()), InteractionState::Open);
}

#[test]
fn a_chat_that_came_from_no_social_channel_is_never_complete() {
    let mut web = handled();
    for notification in &mut web {
        if notification["data"].is_object() {
            notification["data"]["channel"] = json!("WebChat");
        }
    }
    assert_eq!(all(&web).state(&settings()), InteractionState::Open);
}

#[test]
fn whoever_took_it_last_is_asked_about_with_codes_as_tags_and_the_case_as_link() {
    let interaction = all(&transferred());
    let customer = interaction.customer();
    assert_eq!(customer.social_id.as_deref(), Some("facebook:u-1"));
    let job = interaction.job("chat-1", &customer, &recipe(), &settings());
    let made: Value = serde_json::from_slice(&job).expect("JSON");
    assert_eq!(
        made,
        json!({
            "customer": {"name": "Jane", "email": "jane@example.com"},
            "employee": {"custom_id": "agPaul"},
            "channel": "social",
            "ext_interaction_id": "chat-1",
            "external_url": "https://crm.example.com/case/case%209",
            "tags": ["exchange", "6|14"],
            "language": "fr_CA",
            "brand": "blanca"
        })
    );
    parse::parse(&job).expect("a job that is taken");
}

#[test]
fn what_is_too_long_for_a_job_is_left_out_and_a_tag_of_two_codes_is_named_once() {
    let mut settings = settings();
    settings.transaction_codes.insert("5|13".to_owned(), "exchange".to_owned());
    let (longest, too_long, renamed) = ("x".repeat(200), "x".repeat(201), "y".repeat(201));
    settings.transaction_codes.insert(renamed.clone(), "short".to_owned());
    let codes: [&str; 7] = ["5|12", &longest, &too_long, "5|13", &renamed, "6|1", "6|1"];
    let interaction = Interaction {
        // Each takes nine characters in a link.
        case: Latest::new(1, Some("\u{20ac}".repeat(250))),
        codes: Latest::new(99, Some(codes.map(str::to_owned).to_vec())),
        ..all(&handled())
    };
    let job = interaction.job("chat-1", &interaction.customer(), &recipe(), &settings);
    let made: Value = serde_json::from_slice(&job).expect("JSON");
    assert_eq!(made["tags"], json!(["exchange", longest, "short", "6|1"]));
    assert_eq!(made["external_url"], Value::Null);
    parse::parse(&job).expect("a job that is taken");
}

#[test]
fn a_case_that_is_a_link_already_stays_one_and_one_without_a_page_is_left_out() {
    let interaction = |case: &str| Interaction {
        case: Latest::new(1, Some(case.to_owned())),
        accepted: BTreeMap::from([("agPaul".to_owned(), 1)]),
        ..Interaction::default()
    };
    let url = |case: &str, settings: &EightByEightSettings| {
        let job = interaction(case).job("c", &CustomerFacts::default(), &recipe(), settings);
        serde_json::from_slice::<Value>(&job).expect("JSON")["external_url"].clone()
    };
    assert_eq!(url("https://crm.example.com/9", &settings()), json!("https://crm.example.com/9"));
    assert_eq!(url("../../x?y=1", &settings()), json!("https://crm.example.com/case/..%2F..%2Fx%3Fy%3D1"));
    assert_eq!(url("9", &EightByEightSettings { case_url: None, ..settings() }), json!(null));
}

#[test]
fn what_is_stored_is_read_again() {
    let interaction = all(&transferred());
    let stored = serde_json::to_value(&interaction).expect("plain data");
    assert_eq!(serde_json::from_value::<Interaction>(stored).expect("readable"), interaction);
}

proptest! {
    #[test]
    fn any_order_with_any_repeats_makes_one_request_and_never_before_the_wrap_up_ended(
        transfer in any::<bool>(),
        moves in proptest::collection::vec(any::<Index>(), 0..60),
        repeats in proptest::collection::vec(any::<Index>(), 0..8),
    ) {
        let notifications = if transfer { transferred() } else { handled() };
        let disordered = disorder(&notifications, &moves, &repeats);
        let mut interaction = Interaction::default();
        let mut completions = 0;
        for (place, notification) in disordered.iter().enumerate() {
            let before = interaction.state(&settings());
            merge_facts(&mut interaction, notification);
            let after = interaction.state(&settings());
            completions += usize::from((before, after) == (InteractionState::Open, InteractionState::Complete));
            if after == InteractionState::Complete {
                let known = &disordered[..=place];
                prop_assert!(known.iter().any(|notification| is(notification, "InteractionDeleted")));
                for accepted in known.iter().filter(|notification| is(notification, "InteractionAccepted")) {
                    let wrapped_up = |notification: &&Value| {
                        let (event, start) = (&notification["Interaction"], &accepted["Interaction"]);
                        is(notification, "InteractionEndPostProcess")
                            && event["agentId"] == start["agentId"]
                            && event["interactionEventTS"].as_i64() >= start["interactionEventTS"].as_i64()
                    };
                    prop_assert!(known.iter().any(|notification| wrapped_up(&notification)));
                }
            }
        }
        prop_assert_eq!(interaction.state(&settings()), InteractionState::Complete);
        // With one agent nothing that comes later opens it again; a late transfer may, until it is wrapped up.
        let expected = if transfer { 1..=notifications.len() } else { 1..=1 };
        prop_assert!(expected.contains(&completions), "{} completions", completions);
        prop_assert_eq!(interaction, all(&notifications), "the order leaves no trace");
    }

    #[test]
    fn merging_is_commutative_and_idempotent(
        left in any::<Index>(), right in any::<Index>()
    ) {
        let notifications = transferred();
        let facts = |index: &Index| all(&notifications[index.index(notifications.len())..=index.index(notifications.len())]);
        let (left, right) = (facts(&left), facts(&right));
        let merge = |a: &Interaction, b: &Interaction| { let mut a = a.clone(); a.merge(b.clone()); a };
        prop_assert_eq!(merge(&left, &right), merge(&right, &left));
        prop_assert_eq!(merge(&merge(&left, &right), &right), merge(&left, &right));
    }
}
