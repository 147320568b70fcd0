//! The audit: from the facts of a run to everything that is wrong with them.
//!
//! PURE: no I/O, nothing asked, nothing repaired. Shared with `tests/it`, where each rule is shown to
//! find what it looks for. A rule that finds nothing in a run is a claim; one that can find nothing is none.

#[path = "audit/conservation.rs"]
mod conservation;
#[path = "audit/ends.rs"]
mod ends;
#[path = "audit/history.rs"]
mod history;
#[path = "audit/sending.rs"]
mod sending;

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::facts::{Acceptance, Facts, JobFact, MessageFact};

/// The severity of a finding for the product's promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Lost,
    Duplicated,
    Stuck,
    /// Anything else that does not add up.
    Wrong,
}

/// One broken rule, and all that break it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub class: Class,
    pub rule: String,
    pub who: Vec<String>,
}

/// Facts with the indexes that rules ask by.
pub struct FactIndex<'a> {
    pub facts: &'a Facts,
    pub jobs: HashMap<&'a str, &'a JobFact>,
    pub messages: HashMap<Uuid, &'a MessageFact>,
    pub acceptances: HashMap<Uuid, Vec<&'a Acceptance>>,
}

impl<'a> FactIndex<'a> {
    fn new(facts: &'a Facts) -> FactIndex<'a> {
        let mut acceptances: HashMap<Uuid, Vec<&Acceptance>> = HashMap::new();
        for one in &facts.acceptances {
            acceptances.entry(one.message.unwrap_or_default()).or_default().push(one);
        }
        FactIndex {
            facts,
            jobs: facts.jobs.iter().map(|job| (job.key.as_str(), job)).collect(),
            messages: facts.messages.iter().map(|message| (message.id, message)).collect(),
            acceptances,
        }
    }

    pub fn job(&self, message: &MessageFact) -> Option<&'a JobFact> {
        self.jobs.get(message.key.as_str()).copied()
    }

    pub fn accepted(&self, message: Uuid) -> &[&'a Acceptance] {
        self.acceptances.get(&message).map_or(&[], Vec::as_slice)
    }
}

/// Findings under way, by rule.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<(Class, String), Vec<String>>);

impl Findings {
    pub fn add(&mut self, class: Class, rule: &str, who: impl ToString) {
        self.0.entry((class, rule.to_owned())).or_default().push(who.to_string());
    }
}

/// Everything that is wrong; empty where everything adds up.
pub fn audit(facts: &Facts) -> Vec<Finding> {
    let (index, mut findings) = (FactIndex::new(facts), Findings::default());
    conservation::check(&index, &mut findings);
    sending::check(&index, &mut findings);
    ends::check(&index, &mut findings);
    history::check(&index, &mut findings);
    for complaint in &facts.complaints {
        findings.add(Class::Wrong, "a worker behaved badly", complaint);
    }
    findings.0.into_iter().map(|((class, rule), who)| Finding { class, rule, who }).collect()
}
