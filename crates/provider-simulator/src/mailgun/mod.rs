//! A provider that behaves as Mailgun does.
//!
//! `send` takes messages as form or MIME, `event` shapes what is told of them, as webhook and in
//! look-ups, and `look_up` answers the Events API and the Logs API. Faults are decided in `plan`.

mod events;
mod lookup;
mod send;

pub(super) use events::webhook;
pub(super) use lookup::{events, events_page, logs};
pub(super) use send::{take_form, take_mime};
