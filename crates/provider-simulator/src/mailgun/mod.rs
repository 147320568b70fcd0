//! The simulated Mailgun.
//!
//! `send` accepts messages as form or MIME, `event_json` builds the events of webhooks and lookups, `lookup`
//! answers the Events API and the Logs API by `event_query`, `refusals` has the error answers. `call_plan` decides the faults.

mod event_json;
mod event_query;
mod lookup;
mod refusals;
mod send;

pub(crate) use event_json::webhook;
pub(crate) use lookup::{events, events_page, logs};
pub(crate) use send::{send_form, send_mime};
