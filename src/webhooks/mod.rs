//! Webhooks of providers: raw body, verification, ledger; answered after the commit.
//!
//! `receipts` is the endpoint of receipts and inbound texts, `verify` turns a call into a verified receipt, `batch`
//! writes receipts together; `unsubscribe` is the endpoint behind the links of emails. The account in the path
//! selects the verification key; nothing in the body does. Notifications of other systems: `connectors`.

pub mod batch;
pub mod receipts;
pub mod unsubscribe;
mod verify;
