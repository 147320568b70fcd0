//! Calls to Twilio, Mailgun and SMTP relays, and the meaning of every response.
//!
//! Each provider is one folder with the same files for the same job: `wire.rs` (PURE: builds the call and
//! classifies the response by a table), `client.rs` (makes the calls) and, where the provider has the API for it,
//! `webhook.rs` (PURE: parses receipts), `signature.rs` (PURE: verifies webhooks) and `lookup.rs` (PURE: builds
//! and reads look-ups). `email` writes the MIME message of both email providers, `http` holds the connections.
//!
//! Invariants: a refusal by a provider is an `Outcome`, never an `Err`; nothing here makes a call twice; no
//! address, text or secret reaches a log. Whether a call may be made is decided by the worker's `dispatch`.
//! Start with `provider`.

#![warn(missing_docs)]

mod correlation;
pub mod email;
mod from_account;
mod http;
pub mod http_response;
mod lookup;
pub mod mailgun;
mod outcome;
mod outgoing;
mod provider;
mod receipt;
mod smtp;
#[cfg(test)]
mod test_server;
mod token;
pub mod twilio;

pub use correlation::Correlation;
pub use from_account::{MissingCredential, WebhookKeys, build_provider, webhook_keys};
pub use http::{HttpClient, HttpClientError, query_client, read_response_body};
pub use lookup::{LookupQuery, LookupResult, Proof};
pub use outcome::{Outcome, Refusal, RefusalKind};
pub use outgoing::{Outgoing, OutgoingEmail, OutgoingSms};
pub use provider::{CallFuture, LookupFuture, Provider, StatusSource, Timeouts};
pub use receipt::{Receipt, ReceiptKind, StoredReceipt, WebhookRefusal, content_hash};
pub use token::{Token, TokenKey};
