//! The API: JSON over HTTP for producers, people's tools and administrators. It decides nothing itself.
//!
//! `router` joins one file or folder per area and puts `auth` before all of them: no call reaches a
//! handler without a key (`key`, `key_cache`) and its share (`rate_limit`). Whatever goes wrong is a `problem`; `body`
//! reads what was sent, strictly; `openapi` completes the description that the code gives.
//! Invariant: every statement behind a handler names the caller's company.

pub mod auth;
mod discard_body;
pub mod docs;
pub mod extract;
pub mod key;
mod key_cache;
pub mod openapi;
pub mod preview;
pub mod problem;
pub mod rate_limit;
mod requests;
pub mod responses;
pub mod router;
mod settings;
mod simulations;
mod state;
pub mod submit;
mod whoami;

pub use auth::Caller;
pub use key::Scope;
pub use problem::Problem;
pub use state::{Api, ApiDeps};
