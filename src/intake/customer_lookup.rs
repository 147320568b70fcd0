//! Customers whom we know: filled in where a job names one without an address, and written where a person
//! asks.
//!
//! A job that brings an address is left as it is and costs nothing here: its addresses are what its
//! producer wants. What was sent stays the job's content, so a repeat is the same job even after the
//! customer's address changed. A system's jobs write no customers, and neither do tests.

use std::{collections::HashMap, sync::Arc};

use futures_util::{StreamExt, stream};
use uuid::Uuid;

use postrider_domain::{ids::CompanyId, job::Customer};
use postrider_ledger::{LedgerError, customers::NamedCustomer};

use crate::intake::{Acceptor, decide::Pending};

/// Customers who are written side by side; a batch may hold hundreds.
const CONCURRENCY: usize = 4;

/// Whom a person's request names.
pub(super) fn named(pending: &Pending) -> Option<(CompanyId, NamedCustomer)> {
    if pending.job.manual.is_none() || pending.test {
        return None;
    }
    let Customer { custom_id, name, email, phone } = pending.job.customer.clone()?;
    Some((pending.company.id, NamedCustomer { custom_id, social_id: None, name, email, phone }))
}

impl Acceptor {
    /// Fills in the addresses of customers who are only named; asks nothing where none is.
    pub(super) async fn fill_in_known(&self, pending: &mut [Pending]) -> Result<(), LedgerError> {
        let wanted: Vec<(usize, Uuid)> = pending
            .iter()
            .enumerate()
            .filter_map(|(index, pending)| Some((index, self.only_named(pending)?)))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let keys: Vec<Uuid> = wanted.iter().map(|(_, key)| *key).collect();
        let known: HashMap<Uuid, _> = self.ledger.known_customers(&keys).await?.into_iter().collect();
        for (index, key) in wanted {
            let Some(known) = known.get(&key) else { continue };
            let job = Arc::make_mut(&mut pending[index].job);
            if let Some(customer) = &mut job.customer {
                customer.email.clone_from(&known.email);
                customer.phone.clone_from(&known.phone);
                customer.name = customer.name.take().or_else(|| known.name.clone());
            }
        }
        Ok(())
    }

    /// Writes down whom people's requests named, once those are accepted. They are no part of the acceptance:
    /// who cannot be written now is named again by the next request.
    pub(super) async fn remember(&self, named: Vec<(CompanyId, NamedCustomer)>) {
        stream::iter(named)
            .for_each_concurrent(CONCURRENCY, |(company, named)| async move {
                if let Err(error) = self.ledger.recognise(company, &named, &self.keys.identity).await {
                    tracing::warn!(%error, "a customer whom a person named could not be written down");
                }
            })
            .await;
    }

    /// The identity of a customer whom the job names without any address.
    fn only_named(&self, pending: &Pending) -> Option<Uuid> {
        let customer = pending.job.customer.as_ref()?;
        if customer.email.is_some() || customer.phone.is_some() {
            return None;
        }
        let custom_id = customer.custom_id.as_deref()?;
        Some(self.keys.identity.customer_id_hash(pending.company.id, "custom_id", custom_id))
    }
}
