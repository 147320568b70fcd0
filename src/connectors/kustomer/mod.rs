//! Kustomer: a conversation that is marked done makes a request.
//!
//! `wire` (PURE) verifies and reads the notice and makes the job, `client` looks up what the notice only
//! names by id.

pub mod client;
pub mod wire;
