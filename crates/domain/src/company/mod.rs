//! What a company configured: its file, the policy document made of it, and what a change takes away.
//!
//! PURE: no I/O. `file` parses and validates the TOML that people write (with `member`, `accounts`, `recipes`, and `check` last),
//! `policy` is the document that the rules read and the ledger versions, `change` says what differs
//! between two documents. `document` is the same in JSON, `merge` changes its parts, `operator` says what a
//! key may not, `difference` what an audit keeps. The command that applies them is `cli::company`, the API
//! `api::settings`; the ledger stores them append-only.

mod accounts;
pub mod alerts;
pub mod change;
mod check;
mod connectors;
pub mod difference;
mod fields;
pub mod file;
pub mod json;
pub mod member;
pub mod merge;
pub mod operator;
pub mod policy;
mod syntax;

use std::collections::HashMap;

use crate::ids::{AccountId, CompanyId};

pub use alerts::Alerts;
pub use connectors::{Connector, ConnectorSettings, EightByEightSettings, KustomerSettings, PublicKey};
pub use file::CompanyFile;
pub use member::{Member, Role};
pub use policy::{Account, Binding, Brand, Channel, Policy, ProviderSettings, SuppressionScope};

/// A company as a worker knows it: one version of its policy with the numbers that the ledger gave.
#[derive(Debug, Clone)]
pub struct Company {
    pub id: CompanyId,
    pub version: i32,
    pub policy: Policy,
    /// The ledger's numbers by account id.
    pub account_ids: HashMap<String, AccountId>,
}

impl Company {
    #[must_use]
    pub fn account_id(&self, name: &str) -> Option<AccountId> {
        self.account_ids.get(name).copied()
    }
}
