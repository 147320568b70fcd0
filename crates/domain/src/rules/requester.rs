//! Rule 1, who asks by hand: for themselves, or for a team member where that is theirs to do.
//!
//! A team leader asks for the team. A company administrator asks on behalf of a team member only where the
//! company allows it; one counts as such by the team's list or by the word of whoever hands the job in. A
//! team member asks for nobody else. Of a person who is on no list, the word of the key's holder is taken.
//! Failing it ends as a rejection.

use crate::{company::Role, document::Problem, job::RequesterRole};

use super::{Case, Finding};

const RULE: &str = "requester";
const OF_OWN: &str = ", about their own interaction";

pub(super) fn problems(case: &Case) -> Vec<Problem> {
    let Some(manual) = &case.job.manual else { return Vec::new() };
    let known = case.facts.requester;
    if known.is_some_and(|requester| requester.is_employee) {
        return Vec::new();
    }
    let listed = known.map(|requester| requester.role);
    let administrator = manual.role == Some(RequesterRole::CompanyAdmin) || listed == Some(Role::Admin);
    let remedy = match listed {
        _ if administrator && case.company.policy.admin_may_request_on_behalf => return Vec::new(),
        _ if administrator => {
            "company administrators may not ask on behalf of team members here; let the team member ask, or set \
             admin_may_request_on_behalf = true in the company's file"
        }
        Some(Role::Member) => {
            "a team member asks about their own interactions only; let the team member of this one ask, or a \
             team leader"
        }
        Some(Role::Leader | Role::Admin) | None => return Vec::new(),
    };
    vec![Problem::new("requested_by", "on_behalf_not_allowed", remedy)]
}

/// Whether a person asks, and in which role: shown by `why`, without the name.
pub(super) fn finding(case: &Case) -> Option<Finding> {
    let manual = case.job.manual.as_ref()?;
    let role = manual.role.map_or_else(String::new, |role| format!(" as {}", role.as_str()));
    let whose = match case.facts.requester {
        Some(requester) if requester.is_employee => OF_OWN,
        Some(_) | None => "",
    };
    Some(Finding::pass(RULE, format!("asked for by a person{role}{whose}")))
}

/// Whether a stored finding says that a person asked about their own interaction.
#[must_use]
pub fn is_about_own_interaction(finding: &Finding) -> bool {
    finding.rule == RULE && finding.note.ends_with(OF_OWN)
}
