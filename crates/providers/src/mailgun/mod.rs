//! Mailgun: emails out as finished MIME, events in.
//!
//! `wire` and `multipart` (PURE) build the call, `wire` classifies its answer, `events` (PURE) understands events and
//! verifies webhooks, `look_up` (PURE) asks for messages whose answer was lost. `client` makes the calls.
//! Mailgun has no idempotency key for sending, and users report 5xx answers of mail that went out:
//! nothing here sends twice.

pub mod client;
pub mod events;
pub mod look_up;
pub mod multipart;
#[cfg(test)]
mod tests;
pub mod wire;

pub use client::{Mailgun, MailgunSettings};
pub use events::{Signature, parse_event, verify};
