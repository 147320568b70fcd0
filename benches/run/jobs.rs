//! The jobs of a run: the same bytes for every row, each for a customer of its own.
//!
//! About the size of what producers send; every field is one that Postrider keeps or decides by.

use serde_json::{Value, json};

use crate::report::Medium;

/// The company that the jobs are for; its standard policy takes them.
pub const COMPANY: &str = "blanca";

pub struct Job {
    /// The AMQP message id, free of `_`, which Twilio takes in no callback URL.
    pub key: String,
    pub body: String,
}

/// The n-th job.
pub fn job(n: usize, medium: Medium) -> Job {
    Job { key: format!("job-{n:08}"), body: body(n, medium).to_string() }
}

/// One that is sent so much later.
pub fn later(n: usize, medium: Medium, delay_secs: u32) -> Job {
    let mut body = body(n, medium);
    body["delay_secs"] = json!(delay_secs);
    Job { key: format!("job-{n:08}"), body: body.to_string() }
}

/// The customer of the n-th job, as the provider knows them.
pub fn phone(n: usize) -> String {
    format!("+1415{n:07}")
}

fn body(n: usize, medium: Medium) -> Value {
    let mut customer = json!({ "name": format!("Customer {n}") });
    match medium {
        Medium::Sms => customer["phone"] = json!(phone(n)),
        Medium::Email => customer["email"] = json!(format!("customer.{n}@customers.example")),
    }
    json!({
        "customer": customer,
        "employee": { "email": "paulagent@blancapeak.com" },
        "channel": "phone",
        "ext_interaction_id": format!("{:08}", 10_000_000 + n),
        "tags": ["exchange"],
    })
}
