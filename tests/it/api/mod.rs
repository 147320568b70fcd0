//! The API, called over HTTP as producers and administrators do.
//!
//! One file per area; `support::api` makes the calls.

mod bad_input;
mod bulk;
mod customers;
mod description;
mod foreign;
mod hand_in;
mod keys;
mod manual;
mod requests;
mod responses;
mod settings;
mod simulations;
mod tests_by_key;
