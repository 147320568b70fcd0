//! The simulated Programmable Messaging of Twilio.
//!
//! `send` creates messages, `message` is the message resource, `lookup` shows and lists it, `webhooks` posts
//! statuses and customers' texts, `errors` has the error table. `call_plan` decides the faults.

mod errors;
mod lookup;
mod message;
mod send;
mod webhooks;

pub(crate) use errors::not_found;
pub(crate) use lookup::{fetch, list};
pub(crate) use send::create;
pub(crate) use webhooks::{post_inbound_sms, status_callback};
