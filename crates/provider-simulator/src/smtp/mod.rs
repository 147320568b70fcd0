//! The simulated relay: SMTP as far as a submission needs it, in plain text.
//!
//! `commands` is the conversation, `session` its state, `data` takes the message after its dot, `auth` checks
//! credentials, `line_stream` reads and writes bounded lines. There is no STARTTLS: the relay listens on loopback
//! and its secrets are published. `call_plan` decides the faults.

mod auth;
mod commands;
mod data;
mod line_stream;
mod session;

pub(crate) use commands::serve;
