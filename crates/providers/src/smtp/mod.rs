//! SMTP relays: emails out; no receipts and no look-ups.
//!
//! `client` speaks the protocol command by command, so that every failure is known to be before or after the final
//! dot; `wire` (PURE) turns replies into outcomes by tables; `enhanced_status` (PURE) parses enhanced codes, for
//! Mailgun's events too. Bounces go as mail to the sender's address, not to us.

mod client;
pub(crate) mod enhanced_status;
#[cfg(test)]
mod tests;
mod wire;

pub use client::{Smtp, SmtpSettings};
