//! 8x8: a social interaction that an agent accepted, ended and wrapped up makes a request.
//!
//! `endpoint` takes notifications; `jws` (PURE) verifies them, `wire` (PURE) parses each one, `interaction` (PURE)
//! merges them in any order, tells whether the interaction is complete, and makes the job. `client` fetches the
//! public keys that sign notifications; all other data is in the notifications.

pub mod client;
pub(super) mod endpoint;
pub mod interaction;
pub mod jws;
pub mod wire;
