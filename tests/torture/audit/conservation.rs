//! Nothing that was confirmed is lost, nothing is there twice, nothing came from nowhere.
//!
//! Each key on its own: equal sums could hide a loss behind a ghost. A job that was published and never
//! confirmed may be present or absent.

use std::collections::{HashMap, HashSet};

use super::super::facts::{Due, Fate, state};
use super::{Class, FactIndex, Findings};

pub(super) fn check(index: &FactIndex, findings: &mut Findings) {
    let facts = index.facts;
    let mut requests: HashMap<&str, usize> = HashMap::new();
    for message in &facts.messages {
        *requests.entry(&message.key).or_default() += 1;
    }
    let rejected: HashSet<&str> = facts.rejected.iter().map(String::as_str).collect();
    let quarantined: HashSet<&str> = facts.quarantined.iter().map(String::as_str).collect();
    let queued: HashSet<&str> = facts.queued.iter().map(|(key, _)| key.as_str()).collect();
    for job in &facts.jobs {
        let count = requests.get(job.key.as_str()).copied().unwrap_or(0);
        let (is_rejected, is_queued) =
            (rejected.contains(job.key.as_str()), queued.contains(job.key.as_str()));
        let is_held = quarantined.contains(job.key.as_str());
        let nowhere = count == 0 && !is_rejected && !is_queued && !is_held;
        if job.fate == Fate::Confirmed && nowhere {
            findings.add(Class::Lost, "a confirmed job is nowhere", &job.key);
        }
        if job.fate == Fate::Never && !nowhere {
            findings.add(Class::Wrong, "a job is there that was never published", &job.key);
        }
        if count > 1 {
            findings.add(Class::Duplicated, "a key has more than one request", &job.key);
        }
        if count > 0 && is_rejected {
            findings.add(Class::Wrong, "a job is accepted and rejected", &job.key);
        }
        if count > 0 && job.due == Due::Rejection {
            findings.add(Class::Wrong, "an invalid job was accepted", &job.key);
        }
        if is_rejected && job.due != Due::Rejection {
            findings.add(Class::Wrong, "a good job was rejected", &job.key);
        }
    }
    // A death accuses one job at most.
    if facts.quarantined.len() as u64 > facts.worker_losses {
        findings.add(
            Class::Wrong,
            "more jobs are quarantined than workers were lost",
            facts.quarantined.len(),
        );
    }
    let strangers = requests.keys().chain(&rejected).chain(&quarantined).chain(&queued);
    for key in strangers.filter(|key| !index.jobs.contains_key(*key)) {
        findings.add(Class::Wrong, "a key is there that was not published", key);
    }
    for (key, queue) in &facts.queued {
        findings.add(Class::Stuck, &format!("a job is left in the queue {queue}"), key);
    }
    never_asked(index, findings);
}

/// Requests without any obstacle that were never even tried.
fn never_asked(index: &FactIndex, findings: &mut Findings) {
    let facts = index.facts;
    let acted: HashSet<_> = facts.acts.iter().filter_map(|act| act.message).collect();
    let blocked: HashSet<_> = facts.acts.iter().filter_map(|act| act.block).collect();
    let mut persons: HashMap<u32, (bool, &str)> = HashMap::new();
    let mut excused = HashSet::new();
    for message in &facts.messages {
        let Some(job) = index.job(message) else { continue };
        if job.due != Due::Ask {
            continue;
        }
        let (tried, _) = persons.entry(job.person).or_insert((false, job.key.as_str()));
        *tried |= !message.attempts.is_empty();
        if acted.contains(&message.id) || blocked.contains(&job.block) || message.state == state::CANCELED {
            excused.insert(job.person);
        }
    }
    for (person, (_, key)) in persons.iter().filter(|(_, (tried, _))| !tried) {
        if !excused.contains(person) {
            findings.add(Class::Lost, "a person was never asked and nothing stood in the way", key);
        }
    }
}
