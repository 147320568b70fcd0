//! Twilio Programmable Messaging: text messages out, status and inbound webhooks in.
//!
//! `wire` (PURE) builds the call, classifies the answer and parses webhooks; `errors` is its table of
//! Twilio's codes, `signature` verifies who called, `optout` understands what a customer wrote,
//! `look_up` asks for messages whose answer was lost. `client` makes the calls. Twilio has no
//! idempotency key for sending: nothing here sends twice.

pub mod client;
pub mod errors;
pub mod look_up;
pub mod optout;
pub mod signature;
#[cfg(test)]
mod tests;
pub mod wire;

pub use client::{Twilio, TwilioSettings};
pub use signature::verify;
pub use wire::{parse_inbound, parse_status};
