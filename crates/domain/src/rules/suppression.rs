//! Rule 5, the suppression period: a person is not asked twice within N days.
//!
//! Counted from the planned or actual ask of the request that holds one of the person's reservations. This is the
//! early check; the accepting statement checks again on the reservation rows.

use chrono::Duration;

use uuid::Uuid;

use crate::{
    company::{Company, SuppressionScope},
    hash_keys::{IdentityKey, IdentityKind},
    job::Customer,
    lifecycle::Reason,
};

use super::{Case, Finding, Placed};

const RULE: &str = "suppression_period";

pub(super) fn finding(case: &Case) -> Finding {
    let days = case.company.policy.suppression_days;
    if days == 0 {
        return Finding::pass(RULE, "the company has none");
    }
    let window = Duration::days(i64::from(days));
    let latest = case.facts.holders.iter().max_by_key(|holder| holder.asked_at);
    let Some(holder) = latest.filter(|holder| holder.asked_at + window > case.facts.now) else {
        return Finding::pass(RULE, format!("nobody asked within {days} days"));
    };
    let note = format!("request {} asks or asked at {}; period {days} days", holder.request, holder.asked_at);
    if case.facts.recovery {
        return Finding::pass(RULE, format!("{note}; a service recovery passes and takes over"));
    }
    if let Some(reason) = case.job.override_reason() {
        return Finding::pass(RULE, format!("{note}; overridden by who asks, with the reason: {reason}"));
    }
    if case.facts.test {
        return Finding::pass(RULE, format!("{note}; a test request is not held"));
    }
    Finding {
        passes_at: Some(holder.asked_at + window),
        ..Finding::stop(RULE, Reason::SuppressionPeriod, note)
    }
}

/// Whether an accepted request of this case takes over the reservations of an earlier one.
#[must_use]
pub fn takes_over(case: &Case) -> bool {
    case.facts.recovery || case.job.override_reason().is_some()
}

/// Whether an accepted request of this case reserves its customer.
#[must_use]
pub fn reserves(case: &Case) -> bool {
    case.company.policy.suppression_days > 0 && !case.facts.test
}

/// The reservation keys of the customer's identities (custom id, email, phone), sorted; per brand where the
/// company says so, none where it has no suppression period.
#[must_use]
pub fn reservation_keys(
    keys: &IdentityKey,
    company: &Company,
    customer: Option<&Customer>,
    placed: &Placed,
) -> Vec<Uuid> {
    if company.policy.suppression_days == 0 {
        return Vec::new();
    }
    let brand = match company.policy.suppression_scope {
        SuppressionScope::Company => None,
        SuppressionScope::Brand => Some(placed.brand.label.as_str()),
    };
    let Some(customer) = customer else { return Vec::new() };
    let identities = [
        (IdentityKind::CustomId, customer.custom_id.as_deref()),
        (IdentityKind::Email, customer.email.as_deref()),
        (IdentityKind::Phone, customer.phone.as_deref()),
    ];
    let mut reservation_keys: Vec<Uuid> = identities
        .into_iter()
        .filter_map(|(kind, value)| Some(keys.reservation_key(company.id, brand, kind, value?)))
        .collect();
    reservation_keys.sort_unstable();
    reservation_keys
}
