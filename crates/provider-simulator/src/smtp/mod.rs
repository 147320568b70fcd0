//! A relay that speaks SMTP as far as a submission needs it, in plain text, faults included.
//!
//! `session` is the conversation, `data` takes the message after its dot, `auth` checks credentials,
//! `wire` reads and writes bounded lines. There is no STARTTLS: the relay listens on loopback and
//! shows no secret that anybody uses elsewhere. Faults are decided in `plan`.

mod auth;
mod data;
mod line_stream;
mod session;

pub(super) use session::listen;
