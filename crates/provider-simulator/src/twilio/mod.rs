//! A provider that behaves as Twilio's Programmable Messaging does.
//!
//! `send` creates messages and has the error table, `resource` shapes and looks up messages, `callback`
//! posts statuses and customers' texts, signed. Faults are decided in `plan`.

mod error;
mod message;
mod send;
mod webhooks;

pub(super) use error::not_found;
pub(super) use message::{fetch, list};
pub(super) use send::create;
pub(super) use webhooks::status_callback;
