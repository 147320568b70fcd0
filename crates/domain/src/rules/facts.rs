//! What the rules must know beyond the job and the policy: gathered in one query, decided in one go.
//!
//! `intake::gather` fills it; the rules only read. `now` is the database's at the time of gathering.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{company::Role, ids::Medium, job::Customer};

#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub now: DateTime<Utc>,
    pub member: MemberFact,
    /// Block bits of the customer's address by medium code.
    pub block_bits: [i32; 2],
    /// Who holds the customer's reservations, where anybody does.
    pub holders: Vec<ReservationHolder>,
    /// A service recovery: it passes the suppression period and takes over.
    pub recovery: bool,
    /// A test request sees the suppression rule but is not held by it.
    pub test: bool,
    /// The customer answered before the request came.
    pub answered: bool,
    /// The team member who asks by hand, where that person is one.
    pub requester: Option<Requester>,
}

/// A team member who asks by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requester {
    pub role: Role,
    /// Asks about their own interaction.
    pub is_employee: bool,
}

impl Facts {
    #[must_use]
    pub fn blocks(&self, medium: Medium) -> i32 {
        match medium {
            Medium::Email => self.block_bits[0],
            Medium::Sms => self.block_bits[1],
        }
    }
}

/// What is known of the team member that the job names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberFact {
    Found {
        approved: bool,
    },
    UnknownEmail,
    UnknownCustomId,
    /// Email and custom id name two different members.
    Mismatch,
}

/// An earlier request that reserved one of the customer's identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservationHolder {
    pub request: Uuid,
    /// When it asked, or plans to.
    pub asked_at: DateTime<Utc>,
}

/// The earlier request that a service recovery answers: always the root, never a recovery itself.
#[derive(Debug, Clone, PartialEq)]
pub struct OriginalRequest {
    pub id: Uuid,
    pub customer: Customer,
    pub channel: String,
    pub brand: String,
    pub language: Option<String>,
    pub country: Option<String>,
    pub medium: Option<Medium>,
    /// The request named by the job was sent or delivered, or its customer answered, whatever we know of the
    /// sending.
    pub was_sent: bool,
    /// Recoveries of this root so far, and those that have not ended.
    pub recoveries: i64,
    pub open_recoveries: i64,
}
