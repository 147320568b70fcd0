//! Kustomer: a conversation that is marked done while an agent is assigned makes a request.
//!
//! `endpoint` takes the notification, `wire` (PURE) verifies and parses it and maps it to a job, `client` looks up at
//! Kustomer's API what the notification names by id only.

pub mod client;
pub(super) mod endpoint;
pub mod wire;
