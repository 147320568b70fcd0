//! The keys by which the ledger recognises one job's person, member and twin.
//!
//! All are keyed hashes (`message::keys`): the ledger compares them and never sees more.

use uuid::Uuid;

use postrider_domain::{
    company::Company,
    hash_keys::IdentityKey,
    ids::Medium,
    job::Job,
    rules::{Placed, Requester, suppression},
};
use postrider_ledger::{gather::Lookup, members::MemberByEmail};

/// What to look up for a placed job.
#[must_use]
pub fn lookup(keys: &IdentityKey, company: &Company, job: &Job, placed: &Placed, idem: Uuid) -> Lookup {
    let address = |medium| {
        let address = job.customer.as_ref().and_then(|customer| customer.address(medium))?;
        Some(keys.address_hash(company.id, medium, address))
    };
    Lookup {
        idempotency_hash: idem,
        former_id_hash: job.former_id.map(|former| keys.former_id_hash(company.id, former)),
        email_hash: address(Medium::Email),
        phone_hash: address(Medium::Sms),
        reservation_keys: suppression::reservation_keys(keys, company, job.customer.as_ref(), placed),
        member_email: job.employee.email.as_ref().map(|email| keys.member_email_hash(company.id, email)),
        member_custom_id: job
            .employee
            .custom_id
            .as_ref()
            .map(|id| keys.member_custom_id_hash(company.id, id)),
    }
}

/// A team member who asks by hand, beside the one whom the job names.
#[must_use]
pub fn requester(member: &MemberByEmail, lookup: &Lookup) -> Requester {
    Requester {
        role: member.role,
        is_employee: lookup.member_email == Some(member.email_key)
            || (member.custom_key.is_some() && lookup.member_custom_id == member.custom_key),
    }
}

/// The idempotency key of a job: its own, else the door's, else its content's; and whether it was made.
#[must_use]
pub fn idempotency(
    keys: &IdentityKey,
    company: &Company,
    job: &Job,
    door_key: Option<&str>,
) -> (Uuid, bool, Uuid) {
    let content = keys.content_hash(company.id, &job.content_bytes());
    match job.idempotency_key.as_deref().or(door_key) {
        // A given key holds no control character, so it never looks like one that we made.
        Some(given) => (keys.idempotency_hash(company.id, given), false, content),
        None => (keys.idempotency_hash(company.id, &format!("\0content:{content}")), true, content),
    }
}

/// The unique key of a root's n-th service recovery: the database proves that three is three.
#[must_use]
pub fn recovery_key(keys: &IdentityKey, company: &Company, root: Uuid, ordinal: i64) -> Uuid {
    keys.idempotency_hash(company.id, &format!("\0recovery:{root}:{ordinal}"))
}
