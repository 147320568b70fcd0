//! A provider that behaves as Twilio's Programmable Messaging does.
//!
//! `send` creates messages and has the error table, `resource` shapes and looks up messages, `callback`
//! posts statuses and customers' texts, signed. Faults are decided in `plan`.

mod callback;
mod error;
mod resource;
mod send;

pub(super) use callback::status_callback;
pub(super) use error::not_found;
pub(super) use resource::{fetch, list};
pub(super) use send::create;
