//! The case that the rules decide: one job with its place, its company and the gathered facts.
//!
//! PURE. Made by intake, by the preview and by the backtest; read by every rule.

use crate::{company::Company, job::Job};

use super::{Facts, Placed};

/// A job with its place, ready to be decided.
pub struct Case<'a> {
    pub job: &'a Job,
    pub company: &'a Company,
    pub placed: &'a Placed,
    pub facts: &'a Facts,
}
