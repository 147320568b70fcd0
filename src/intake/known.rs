//! Jobs that name a customer whom we know, and no address: theirs are filled in.
//!
//! A job that brings an address is left as it is and costs nothing here: its addresses are what its
//! producer wants. What was sent stays the job's content, so a repeat is the same job even after the
//! customer's address changed.

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

use crate::ledger::LedgerError;

use super::{Acceptor, decide::Pending};

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
        let known: HashMap<Uuid, _> = self.ledger.customers_known(&keys).await?.into_iter().collect();
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

    /// The identity of a customer whom the job names without any address.
    fn only_named(&self, pending: &Pending) -> Option<Uuid> {
        let customer = pending.job.customer.as_ref()?;
        if customer.email.is_some() || customer.phone.is_some() {
            return None;
        }
        let custom_id = customer.custom_id.as_deref()?;
        Some(self.keys.identity.identity(pending.company.id, "custom_id", custom_id))
    }
}
