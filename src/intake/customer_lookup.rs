//! Known customers: filled in where a job names one without an address, written where a person asks.
//!
//! A job with an address is left as it is and costs nothing here. The job's content stays as it was sent, so a repeat is
//! the same job even after the customer's address changed. Jobs of systems write no customers, and neither do tests.

use std::{collections::HashMap, sync::Arc};

use futures_util::{StreamExt, stream};
use uuid::Uuid;

use postrider_domain::{hash_keys::IdentityKey, ids::CompanyId, job::Customer};
use postrider_ledger::{Ledger, LedgerError, customers::NamedCustomer};

use crate::intake::pending::Pending;

/// Customers that are written at once; a batch may name hundreds.
const CONCURRENCY: usize = 4;

/// Fills in the addresses of customers that are only named; no statement where there is none.
pub(super) async fn fill_in_addresses(
    ledger: &Ledger,
    keys: &IdentityKey,
    jobs: &mut [Pending],
) -> Result<(), LedgerError> {
    let wanted: Vec<(usize, Uuid)> = jobs
        .iter()
        .enumerate()
        .filter(|(_, pending)| pending.redecided.is_none())
        .filter_map(|(index, pending)| Some((index, key_without_address(keys, pending)?)))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = wanted.iter().map(|(_, key)| *key).collect();
    let known: HashMap<Uuid, _> = ledger.known_customers(&ids).await?.into_iter().collect();
    for (index, key) in wanted {
        let Some(known) = known.get(&key) else { continue };
        let job = Arc::make_mut(&mut jobs[index].job);
        if let Some(customer) = &mut job.customer {
            customer.email.clone_from(&known.email);
            customer.phone.clone_from(&known.phone);
            customer.name = customer.name.take().or_else(|| known.name.clone());
        }
    }
    Ok(())
}

/// The identity of a customer that the job names without any address.
fn key_without_address(keys: &IdentityKey, pending: &Pending) -> Option<Uuid> {
    let customer = pending.job.customer.as_ref()?;
    if customer.email.is_some() || customer.phone.is_some() {
        return None;
    }
    let custom_id = customer.custom_id.as_deref()?;
    Some(keys.customer_id_hash(pending.company.id, "custom_id", custom_id))
}

/// The customer that a person's request names; `None`: the job is a system's or a test.
pub(super) fn named_customer(pending: &Pending) -> Option<(CompanyId, NamedCustomer)> {
    if pending.job.manual.is_none() || pending.test {
        return None;
    }
    let Customer { custom_id, name, email, phone } = pending.job.customer.clone()?;
    Some((pending.company.id, NamedCustomer { custom_id, social_id: None, name, email, phone }))
}

/// Writes the customers of accepted requests. Not part of the acceptance: a customer that cannot be written now is named
/// again by the next request.
pub(super) async fn write_customers(
    ledger: &Ledger,
    keys: &IdentityKey,
    named: Vec<(CompanyId, NamedCustomer)>,
) {
    stream::iter(named)
        .for_each_concurrent(CONCURRENCY, |(company, named)| async move {
            if let Err(error) = ledger.recognise(company, &named, keys).await {
                tracing::warn!(%error, "writing a customer of a manual request failed; the next request writes it");
            }
        })
        .await;
}
