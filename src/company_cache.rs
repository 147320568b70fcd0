//! The worker's view of all companies: one snapshot, replaced whole when any company changes.
//!
//! Readers take the snapshot once per batch and keep it, so that one batch is decided by one version.
//! A change reaches every worker within `companies.refresh_ms`, without a restart.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use postrider_domain::{
    company::{Company, Connector},
    ids::{AccountId, CompanyId},
};
use postrider_ledger::{Ledger, LedgerError};

/// All companies at one moment.
#[derive(Debug, Default)]
pub struct CompanySnapshot {
    version: i64,
    by_slug: HashMap<String, Arc<Company>>,
    by_id: HashMap<CompanyId, Arc<Company>>,
    /// By the opaque account id of webhook paths.
    by_account: HashMap<String, (AccountId, Arc<Company>)>,
    /// By the opaque recipe id of webhook paths.
    by_recipe: HashMap<String, Arc<Company>>,
    /// Broker users and the companies that each may speak for.
    bindings: HashMap<String, Vec<(CompanyId, bool)>>,
}

impl CompanySnapshot {
    #[must_use]
    pub fn company(&self, slug: &str) -> Option<&Arc<Company>> {
        self.by_slug.get(slug)
    }

    #[must_use]
    pub fn company_by_id(&self, id: CompanyId) -> Option<&Arc<Company>> {
        self.by_id.get(&id)
    }

    #[must_use]
    pub fn account(&self, name: &str) -> Option<&(AccountId, Arc<Company>)> {
        self.by_account.get(name)
    }

    /// A recipe and its company.
    #[must_use]
    pub fn recipe(&self, id: &str) -> Option<(&Company, &Connector)> {
        let company = self.by_recipe.get(id)?;
        Some((company, company.policy.connector(id)?))
    }

    /// Whether any broker user is bound to any company.
    #[must_use]
    pub fn has_bindings(&self) -> bool {
        !self.bindings.is_empty()
    }

    /// Whether a broker user may speak for a company: `Some(test)` where it may.
    #[must_use]
    pub fn binding_for(&self, user: &str, company: CompanyId) -> Option<bool> {
        let bound = self.bindings.get(user)?;
        bound.iter().find(|(id, _)| *id == company).map(|(_, test)| *test)
    }

    pub fn companies(&self) -> impl Iterator<Item = &Arc<Company>> {
        self.by_id.values()
    }

    fn of(version: i64, companies: Vec<Company>) -> CompanySnapshot {
        let mut snapshot = CompanySnapshot { version, ..CompanySnapshot::default() };
        for company in companies.into_iter().map(Arc::new) {
            for (name, account) in &company.account_ids {
                snapshot.by_account.insert(name.clone(), (*account, Arc::clone(&company)));
            }
            for recipe in &company.policy.connectors {
                snapshot.by_recipe.insert(recipe.id.clone(), Arc::clone(&company));
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

/// The live directory. Cheap to clone.
#[derive(Clone)]
pub struct CompanyCache {
    ledger: Ledger,
    current: Arc<ArcSwap<CompanySnapshot>>,
    changed: watch::Sender<i64>,
}

impl CompanyCache {
    /// Reads all companies for the first time.
    pub async fn load(ledger: Ledger) -> Result<CompanyCache, LedgerError> {
        let directory =
            CompanyCache { ledger, current: Arc::new(ArcSwap::default()), changed: watch::Sender::new(-1) };
        directory.refresh().await?;
        Ok(directory)
    }

    #[must_use]
    pub fn snapshot(&self) -> Arc<CompanySnapshot> {
        self.current.load_full()
    }

    /// Tells of every new snapshot.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<i64> {
        self.changed.subscribe()
    }

    /// Looks for changes once; gives whether there were any.
    pub async fn refresh(&self) -> Result<bool, LedgerError> {
        let version = self.ledger.companies_version().await?;
        if self.current.load().version == version && *self.changed.borrow() >= 0 {
            return Ok(false);
        }
        let companies = self.ledger.companies().await?;
        self.current.store(Arc::new(CompanySnapshot::of(version, companies)));
        self.changed.send_replace(version);
        Ok(true)
    }

    /// Refreshes for ever; while the database is away the last view holds.
    pub async fn keep_fresh(self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            match self.refresh().await {
                Ok(true) => tracing::info!("companies changed"),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "companies cannot be read; the last view holds"),
            }
        }
    }
}
