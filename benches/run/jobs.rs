//! The jobs of a run: the same bytes for every row, each for a customer of its own.
//!
//! About the size of what producers send; every field is one that Postrider keeps or decides by.

use serde_json::json;

use crate::arguments::Medium;

/// The company that the jobs are for; its standard policy takes them.
pub const COMPANY: &str = "blanca";

pub struct Job {
    /// The AMQP message id, free of `_`, which Twilio takes in no callback URL.
    pub key: String,
    pub body: String,
}

/// The n-th job.
pub fn job(n: usize, medium: Medium) -> Job {
    let mut customer = json!({ "name": format!("Customer {n}") });
    match medium {
        Medium::Sms => customer["phone"] = json!(format!("+1415{n:07}")),
        Medium::Email => customer["email"] = json!(format!("customer.{n}@customers.example")),
    }
    let body = json!({
        "customer": customer,
        "employee": { "email": "paulagent@blancapeak.com" },
        "channel": "phone",
        "ext_interaction_id": format!("{:08}", 10_000_000 + n),
        "tags": ["exchange"],
    });
    Job { key: format!("job-{n:08}"), body: body.to_string() }
}
