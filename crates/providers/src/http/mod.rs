//! HTTP calls to providers: one request each, bounded in time and size, failures classified by how far they came.
//!
//! Messages are posted over kept-alive connections of our own (`post_target`, `idle_pool`, `connect`,
//! `http_connection`): sending is the hot path, and a general client costs three times the CPU there (measured).
//! Look-ups are rare and use `reqwest`. `provider_client` is what a provider's `client.rs` calls.
//!
//! Invariants: no retry and no redirect, because a second request could be a second message; an account's
//! credentials go to its own base URL and nowhere else. The meaning of a response belongs to `wire.rs` and
//! `lookup.rs` of each provider.

mod client;
mod connect;
mod http_connection;
mod idle_pool;
mod post_target;
mod provider_client;
#[cfg(test)]
mod tests;
mod transport_error;

pub use client::{HttpClient, HttpClientError, query_client, read_response_body};
pub(super) use provider_client::{ProviderAddress, ProviderClient};
