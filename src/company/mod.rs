//! What a company configured: its file, the policy document made of it, and what a change takes away.
//!
//! PURE: no I/O. `file` parses and validates the TOML that people write, `policy` is the document that
//! the rules read and the ledger versions, `change` says what differs between two documents. The
//! command that applies them is `cli::company`; the ledger stores them append-only.

pub mod change;
pub mod file;
pub mod policy;

pub use policy::{Account, Brand, Channel, Policy, ProviderSettings, SuppressionScope};
