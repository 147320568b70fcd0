//! Rule 9, answered: a customer with a response to the interaction is not asked.
//!
//! A response may come before its request. The rule comes last, so that a request ends the same whichever of the
//! two was first: a request that another rule stops would have been stopped before any response. It gives a finding
//! only where it stops, because few requests are affected and findings are stored with every request.

use crate::lifecycle::Reason;

use super::{Case, Finding};

pub(super) fn finding(case: &Case) -> Option<Finding> {
    let note = "the customer answered before the request came";
    case.facts.answered.then(|| Finding::stop("answered", Reason::Answered, note))
}
