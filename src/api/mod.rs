//! The HTTP API: JSON calls of producers, of support tools and of company administrators.
//!
//! `router` joins one file or folder per area. `auth` stands before every route under `/v1`: a call without a known
//! API key (`key`, `key_cache`) or beyond the key's rate limit (`rate_limit`) reaches no handler. Every refusal is a
//! `problem` (RFC 9457); `extract` reads bodies, paths and query strings strictly; `openapi` completes the
//! description that the handlers give. Decisions about requests are made in `intake` and `requests`, not here.
//! Invariant: every ledger call of a handler names the caller's company.

mod auth;
mod discard_body;
pub mod docs;
mod extract;
pub mod key;
mod key_cache;
pub mod openapi;
mod preview;
mod problem;
pub(crate) mod rate_limit;
mod requests;
mod responses;
pub mod router;
mod settings;
mod simulations;
mod state;
pub(crate) mod submit;
mod whoami;

pub use auth::Caller;
pub use key::Scope;
pub use problem::Problem;
pub use state::{ApiDeps, ApiState};
