//! Recipes: systems that do not know us tell what happened, and we make the request of it.
//!
//! Each recipe is one folder: `wire.rs` (PURE: verify, read, map to a job) and, where a notice only names
//! things by id, `client.rs` that looks them up. What they share is `inbox`: a notice is written down before
//! its sender is answered, and worked off with retries until it is a request, a rejection, or nothing.
//! `webhooks::recipes` is the door, `docs/connectors.md` tells how a recipe is added.

pub mod eight_by_eight;
mod in_flight;
pub mod inbox;
pub mod kustomer;
mod prepare;
pub mod routes;

pub use inbox::{Inbox, Patience};
pub use prepare::secrets;
