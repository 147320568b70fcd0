//! The case that the rules decide: one job with its place, its company and the gathered facts.
//!
//! PURE. Made by intake, by the preview and by the backtest; read by every rule.

use crate::{company::Company, job::Job};

use super::{Facts, Placed};

/// A job with its place, ready to be decided.
pub struct Case<'a> {
    /// The job, after inheritance where it is a service recovery.
    pub job: &'a Job,
    /// The company at the policy version that decides.
    pub company: &'a Company,
    /// The job's brand and channel.
    pub placed: &'a Placed,
    /// The gathered facts.
    pub facts: &'a Facts,
}
