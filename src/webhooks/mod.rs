//! Webhooks: raw body → verify → ledger, answered after the commit.
//!
//! `routes` is the public door: `/webhooks/{provider}/{account}/{kind}` and the unsubscribe link; `serve`
//! the accept loop that bounds slow and half-sent calls; `verify` turns a call into a verified receipt;
//! `batch` writes receipts together; `recipes` is the
//! door of systems whose notices make requests. The account in the path selects the key to verify with, nothing in
//! the body does.

pub mod batch;
pub mod routes;
pub mod serve;
pub mod unsubscribe;
pub mod verify;
