//! Rule 9, answered: who answered already is not asked.
//!
//! A response may come before its request. Comes last, so that a request ends the same whichever of the two
//! was first: what another rule keeps back would have been kept back before any answer. Gives a finding only
//! where it stops: hardly any request is ever one of these, and findings are stored with every request.

use crate::lifecycle::Reason;

use super::{Case, Finding};

pub(super) fn finding(case: &Case) -> Option<Finding> {
    let note = "the customer answered before the request came";
    case.facts.answered.then(|| Finding::stop("answered", Reason::Answered, note))
}
