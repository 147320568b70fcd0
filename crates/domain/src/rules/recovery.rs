//! Service recovery: a further ask about an earlier request, after its complaint was mended.
//!
//! The job inherits what it leaves out; a recovery of a recovery belongs to the root; at most one open
//! and three in all per root. The database proves the bound by a unique ordinal.

use crate::{
    document::Problem,
    job::{Customer, Job},
};

use super::OriginalRequest;

pub const RECOVERIES_MAX: i64 = 3;
const FIELD: &str = "initial_feedback_request_id";

/// The job with everything that it inherits, or why it is no recovery of that request.
pub fn inherit(job: &Job, root: Option<&OriginalRequest>) -> Result<Job, Vec<Problem>> {
    let refuse = |code: &str, message: &str| Err(vec![Problem::new(FIELD, code, message)]);
    let Some(root) = root else {
        return refuse("unknown_request", "no request of this company has that id or former_id");
    };
    if !root.was_sent {
        return refuse("not_sent", "that request was never sent, so there is nothing to recover");
    }
    if root.recoveries >= RECOVERIES_MAX {
        return refuse("too_many_recoveries", "that request has had its three service recoveries");
    }
    if root.open_recoveries > 0 {
        return refuse("recovery_open", "another service recovery of that request has not ended yet");
    }
    let mut job = job.clone();
    job.customer = Some(customer(job.customer.take(), &root.customer));
    job.channel = job.channel.take().or_else(|| Some(root.channel.clone()));
    job.brand = job.brand.take().or_else(|| Some(root.brand.clone()));
    job.language = job.language.take().or_else(|| root.language.clone());
    job.country = job.country.take().or_else(|| root.country.clone());
    job.medium = job.medium.or(root
        .medium
        .filter(|medium| job.customer.as_ref().is_some_and(|customer| customer.address(*medium).is_some())));
    Ok(job)
}

/// Field by field, but an address given replaces all addresses: they belong to one person each.
fn customer(given: Option<Customer>, root: &Customer) -> Customer {
    let Some(given) = given else { return root.clone() };
    if given.email.is_some() || given.phone.is_some() {
        return given;
    }
    Customer {
        custom_id: given.custom_id.or_else(|| root.custom_id.clone()),
        name: given.name.or_else(|| root.name.clone()),
        email: root.email.clone(),
        phone: root.phone.clone(),
    }
}
