//! Rule 4: blocked candidates are dropped.
//!
//! If no candidate is left, the block of the first one is the reason.

use crate::{ids::BlockKind, lifecycle::Reason};

use super::{Case, Finding, decision::Candidate};

/// The first candidate that is not blocked, and the finding.
pub(super) fn choose(case: &Case, candidates: &[Candidate]) -> (Option<Candidate>, Finding) {
    let block = |candidate: &Candidate| BlockKind::strongest(case.facts.blocks(candidate.medium));
    let noted: Vec<String> = candidates
        .iter()
        .filter_map(|candidate| {
            Some(format!("{} is blocked: {}", candidate.medium.as_str(), block(candidate)?.as_str()))
        })
        .collect();
    let note = noted.join("; ");
    if let Some(free) = candidates.iter().find(|candidate| block(candidate).is_none()) {
        return (Some(free.clone()), Finding::pass("blocked", note));
    }
    match candidates.first().and_then(block) {
        Some(kind) => (None, Finding::stop("blocked", Reason::from(kind), note)),
        None => (None, Finding::pass("blocked", "no address to look up")),
    }
}
