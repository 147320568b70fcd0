//! Rule 3: the media that can reach the customer, in the order in which they are tried.
//!
//! The job's own medium, else the company's order of preference, among the given addresses and the media that the
//! brand has an account for. If there is none, the job is rejected, unless it is never to be sent anyway.

use crate::{company::policy::sandbox_address, document::Problem, ids::Medium, lifecycle::Reason};

use super::{Case, Finding, decision::Candidate};

pub(super) fn problems(case: &Case) -> Vec<Problem> {
    // A test request goes to the company's test address; the producer cannot fix a missing one.
    if case.job.do_not_send || case.facts.test || !usable(case).is_empty() {
        return Vec::new();
    }
    let message = match (case.job.medium, allowed(case).as_slice()) {
        (_, []) => {
            "the brand has no account for any allowed medium; add one to the company's file".to_owned()
        }
        (Some(medium), _) if address(case, medium).is_some() => {
            format!("the brand has no account for {}; add one or name another medium", medium.as_str())
        }
        (_, allowed) => {
            let words: Vec<&str> = allowed.iter().map(|medium| medium.as_str()).collect();
            format!("the customer has no address that can be used by {}", words.join(" or "))
        }
    };
    vec![Problem::new("customer", "no_address", message)]
}

/// The candidates in order, and the rule's finding.
pub(super) fn candidates(case: &Case) -> (Vec<Candidate>, Finding) {
    let candidates = usable(case);
    let words: Vec<&str> = candidates.iter().map(|candidate| candidate.medium.as_str()).collect();
    let finding = if uses_sandbox(case) && !candidates.is_empty() {
        let note = "a test request, and no test_email or test_phone takes it: the built-in simulator does";
        Finding::pass("medium", format!("{}, {note}", words.join(", ")))
    } else if candidates.is_empty() {
        Finding::stop("medium", Reason::NoMedium, "no address that an allowed medium can use")
    } else if case.job.medium.is_some() {
        Finding::pass("medium", format!("{}, named by the job", words.join(", ")))
    } else {
        Finding::pass("medium", format!("{}, by the company's preference", words.join(", ")))
    };
    (candidates, finding)
}

fn usable(case: &Case) -> Vec<Candidate> {
    let candidate = |medium: Medium| {
        let account = case.company.policy.account_for(&case.placed.brand, medium)?;
        let account = case.company.account_id(&account.id)?;
        Some(Candidate { medium, address: address(case, medium)?.to_owned(), account })
    };
    allowed(case).into_iter().filter_map(candidate).collect()
}

fn allowed(case: &Case) -> Vec<Medium> {
    match case.job.medium {
        Some(medium) => vec![medium],
        None => case.company.policy.medium_preference.clone(),
    }
}

/// Whether this is a test request of a company without test addresses.
fn uses_sandbox(case: &Case) -> bool {
    case.facts.test
        && allowed(case).into_iter().all(|medium| case.company.policy.test_address(medium).is_none())
}

fn address<'a>(case: &'a Case, medium: Medium) -> Option<&'a str> {
    if uses_sandbox(case) {
        return Some(sandbox_address(medium));
    }
    if case.facts.test {
        return case.company.policy.test_address(medium);
    }
    case.job.customer.as_ref().and_then(|customer| customer.address(medium))
}
