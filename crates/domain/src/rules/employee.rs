//! Rule 1, the team member: known, the same by email and custom id, approved where the company requires it.
//!
//! Failing it is the producer's mistake and ends as a rejection, never as a suppression.

use crate::document::Problem;

use super::{Case, MemberFact};

pub(super) fn problems(case: &Case) -> Vec<Problem> {
    let problem = match case.facts.member {
        MemberFact::Found { approved: false } if case.company.policy.require_approved => Problem::new(
            "employee",
            "employee_not_approved",
            "the team member is not approved; approve them or set require_approved = false",
        ),
        MemberFact::Found { .. } => return Vec::new(),
        MemberFact::UnknownEmail => Problem::new(
            "employee.email",
            "unknown_employee",
            "no team member of this company has that email",
        ),
        MemberFact::UnknownCustomId => Problem::new(
            "employee.custom_id",
            "unknown_employee",
            "no team member of this company has that custom_id",
        ),
        MemberFact::Mismatch => Problem::new(
            "employee",
            "employee_mismatch",
            "email and custom_id name two different team members; send one, or two of the same",
        ),
    };
    vec![problem]
}
