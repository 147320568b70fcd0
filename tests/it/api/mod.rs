//! The API, called over HTTP as producers and administrators do.
//!
//! One file per area; `support::api` makes the calls.

mod keys;
