//! SMTP relays: emails out, and no receipts.
//!
//! `wire` (PURE) turns replies into outcomes by its tables. `client` speaks command by command, so
//! that a failure is known to have come before or after the final dot: before it nothing was sent,
//! after it only a reply tells. Bounces come back as mail to the sender's address, not to us.

pub mod client;
#[cfg(test)]
mod tests;
pub mod wire;

pub use client::{Smtp, SmtpSettings};
