//! Connectors: notifications of systems that do not know us become requests.
//!
//! `routes` lists the endpoints; each verifies a notification and stores it before its sender is answered. `inbox`
//! works stored notifications off until each is a request, a rejected job or no request; `prepare` makes the job,
//! `in_flight` keeps one task a connector. Each connected system has a folder: `wire` (PURE: parse, map to a job),
//! `endpoint` (its webhook) and `client` (its API). docs/connectors.md tells how to configure one.

pub mod eight_by_eight;
mod in_flight;
mod inbox;
pub mod kustomer;
mod prepare;
pub mod routes;
mod state;

pub use inbox::{Inbox, InboxSettings};
pub use prepare::Preparer;
pub use state::ConnectorState;
