//! The calls to providers that speak HTTP: made once, bounded, failures told apart by how far they came.
//!
//! A call that may send goes over our own kept-alive connections (`outlet`, `line`, `idle`, `dial`): it is
//! the hot path, and a general client costs three times the CPU there. Questions about what was sent are
//! rare and stay with `reqwest` (`caller`). Never retries and never follows a redirect: a second request
//! could be a second message. What an answer means is for the `wire.rs` and `look_up.rs` of each provider.
//! Invariant: an account's credentials go to its own base URL and nowhere else.

mod caller;
mod client;
mod dial;
mod idle;
mod line;
mod outlet;
mod silence;
#[cfg(test)]
mod tests;

pub(super) use caller::{ProviderAddress, ProviderClient};
pub use client::{HttpClient, HttpClientError, asking_client, http_client, read_answer};
