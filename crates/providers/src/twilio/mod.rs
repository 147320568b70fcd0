//! Twilio Programmable Messaging: text messages out; status callbacks and inbound texts in.
//!
//! `wire` (PURE) builds the call and classifies its response by the table in `error_codes`; `webhook` (PURE) parses
//! webhooks, `signature` verifies them, `opt_out` detects a stop or start in an inbound text; `lookup` (PURE)
//! finds messages with a lost response; `client` makes the calls.
//!
//! Invariant: no call is made twice, because Twilio has no idempotency key for sending.

mod client;
mod error_codes;
mod lookup;
mod opt_out;
mod signature;
#[cfg(test)]
mod tests;
mod webhook;
pub mod wire;

pub use client::{Twilio, TwilioSettings};
pub use signature::verify;
pub use webhook::{parse_inbound, parse_status};
