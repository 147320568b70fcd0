//! Promises about a job's canonical bytes: they are what their definition says, whatever the fields.
//!
//! The definition is the long way: JSON of the whole job, sorted, defaults left out.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn the_idempotency_key_is_no_content_and_everything_else_is() {
    let job = Job {
        customer: Some(Customer { email: Some("jane@example.com".into()), ..Customer::default() }),
        employee: Employee { email: None, custom_id: Some("A1".into()) },
        channel: Some("phone".into()),
        ..Job::default()
    };
    let keyed = Job { idempotency_key: Some("k".into()), ..job.clone() };
    assert_eq!(job.content_bytes(), keyed.content_bytes());
    let tagged = Job { tags: vec!["b".into(), "a".into()], ..job.clone() };
    assert_ne!(job.content_bytes(), tagged.content_bytes());
    assert_eq!(
        String::from_utf8(tagged.content_bytes()).unwrap(),
        r#"{"channel":"phone","customer":{"email":"jane@example.com"},"employee":{"custom_id":"A1"},"tags":["b","a"]}"#
    );
}

#[test]
fn zero_seconds_given_is_not_the_same_as_nothing_given() {
    let now = Job { delay_secs: Some(0), ..Job::default() };
    assert_ne!(now.content_bytes(), Job::default().content_bytes());
}

/// The bytes by definition, for any fields.
fn defined(job: &Job) -> Vec<u8> {
    let job = Job { idempotency_key: None, ..job.clone() };
    let mut bytes = Vec::new();
    write_sorted(&serde_json::to_value(&job).unwrap(), &mut bytes);
    bytes
}

fn write_sorted(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().filter(|(_, value)| !is_default(value)).collect();
            fields.sort_unstable_by_key(|(name, _)| name.as_str());
            bytes.push(b'{');
            for (index, (name, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    bytes.push(b',');
                }
                write_plain(&Value::String(name.clone()), bytes);
                bytes.push(b':');
                write_sorted(value, bytes);
            }
            bytes.push(b'}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            write_plain(value, bytes);
        }
    }
}

/// Lists of a job hold only texts, so they need no sorting inside.
fn write_plain(value: &Value, bytes: &mut Vec<u8>) {
    serde_json::to_writer(bytes, value).expect("writing to memory does not fail");
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
    }
}

prop_compose! {
    fn text()(text in proptest::option::of(".{0,12}")) -> Option<String> { text }
}

prop_compose! {
    fn customer()(custom_id in text(), name in text(), email in text(), phone in text()) -> Customer {
        Customer { custom_id, name, email, phone }
    }
}

prop_compose! {
    fn any_job()(
        customer in proptest::option::of(customer()),
        names in [text(), text(), text(), text(), text(), text(), text(), text(), text()],
        tags in proptest::collection::vec(".{0,6}", 0..3),
        custom_properties in proptest::collection::btree_map(".{0,6}", ".{0,6}", 0..3),
        ids in [proptest::option::of(any::<u128>()), proptest::option::of(any::<u128>())],
        secs in [proptest::option::of(any::<u32>()), proptest::option::of(any::<u32>())],
        micros in proptest::option::of(0i64..4_000_000_000_000_000),
        medium in proptest::option::of(prop_oneof![Just(Medium::Email), Just(Medium::Sms)]),
        do_not_send: bool,
    ) -> Job {
        let [email, custom_id, channel, ext_interaction_id, external_url, brand, language, country, key] =
            names;
        let [former_id, initial_feedback_request_id] = ids.map(|id| id.map(Uuid::from_u128));
        let [delay_secs, expires_after_secs] = secs;
        Job {
            customer,
            employee: Employee { email, custom_id },
            channel,
            ext_interaction_id,
            external_url,
            tags,
            brand,
            language,
            country,
            do_not_send,
            initial_feedback_request_id,
            custom_properties,
            medium,
            send_after: micros.and_then(DateTime::from_timestamp_micros),
            delay_secs,
            expires_after_secs,
            idempotency_key: key,
            former_id,
            manual: None,
        }
    }
}

proptest! {
    /// Stored in every ledger: other bytes would turn every job that comes again into a conflict.
    #[test]
    fn the_bytes_are_the_sorted_json_without_defaults(job in any_job()) {
        prop_assert_eq!(
            String::from_utf8(job.content_bytes()).unwrap(),
            String::from_utf8(defined(&job)).unwrap()
        );
    }
}
