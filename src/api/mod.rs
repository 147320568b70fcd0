//! The API: JSON over HTTP for producers, people's tools and administrators. It decides nothing itself.
//!
//! `router` joins one file or folder per area and puts `auth` before all of them: no call reaches a
//! handler without a key (`key`, `callers`) and its share (`quota`). Whatever goes wrong is a `problem`; `body`
//! reads what was sent, strictly; `openapi` completes the description that the code gives.
//! Invariant: every statement behind a handler names the caller's company.

mod about;
pub mod auth;
pub mod body;
mod callers;
pub mod docs;
mod drain;
pub mod hand_in;
pub mod key;
pub mod openapi;
pub mod preview;
pub mod problem;
pub mod quota;
mod requests;
pub mod responses;
pub mod router;
mod settings;
mod simulations;
mod state;

pub use auth::Caller;
pub use key::Scope;
pub use problem::Problem;
pub use state::{Api, Parts};
