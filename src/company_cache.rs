//! The company cache: one snapshot of all companies, replaced as a whole when any company changes.
//!
//! A batch takes the snapshot once, so that one version decides all of it. A change reaches every worker within
//! `companies.refresh_ms`, without a restart. Reads only; `postrider_ledger` stores companies.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use postrider_domain::{
    company::{Company, Connector},
    ids::{AccountId, CompanyId},
};
use postrider_ledger::{Ledger, LedgerError};

/// All companies at one version.
#[derive(Debug, Default)]
pub struct CompanySnapshot {
    version: i64,
    by_slug: HashMap<String, Arc<Company>>,
    by_id: HashMap<CompanyId, Arc<Company>>,
    /// By the account id in webhook paths.
    by_account: HashMap<String, (AccountId, Arc<Company>)>,
    /// By the connector id in webhook paths.
    by_connector: HashMap<String, Arc<Company>>,
    /// Companies that a broker user may publish for, each with its test flag.
    bindings: HashMap<String, Vec<(CompanyId, bool)>>,
}

impl CompanySnapshot {
    /// A company by its slug.
    #[must_use]
    pub fn company(&self, slug: &str) -> Option<&Arc<Company>> {
        self.by_slug.get(slug)
    }

    /// A company by its id.
    #[must_use]
    pub fn company_by_id(&self, id: CompanyId) -> Option<&Arc<Company>> {
        self.by_id.get(&id)
    }

    /// An account, with the company that owns it, by the name in webhook paths.
    #[must_use]
    pub fn account(&self, name: &str) -> Option<&(AccountId, Arc<Company>)> {
        self.by_account.get(name)
    }

    /// A connector and its company, by the id in webhook paths.
    #[must_use]
    pub fn recipe(&self, id: &str) -> Option<(&Company, &Connector)> {
        let company = self.by_connector.get(id)?;
        Some((company, company.policy.connector(id)?))
    }

    /// Whether any broker user is bound to any company.
    #[must_use]
    pub fn has_bindings(&self) -> bool {
        !self.bindings.is_empty()
    }

    /// Whether a broker user may publish for a company: its test flag, or `None` if it may not.
    #[must_use]
    pub fn binding_for(&self, user: &str, company: CompanyId) -> Option<bool> {
        let bound = self.bindings.get(user)?;
        bound.iter().find(|(id, _)| *id == company).map(|(_, test)| *test)
    }

    /// All companies, in no order.
    pub fn companies(&self) -> impl Iterator<Item = &Arc<Company>> {
        self.by_id.values()
    }

    fn new(version: i64, companies: Vec<Company>) -> CompanySnapshot {
        let mut snapshot = CompanySnapshot { version, ..CompanySnapshot::default() };
        for company in companies.into_iter().map(Arc::new) {
            for (name, account) in &company.account_ids {
                snapshot.by_account.insert(name.clone(), (*account, Arc::clone(&company)));
            }
            for recipe in &company.policy.connectors {
                snapshot.by_connector.insert(recipe.id.clone(), Arc::clone(&company));
            }
            for binding in &company.policy.bindings {
                snapshot.bindings.entry(binding.user.clone()).or_default().push((company.id, binding.test));
            }
            snapshot.by_slug.insert(company.policy.slug.clone(), Arc::clone(&company));
            snapshot.by_id.insert(company.id, company);
        }
        snapshot
    }
}

/// The cache; a clone shares it.
#[derive(Clone)]
pub struct CompanyCache {
    ledger: Ledger,
    current: Arc<ArcSwap<CompanySnapshot>>,
    /// The version of the current snapshot; -1 before the first.
    changed: watch::Sender<i64>,
}

impl CompanyCache {
    /// Reads all companies.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn load(ledger: Ledger) -> Result<CompanyCache, LedgerError> {
        let cache =
            CompanyCache { ledger, current: Arc::new(ArcSwap::default()), changed: watch::Sender::new(-1) };
        cache.refresh().await?;
        Ok(cache)
    }

    /// The current snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<CompanySnapshot> {
        self.current.load_full()
    }

    /// A receiver that changes with every new snapshot.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<i64> {
        self.changed.subscribe()
    }

    /// Reads the companies if any has changed; returns whether one had.
    ///
    /// # Errors
    /// The database does not answer; the current snapshot stays.
    pub async fn refresh(&self) -> Result<bool, LedgerError> {
        let version = self.ledger.companies_version().await?;
        if self.current.load().version == version && *self.changed.borrow() >= 0 {
            return Ok(false);
        }
        let companies = self.ledger.companies().await?;
        self.current.store(Arc::new(CompanySnapshot::new(version, companies)));
        self.changed.send_replace(version);
        Ok(true)
    }

    /// Refreshes at an interval, until aborted.
    pub async fn keep_fresh(self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            match self.refresh().await {
                Ok(true) => tracing::info!("companies changed"),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "reading companies failed, retrying after companies.refresh_ms; the last snapshot stays in use")
                }
            }
        }
    }
}
