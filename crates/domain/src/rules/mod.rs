//! The rules: whether, when and how to ask a customer.
//!
//! PURE: facts and `now` are arguments, and `now` is the database's. A job is first placed (brand and
//! channel, from the policy alone), so that intake knows which facts to gather; then decided. One file
//! per rule; every rule gives its finding, even after one has stopped the request, because `why` shows
//! them all. The first rule that stops names the reason.

pub mod answered;
pub mod blocked;
pub mod case;
pub mod decision;
pub mod delay;
pub mod do_not_send;
pub mod employee;
pub mod expiry;
pub mod facts;
pub mod medium;
pub mod place;
pub mod recovery;
pub mod requester;
pub mod suppression;

#[cfg(test)]
mod tests;

use crate::document::Problem;

pub use case::Case;
pub use decision::{Decision, Finding, Inputs, Verdict};
pub use facts::{Facts, MemberFact, OriginalRequest, Requester, ReservationHolder};
pub use place::{Placed, place};

/// Asks every rule in turn.
///
/// # Errors
/// The problems for which the job is rejected; then no rule is asked.
pub fn decide(case: &Case) -> Result<Decision, Vec<Problem>> {
    let mut problems = employee::problems(case);
    problems.extend(requester::problems(case));
    problems.extend(medium::problems(case));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut trail: Vec<Finding> = requester::finding(case).into_iter().collect();
    trail.push(do_not_send::finding(case));
    let (candidates, finding) = medium::candidates(case);
    trail.push(finding);
    let (chosen, finding) = blocked::choose(case, &candidates);
    trail.push(finding);
    trail.push(suppression::finding(case));
    let (due_at, finding) = delay::due(case);
    trail.push(finding);
    let (expires_at, finding) = expiry::expires(case, due_at);
    trail.push(finding);
    trail.extend(answered::finding(case));
    let verdict = trail.iter().find_map(|finding| finding.stops).map_or(Verdict::Send, Verdict::Suppress);
    Ok(Decision {
        verdict,
        candidate: chosen.or_else(|| candidates.into_iter().next()),
        due_at,
        expires_at,
        policy_version: case.company.version,
        decided_at: case.facts.now,
        trail,
        inputs: Inputs::new(case),
    })
}
