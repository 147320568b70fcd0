//! The providers' messages against the ledger's attempts: never twice, never unrecorded, never against an
//! opt-out or an operator's action.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::super::facts::{Acceptance, Due, LOST, MessageFact, state};
use super::{Class, FactIndex, Findings};

const REFUSED: i16 = 1;
const UNKNOWN: i16 = 2;
/// Of a thousand messages so many answers may come too late for no fault of ours: the machine was busy.
const UNEXPLAINED_PER_MILLE: usize = 10;
const UNEXPLAINED_ALWAYS: usize = 5;

pub(super) fn check(index: &FactIndex, findings: &mut Findings) {
    for accepted in &index.facts.acceptances {
        let found = accepted.message.and_then(|id| index.messages.get(&id));
        match found {
            None => {
                findings.add(Class::Wrong, "a provider has what is not in the ledger", &accepted.recipient)
            }
            Some(message) => one(index, message, accepted, findings),
        }
    }
    for message in &index.facts.messages {
        twice(index, message, findings);
    }
    persons(index, findings);
    calls(index, findings);
    acts(index, findings);
    unknowns(index, findings);
}

/// One acceptance and the attempt that it belongs to.
fn one(index: &FactIndex, message: &MessageFact, accepted: &Acceptance, findings: &mut Findings) {
    let id = message.id;
    let attempt = message.attempts.iter().find(|attempt| Some(attempt.number) == accepted.attempt);
    match attempt {
        None => findings.add(Class::Wrong, "a provider has an attempt that was never written down", id),
        Some(attempt) => {
            if attempt.outcome == Some(REFUSED) {
                findings.add(Class::Wrong, "an attempt is refused, and the provider has it", id);
            }
            if attempt.begun_at > accepted.accepted_at {
                findings.add(Class::Wrong, "a provider had it before its attempt was written down", id);
            }
        }
    }
    if matches!(message.state, state::SUPPRESSED | state::CANCELED) {
        findings.add(Class::Wrong, "a provider has what is suppressed or canceled", id);
    }
    if !message.may_have_been_sent {
        findings.add(Class::Wrong, "a provider has it, and its person counts as not asked", id);
    }
    let Some(job) = index.job(message) else { return };
    if job.due != Due::Ask {
        findings.add(Class::Wrong, "a provider has what must never be sent", id);
    }
    if job.address != accepted.recipient || job.provider != accepted.provider {
        findings.add(Class::Wrong, "a message went to another customer", id);
    }
}

/// At most once; twice only where the companies allow it and the ledger shows why.
fn twice(index: &FactIndex, message: &MessageFact, findings: &mut Findings) {
    let accepted = index.accepted(message.id);
    let attempts: HashSet<_> = accepted.iter().map(|one| one.attempt).collect();
    let earlier_unknown = message.attempts.iter().filter(|one| one.outcome == Some(UNKNOWN)).count();
    let allowed = index.facts.sends_max.min(1 + earlier_unknown);
    if accepted.len() > allowed || attempts.len() < accepted.len() {
        findings.add(Class::Duplicated, "a message was sent more than once", message.id);
    }
}

/// Of all requests for one person, one is sent within a window; the whole run is one.
fn persons(index: &FactIndex, findings: &mut Findings) {
    let mut asked: HashMap<u32, HashSet<Uuid>> = HashMap::new();
    for message in index.facts.messages.iter().filter(|message| !index.accepted(message.id).is_empty()) {
        if let Some(job) = index.job(message) {
            asked.entry(job.person).or_default().insert(message.id);
        }
    }
    for (person, requests) in asked.iter().filter(|(_, requests)| requests.len() > 1) {
        let who = format!("person {person}: {requests:?}");
        findings.add(Class::Duplicated, "a person was asked by two requests within the window", who);
    }
}

/// Every call is an attempt's, and the only one of it.
fn calls(index: &FactIndex, findings: &mut Findings) {
    let mut seen = HashSet::new();
    for call in &index.facts.calls {
        if !seen.insert((call.message, call.attempt)) {
            findings.add(Class::Wrong, "an attempt was called twice", call.message);
        }
        let attempts = index.messages.get(&call.message).map(|message| &message.attempts);
        if !attempts.is_some_and(|all| all.iter().any(|attempt| attempt.number == call.attempt)) {
            findings.add(Class::Wrong, "a call has no attempt in the ledger", call.message);
        }
    }
}

/// No attempt began after the commit of what forbids it.
fn acts(index: &FactIndex, findings: &mut Findings) {
    let mut by_block: HashMap<Uuid, Vec<&MessageFact>> = HashMap::new();
    for message in &index.facts.messages {
        if let Some(job) = index.job(message) {
            by_block.entry(job.block).or_default().push(message);
        }
    }
    for act in &index.facts.acts {
        let of_message = act.message.and_then(|id| index.messages.get(&id).copied());
        let of_block = act.block.and_then(|block| by_block.get(&block)).into_iter().flatten().copied();
        for message in of_message.into_iter().chain(of_block) {
            let late =
                |at| act.from.is_some_and(|from| at > from) && act.until.is_none_or(|until| at < until);
            if let Some(attempt) = message.attempts.iter().find(|attempt| late(attempt.begun_at)) {
                let rule = format!("an attempt began after its {} was committed", act.wish.as_str());
                let (key, number, begun_at) = (&message.key, attempt.number, attempt.begun_at);
                let who = format!("{} ({key}) attempt {number} at {begun_at}, {act:?}", message.id);
                findings.add(Class::Wrong, &rule, who);
            }
        }
    }
}

/// An attempt with an unknown outcome must have met a fault.
fn unknowns(index: &FactIndex, findings: &mut Findings) {
    let facts = index.facts;
    let doubtful: HashSet<_> =
        facts.calls.iter().filter(|call| call.doubtful).map(|call| (call.message, call.attempt)).collect();
    let mut unexplained = Vec::new();
    for message in &facts.messages {
        for attempt in message.attempts.iter().filter(|attempt| attempt.outcome == Some(UNKNOWN)) {
            let lost = attempt.code.as_deref() == Some(LOST);
            if !lost && !doubtful.contains(&(message.id, attempt.number)) {
                unexplained.push(message.id);
            }
        }
    }
    let by_worker = facts.lost_by_worker();
    if by_worker.len() as u64 > facts.worker_losses {
        let lost: u64 = by_worker.values().sum();
        let who = format!("{lost} attempts of {} workers, {} losses", by_worker.len(), facts.worker_losses);
        findings.add(Class::Wrong, "attempts were lost with workers that nothing happened to", who);
    }
    for (worker, count) in by_worker {
        let Some(worker) = worker else {
            findings.add(Class::Wrong, "an attempt without a worker was lost", count);
            continue;
        };
        if count > facts.slots {
            let who = format!("{count} of worker {worker}, which has {} under way at most", facts.slots);
            findings.add(Class::Wrong, "more attempts were lost with a worker than it had under way", who);
        }
    }
    if unexplained.len() > UNEXPLAINED_ALWAYS + facts.messages.len() * UNEXPLAINED_PER_MILLE / 1_000 {
        for id in unexplained {
            findings.add(Class::Wrong, "an attempt is unknown, and its provider answered properly", id);
        }
    }
}
