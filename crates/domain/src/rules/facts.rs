//! The facts that the rules need beyond the job and the policy: gathered in one query, decided in one go.
//!
//! `intake::decide` builds them from the ledger's `gather` query; the rules only read. `now` is the database's
//! time of gathering.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{company::Role, ids::Medium, job::Customer};

/// The gathered facts of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The database's time of gathering.
    pub now: DateTime<Utc>,
    /// The job's team member, as found.
    pub member: MemberFact,
    /// Block bits of the customer's address by medium code.
    pub block_bits: [i32; 2],
    /// The requests that hold reservations of the customer's identities.
    pub holders: Vec<ReservationHolder>,
    /// A service recovery: it passes the suppression period and takes over.
    pub recovery: bool,
    /// A test request sees the suppression rule but is not held by it.
    pub test: bool,
    /// The customer answered before the request came.
    pub answered: bool,
    /// The requesting person of a request by hand, if on the team's list.
    pub requester: Option<Requester>,
}

/// A team member that makes a request by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requester {
    /// The role on the team's list.
    pub role: Role,
    /// The interaction is the requester's own.
    pub is_employee: bool,
}

impl Facts {
    /// The block bits of the customer's address for `medium`.
    #[must_use]
    pub fn blocks(&self, medium: Medium) -> i32 {
        match medium {
            Medium::Email => self.block_bits[0],
            Medium::Sms => self.block_bits[1],
        }
    }
}

/// The team member that the job names, as found in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberFact {
    /// Exactly one.
    Found {
        /// Approved by the company.
        approved: bool,
    },
    /// No member has the email address.
    UnknownEmail,
    /// No member has the custom id.
    UnknownCustomId,
    /// Email and custom id name two different members.
    Mismatch,
}

/// An earlier request that reserved one of the customer's identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservationHolder {
    /// Id of the holding request.
    pub request: Uuid,
    /// Time at which it asked, or is due to.
    pub asked_at: DateTime<Utc>,
}

/// The original request of a service recovery; never a recovery itself.
#[derive(Debug, Clone, PartialEq)]
pub struct OriginalRequest {
    /// Id of the original request.
    pub id: Uuid,
    /// Inherited field by field.
    pub customer: Customer,
    /// Inherited.
    pub channel: String,
    /// Inherited label.
    pub brand: String,
    /// Inherited.
    pub language: Option<String>,
    /// Inherited.
    pub country: Option<String>,
    /// Inherited, if the customer has an address for it.
    pub medium: Option<Medium>,
    /// The request was sent or delivered, or its customer answered.
    pub was_sent: bool,
    /// Recoveries so far.
    pub recoveries: i64,
    /// Recoveries that have not ended.
    pub open_recoveries: i64,
}
