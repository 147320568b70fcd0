//! The bytes that stand for a job's content: what idempotency compares.
//!
//! PURE. Made from the parsed, normalised job, so that white space, key order and spelling do not
//! matter. Absent and default values are left out: a field that a later release adds does not change
//! the content of the jobs that do not use it. `keys::content` hashes these bytes.

use serde_json::Value;

use super::Job;

impl Job {
    /// Canonical JSON of everything but the idempotency key: keys sorted, defaults left out.
    #[must_use]
    pub fn content_bytes(&self) -> Vec<u8> {
        let job = Job { idempotency_key: None, ..self.clone() };
        let value = serde_json::to_value(&job).expect("a job holds only string keys and plain values");
        let mut bytes = Vec::with_capacity(256);
        write_sorted(&value, &mut bytes);
        bytes
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Customer, Employee};

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
}
