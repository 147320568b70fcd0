//! A parsed job of a known company, on its way through the rounds of one batch.
//!
//! Made by `admit` from an inbound job, or by `requests::actions` from a stored request that is decided again. The
//! steps of `pipeline` take it from there.

use std::sync::Arc;

use uuid::Uuid;

use postrider_domain::{
    company::Company,
    ids::CompanyId,
    job::{Job, JobOrigin},
};

/// The company of a job, where it is known, and whether the job is a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobOwner {
    pub company: CompanyId,
    pub test: bool,
}

#[derive(Debug, Clone)]
pub struct Pending {
    /// Index in the batch.
    pub place: usize,
    pub company: Arc<Company>,
    pub job: Arc<Job>,
    pub origin: JobOrigin,
    /// Stored number of the entry point.
    pub source_code: i16,
    pub test: bool,
    /// Key of the trial record, where the job is a poison suspect.
    pub suspect: Option<Uuid>,
    /// Keyed hash of the idempotency key.
    pub idempotency_hash: Uuid,
    /// The key was derived from the content; such a key expires.
    pub key_is_derived: bool,
    pub content_hash: Uuid,
    pub redecided: Option<Redecided>,
}

/// A stored request that is decided again, as if its job came now.
#[derive(Debug, Clone, Copy)]
pub struct Redecided {
    /// Its own reservations do not stand in its way.
    pub request: Uuid,
    pub is_recovery: bool,
}

impl Pending {
    #[must_use]
    pub fn owner(&self) -> JobOwner {
        JobOwner { company: self.company.id, test: self.test }
    }

    /// A stored request that is decided again with today's company. Its key meets no duplicate.
    #[must_use]
    pub fn redecided(company: Arc<Company>, job: Job, test: bool, redecided: Redecided) -> Pending {
        Pending {
            place: 0,
            company,
            origin: JobOrigin::Automatic,
            job: Arc::new(job),
            source_code: 0,
            test,
            suspect: None,
            idempotency_hash: postrider_clock::random_id(),
            key_is_derived: false,
            content_hash: Uuid::nil(),
            redecided: Some(redecided),
        }
    }
}
