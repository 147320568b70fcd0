//! The configuration of a company: its file, the policy document made of it, the differences between versions.
//!
//! PURE: no I/O. `file` parses the TOML that operators write (with `member`, `accounts`, `connectors` and `alerts`;
//! `check` runs last), `policy` is the document that the rules read and the ledger stores append-only, `json` is the
//! same document for the API, `merge` patches it. `change` lists differences for an operator, `difference` for an
//! audit, `operator` finds changes that an API key may not make.

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
    /// The ledger's number.
    pub id: CompanyId,
    /// Version of the policy.
    pub version: i32,
    /// The settings at this version.
    pub policy: Policy,
    /// The ledger's numbers by account id.
    pub account_ids: HashMap<String, AccountId>,
}

impl Company {
    /// The ledger's number of the account with this id.
    #[must_use]
    pub fn account_id(&self, name: &str) -> Option<AccountId> {
        self.account_ids.get(name).copied()
    }
}
