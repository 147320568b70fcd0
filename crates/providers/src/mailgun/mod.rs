//! Mailgun: finished MIME messages out, events in.
//!
//! `wire` and `multipart` (PURE) build the call, `wire` classifies its response; `webhook` (PURE) parses webhooks,
//! `signature` verifies them, `event` reads the event in a webhook or a look-up; `lookup` (PURE) finds messages with
//! a lost response; `client` makes the calls.
//!
//! Invariant: no call is made twice, because Mailgun has no idempotency key for sending, and users report 5xx
//! responses to messages that were sent.

mod client;
mod event;
mod lookup;
pub mod multipart;
mod signature;
#[cfg(test)]
mod tests;
mod webhook;
mod wire;

pub use client::{Mailgun, MailgunSettings};
pub use signature::{Signature, verify};
pub use webhook::parse_event;
