//! Service recovery: a second request about an earlier one, after its complaint was resolved.
//!
//! The job inherits what it leaves out; a recovery of a recovery belongs to the original request; at most one
//! open and three in all per original request. The database proves the bound by a unique ordinal.

use crate::{
    document::Problem,
    job::{Customer, Job},
};

use super::OriginalRequest;

/// Most service recoveries of one original request.
pub const RECOVERIES_MAX: i64 = 3;
const FIELD: &str = "initial_feedback_request_id";

/// The job with everything that it inherits.
///
/// # Errors
/// The reason for which it is no recovery of that request, as a problem of its field.
pub fn inherit(job: &Job, original: Option<&OriginalRequest>) -> Result<Job, Vec<Problem>> {
    let refuse = |code: &str, message: &str| Err(vec![Problem::new(FIELD, code, message)]);
    let Some(original) = original else {
        return refuse("unknown_request", "no request of this company has that id or former_id");
    };
    if !original.was_sent {
        return refuse("not_sent", "that request was never sent, so there is nothing to recover");
    }
    if original.recoveries >= RECOVERIES_MAX {
        return refuse("too_many_recoveries", "that request has had its three service recoveries");
    }
    if original.open_recoveries > 0 {
        return refuse("recovery_open", "another service recovery of that request has not ended yet");
    }
    let mut job = job.clone();
    job.customer = Some(customer(job.customer.take(), &original.customer));
    job.channel = job.channel.take().or_else(|| Some(original.channel.clone()));
    job.brand = job.brand.take().or_else(|| Some(original.brand.clone()));
    job.language = job.language.take().or_else(|| original.language.clone());
    job.country = job.country.take().or_else(|| original.country.clone());
    job.medium = job.medium.or(original
        .medium
        .filter(|medium| job.customer.as_ref().is_some_and(|customer| customer.address(*medium).is_some())));
    Ok(job)
}

/// Merges field by field, but a given address replaces all addresses: it may belong to another person.
fn customer(given: Option<Customer>, original: &Customer) -> Customer {
    let Some(given) = given else { return original.clone() };
    if given.email.is_some() || given.phone.is_some() {
        return given;
    }
    Customer {
        custom_id: given.custom_id.or_else(|| original.custom_id.clone()),
        name: given.name.or_else(|| original.name.clone()),
        email: original.email.clone(),
        phone: original.phone.clone(),
    }
}
