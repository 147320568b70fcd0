//! Rule 1 for requests by hand: the requesting person asks for themselves, or may ask for others.
//!
//! A team leader asks for the team. A company administrator asks on behalf of a team member only where the company
//! allows it; the role counts from the team's list or as stated by the caller. A team member asks about own
//! interactions only. For a person that is on no list, the caller's statement counts. A violation rejects the job.

use crate::{company::Role, document::Problem, job::RequesterRole};

use super::{Case, Finding};

const RULE: &str = "requester";
const OWN_INTERACTION: &str = ", about their own interaction";

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
    let subject = match case.facts.requester {
        Some(requester) if requester.is_employee => OWN_INTERACTION,
        Some(_) | None => "",
    };
    Some(Finding::pass(RULE, format!("asked for by a person{role}{subject}")))
}

/// Whether a stored finding says that a person asked about their own interaction.
#[must_use]
pub fn is_about_own_interaction(finding: &Finding) -> bool {
    finding.rule == RULE && finding.note.ends_with(OWN_INTERACTION)
}
