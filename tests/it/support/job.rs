//! Jobs as producers send them: valid for the standard company, changed by `with` where a test is about more.
//!
//! Bodies are JSON values; `message` and `inbound` are their ways into a worker, over AMQP and by a call.

use postrider::intake::{InboundJob, inbound::EntryPoint};
use postrider_domain::job::JobOrigin;
use serde_json::{Value, json};

/// The least that a valid job has, for this customer.
pub fn to(customer: Value) -> Value {
    json!({ "customer": customer, "employee": { "email": "paulagent@blancapeak.com" }, "channel": "phone" })
}

pub fn by_sms(phone: &str) -> Value {
    to(json!({ "name": "Jane", "phone": phone }))
}

pub fn by_email(address: &str) -> Value {
    to(json!({ "email": address }))
}

/// The job for the n-th customer, by SMS.
pub fn numbered(n: usize) -> Value {
    to(json!({ "phone": phone(n) }))
}

/// The n-th customer's number.
pub fn phone(n: usize) -> String {
    format!("+1415{n:07}")
}

/// The job with these fields added or replaced.
pub fn with(mut job: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("fields are an object: {more}") };
    job.as_object_mut().expect("a job is an object").extend(more);
    job
}

pub fn keyed(job: Value, idempotency_key: &str) -> Value {
    with(job, json!({ "idempotency_key": idempotency_key }))
}

/// The n-th job as AMQP has it: message id and body.
pub fn message(n: usize) -> (String, String) {
    (format!("job-{n}"), numbered(n).to_string())
}

/// A body as it would come over AMQP from no particular producer.
pub fn inbound(slug: &str, body: &[u8]) -> InboundJob {
    InboundJob {
        body: body.to_vec(),
        company: Some(slug.to_owned()),
        routing: format!("requests.{slug}"),
        entry_point: EntryPoint::Amqp { user: None },
        key: None,
        origin: JobOrigin::Automatic,
        suspect: None,
    }
}
