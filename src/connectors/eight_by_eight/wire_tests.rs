//! Notices of both kinds as 8x8 documents them, and what each tells.
//!
//! Shapes: developer.8x8.com, "Webhooks Events Reference" and the event stream's "Event Reference" and
//! "Field Reference".

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn told(notification: &Value) -> Option<InteractionUpdate> {
    parse(notification.to_string().as_bytes()).expect("readable")
}

fn event(more: Value) -> Value {
    let mut event = json!({
        "agentGUID": "tenant01-agFDUfx__VREaRSfGYYm5cNw-ad92a3d3-414a-4dfa-a971-dc0d28970d22",
        "agentId": "agFDUfx__VREaRSfGYYm5cNw",
        "callState": "CS_CONNECTED",
        "interactionEventTS": 1_744_819_223,
        "interactionGUID": "int-1963f4d8314-ShlIYL3nayugzbFYJvHhZgPL2-chat-03-tenant01",
        "mediaType": "chat",
        "msgInfo": {"instanceId": "example.8x8.com", "sequenceId": 220, "timestamp": 1_744_819_223_183_i64}
    });
    for (name, value) in more.as_object().expect("an object") {
        event[name] = value.clone();
    }
    json!({"conversationId": "ID-0", "Interaction": event})
}

#[test]
fn the_gateway_tells_who_the_customer_is_and_where_they_came_from() {
    let told = told(&json!({
        "eventType": "CONVERSATION_UPDATE", "conversationId": "ID-0", "timestamp": 1_713_100_000_000_i64,
        "data": {
            "state": "active",
            "assignment": {"type": "agent", "id": "agent-abc-123", "resourceId": "resource-123"},
            "user": {
                "name": "John Doe", "userId": "user-456", "email": "john@example.com", "phone": "+14155552671",
                "company": "Acme Inc.", "caseId": "CASE-789", "language": "en", "additionalProperties": []
            },
            "msisdn": "14155550000", "channel": "WhatsApp"
        }
    }))
    .expect("something");
    let facts = told.facts;
    assert_eq!(told.interaction, "ID-0");
    let text = |latest: &Latest<String>| latest.get().cloned().unwrap_or_default();
    assert_eq!(
        [
            &facts.channel,
            &facts.social_id,
            &facts.name,
            &facts.email,
            &facts.phone,
            &facts.case,
            &facts.language
        ]
        .map(text),
        ["WhatsApp", "user-456", "John Doe", "john@example.com", "+14155552671", "CASE-789", "en"]
    );
    assert!(facts.accepted.is_empty() && !facts.closed);
}

#[test]
fn a_number_without_country_is_not_taken_for_an_international_one() {
    let phone = |user: Value, msisdn: Value| {
        let notification = json!({"eventType": "CONVERSATION_UPDATE", "conversationId": "c", "timestamp": 1,
            "data": {"user": {"phone": user, "name": "J"}, "msisdn": msisdn}});
        told(&notification).expect("something").facts.customer().phone
    };
    assert_eq!(phone(json!("415 555 2671"), json!(null)), None);
    assert_eq!(phone(json!("+1 415 555 2671"), json!(null)).as_deref(), Some("+14155552671"));
    assert_eq!(phone(json!(null), json!("14155552671")).as_deref(), Some("+14155552671"));
    assert_eq!(phone(json!(null), json!(14_155_552_671_i64)).as_deref(), Some("+14155552671"));
}

#[test]
fn the_stream_tells_what_agents_did() {
    let agent = "agFDUfx__VREaRSfGYYm5cNw".to_owned();
    let facts = |event: Value| told(&event).map(|told| told.facts).unwrap_or_default();
    let accepted = facts(event(json!({"event": "InteractionAccepted"})));
    assert_eq!(accepted.accepted, BTreeMap::from([(agent.clone(), 1_744_819_223)]));
    let guid_only = facts(event(json!({"event": "InteractionAccepted", "agentId": null})));
    assert_eq!(guid_only.accepted, accepted.accepted, "the id is part of the GUID");
    let wrapped_up = facts(event(json!({"event": "InteractionEndPostProcess"})));
    assert_eq!((wrapped_up.wrapped_up.len(), wrapped_up.closed), (1, false));
    assert!(facts(event(json!({"event": "InteractionDeleted"}))).closed);
    assert!(
        told(&json!({"GuestChatEnd": {"interactionGUID": "int-1", "eventTS": 3}}))
            .expect("told")
            .facts
            .closed
    );
}

#[test]
fn offers_that_came_to_nothing_and_other_media_tell_nothing() {
    for name in
        ["InteractionAssigned", "InteractionRejected", "InteractionQueueTimeout", "InteractionDeassigned"]
    {
        assert_eq!(told(&event(json!({"event": name, "rejectReason": 1}))), None, "{name}");
    }
    assert_eq!(told(&event(json!({"event": "InteractionAccepted", "mediaType": "phone"}))), None);
    assert_eq!(told(&json!({"AgentStatusChange": {"agentId": "ag1", "newState": 5}})), None);
    assert_eq!(
        told(&json!({"eventType": "MESSAGE", "conversationId": "c", "timestamp": 1, "data": {}})),
        None
    );
}

#[test]
fn codes_and_names_are_read_off_what_is_attached_whatever_its_quotes() {
    let attached = json!({"attachedDatum": [
        {"attachedDataKey": "tclSelectedItems", "attachedDataValue": "5|12,6|45"},
        {"attachedDataKey": "nam", "attachedDataValue": 4711},
        {"attachedDataKey": "type", "attachedDataValue": "Facebook"},
        {"attachedDataKey": 7, "attachedDataValue": {}}
    ]});
    let facts =
        told(&event(json!({"event": "InteractionChanged", "attachedData": attached}))).expect("told").facts;
    assert_eq!(facts.codes.get().map(Vec::as_slice), Some(&["5|12".to_owned(), "6|45".to_owned()][..]));
    assert_eq!(facts.name.get().map(String::as_str), Some("4711"));
    assert_eq!(facts.medium.get().map(String::as_str), Some("Facebook"));
}

#[test]
fn as_many_codes_as_a_job_has_tags_are_read_and_a_name_of_that_length_is_none() {
    let codes: Vec<String> = (100..150).map(|item| format!("1234|{item}")).collect();
    let attached = json!({"attachedDatum": [
        {"attachedDataKey": "tclSelectedItems", "attachedDataValue": codes.join(",")},
        {"attachedDataKey": "nam", "attachedDataValue": codes.join(",")}
    ]});
    let facts =
        told(&event(json!({"event": "InteractionChanged", "attachedData": attached}))).expect("told").facts;
    assert_eq!((facts.codes.get(), facts.name.get()), (Some(&codes), None));
}

#[test]
fn what_no_database_keeps_is_taken_out_of_what_customers_call_themselves() {
    let notification = json!({"eventType": "CONVERSATION_UPDATE", "conversationId": "c\u{0}1", "timestamp": 1,
    "data": {"user": {
        "userId": "u\u{0}1", "name": " Jane\u{0}\r\n\u{202e}Customer ", "email": "\u{0}"
    }}});
    let told = told(&notification).expect("something");
    assert_eq!(told.interaction, "c1");
    assert_eq!(told.facts.social_id.get().map(String::as_str), Some("u1"));
    assert_eq!(told.facts.name.get().map(String::as_str), Some("Jane Customer"));
    assert_eq!(told.facts.email.get(), None);
}

#[test]
fn a_key_is_read_alone_or_out_of_a_set_and_only_if_it_signs() {
    let jwk = json!({"kty": "RSA", "kid": "k1", "n": "AQAB", "e": "AQAB"});
    let found = |answer: Value| public_key(answer.to_string().as_bytes(), "k1");
    let key = PublicKey { kid: "k1".to_owned(), n: "AQAB".to_owned(), e: "AQAB".to_owned() };
    assert_eq!(found(jwk.clone()), Ok(Some(key.clone())));
    let others = json!({"keys": [{"kty": "EC", "kid": "k1"}, {"kty": "RSA", "kid": "k2"}, jwk]});
    assert_eq!(found(others), Ok(Some(key)));
    for (name, value) in
        [("kty", "oct"), ("kid", "k2"), ("alg", "HS256"), ("alg", "none"), ("use", "enc"), ("n", "")]
    {
        let mut other = jwk.clone();
        other[name] = json!(value);
        assert_eq!(found(other), Ok(None), "{name} {value}");
    }
    assert_eq!((found(json!({"keys": []})), found(json!([]))), (Ok(None), Err(UnreadableUpdate)));
    assert!(is_kid("EXaiWfZe20eSjklZ70074w") && is_kid("a-b_c"));
    for bad in ["", "../x", "a/b", "a?b", "a%2fb", "a b", &"a".repeat(65)[..]] {
        assert!(!is_kid(bad), "{bad}");
    }
}

#[test]
fn without_the_conversation_an_interaction_goes_by_its_guid() {
    let mut notification = event(json!({"event": "InteractionDeleted"}));
    notification["conversationId"] = json!(null);
    let told = told(&notification).expect("told");
    assert_eq!(told.interaction, "int-1963f4d8314-ShlIYL3nayugzbFYJvHhZgPL2-chat-03-tenant01");
}

#[test]
fn a_greeting_is_known_without_its_signature_and_rubbish_is_refused() {
    assert!(is_greeting(br#"{"notificationVersion":"Chat Gateway v1.0","eventType":"WEB_HOOK_VERIFY"}"#));
    assert!(!is_greeting(br#"{"eventType":"MESSAGE"}"#) && !is_greeting(b"WEB_HOOK_VERIFY"));
    for rubbish in [&b""[..], b"[]", b"7", b"{"] {
        assert_eq!(parse(rubbish), Err(UnreadableUpdate));
    }
}

proptest! {
    #[test]
    fn no_body_panics(body in any::<Vec<u8>>(), text in ".{0,300}") {
        let _ = (parse(&body), public_key(&body, "k1"));
        let _ = parse(event(json!({"event": text, "agentGUID": text, "agentId": null})).to_string().as_bytes());
    }
}
