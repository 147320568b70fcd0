//! The keys by which the ledger recognises one job's person, team member and duplicate.
//!
//! All are keyed hashes (`domain::hash_keys`): the ledger compares them and never sees the words.

use uuid::Uuid;

use postrider_domain::{
    company::Company,
    hash_keys::IdentityKey,
    ids::Medium,
    job::Job,
    rules::{Placed, Requester, suppression},
};
use postrider_ledger::{gather::Lookup, members::MemberByEmail};

/// The keys of a placed job. `idempotency_hash` tells tests from live requests already; `former` does not.
#[must_use]
pub fn lookup(
    keys: &IdentityKey,
    company: &Company,
    job: &Job,
    placed: &Placed,
    idempotency_hash: Uuid,
) -> Lookup {
    let address = |medium| {
        let address = job.customer.as_ref().and_then(|customer| customer.address(medium))?;
        Some(keys.address_hash(company.id, medium, address))
    };
    Lookup {
        idempotency_hash,
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

/// The team member that requests a manual job, compared with the employee that the job names.
#[must_use]
pub fn requester(member: &MemberByEmail, lookup: &Lookup) -> Requester {
    Requester {
        role: member.role,
        is_employee: lookup.member_email == Some(member.email_key)
            || (member.custom_key.is_some() && lookup.member_custom_id == member.custom_key),
    }
}

/// The idempotency key of a job.
#[derive(Debug, Clone, Copy)]
pub struct Idempotency {
    pub hash: Uuid,
    /// The key was derived from the content.
    pub is_derived: bool,
    pub content_hash: Uuid,
}

/// The job's own key, else the entry point's, else one derived from the content.
#[must_use]
pub fn idempotency(
    keys: &IdentityKey,
    company: &Company,
    job: &Job,
    entry_point_key: Option<&str>,
) -> Idempotency {
    let content_hash = keys.content_hash(company.id, &job.content_bytes());
    match job.idempotency_key.as_deref().or(entry_point_key) {
        Some(given) => {
            Idempotency { hash: keys.idempotency_hash(company.id, given), is_derived: false, content_hash }
        }
        // A given key holds no control character, so it never equals a derived one.
        None => Idempotency {
            hash: keys.idempotency_hash(company.id, &format!("\0content:{content_hash}")),
            is_derived: true,
            content_hash,
        },
    }
}

/// The unique key of the n-th service recovery of a request: the database proves that there are three at most.
#[must_use]
pub fn recovery_key(keys: &IdentityKey, company: &Company, original_request: Uuid, ordinal: i64) -> Uuid {
    keys.idempotency_hash(company.id, &format!("\0recovery:{original_request}:{ordinal}"))
}
