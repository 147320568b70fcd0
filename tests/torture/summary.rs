//! The numbers of a run, counted from its facts: ends, unknowns and what became of them, by provider.
//!
//! PURE. Nothing is judged here; `audit` judges, `report` shows.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use uuid::Uuid;

use crate::facts::{AttemptFact, Facts, Fate, JobFact, LOST, MessageFact, state};

const UNKNOWN: i16 = 2;
/// The row of `Summary::ends` for messages with an outcome that stayed unknown.
pub const GIVEN_UP: &str = "failed: outcome_unknown";

/// Counts by provider, and in all.
pub type ByProvider = BTreeMap<&'static str, u64>;

/// Named rows of counts, in the order of showing.
#[derive(Debug, Default, Serialize)]
pub struct Table(pub BTreeMap<String, ByProvider>);

impl Table {
    fn add(&mut self, row: &str, provider: &'static str) {
        *self.0.entry(row.to_owned()).or_default().entry(provider).or_default() += 1;
    }
}

/// How many keys ended where.
#[derive(Debug, Default, Serialize)]
pub struct Keys {
    pub published: u64,
    pub confirmed: u64,
    pub unconfirmed: u64,
    /// Of the unconfirmed, those that arrived all the same.
    pub unconfirmed_arrived: u64,
    pub requests: u64,
    /// And no request: of a job that is one, another copy may be held.
    pub rejected: u64,
    /// Of the rejected, those that are held for their workers' deaths.
    pub quarantined: u64,
    /// Copies held so of jobs that another copy made a request.
    pub quarantined_copies: u64,
    pub left_in_queues: u64,
}

/// Attempts that were lost with their workers.
#[derive(Debug, Default, Serialize)]
pub struct Lost {
    pub workers: u64,
    pub attempts: u64,
    pub most: u64,
}

/// All numbers.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub keys: Keys,
    /// Requests by end and reason.
    pub ends: Table,
    /// Attempts with an outcome that was never known, by code.
    pub unknown_codes: Table,
    /// Messages that were unknown for a while, by how that ended.
    pub unknown_ends: Table,
    /// Messages that ended as `outcome_unknown`, by what had happened to their last attempt.
    pub given_up: Table,
    /// Messages that were begun at all.
    pub begun: ByProvider,
    /// Workers that took attempts with them, those attempts, and the most that one worker took.
    pub lost: Lost,
    pub accepted: ByProvider,
    pub acts: BTreeMap<&'static str, u64>,
}

impl Summary {
    pub fn of(facts: &Facts) -> Summary {
        let jobs: HashMap<&str, &JobFact> = facts.jobs.iter().map(|job| (job.key.as_str(), job)).collect();
        let mut summary = Summary { keys: keys(facts), ..Summary::default() };
        let accepted: HashSet<Uuid> = facts.acceptances.iter().filter_map(|one| one.message).collect();
        for one in &facts.acceptances {
            *summary.accepted.entry(one.provider).or_default() += 1;
        }
        for act in facts.acts.iter().filter(|act| act.from.is_some()) {
            *summary.acts.entry(act.wish.as_str()).or_default() += 1;
        }
        let by_worker = facts.lost_by_worker();
        summary.lost = Lost {
            workers: by_worker.len() as u64,
            attempts: by_worker.values().sum(),
            most: by_worker.values().copied().max().unwrap_or_default(),
        };
        let was_unknown = left_unknown(facts);
        // Whatever the ledger heard of it first.
        let mut looked_up: HashMap<Uuid, bool> = HashMap::new();
        for receipt in &facts.receipts {
            looked_up.entry(receipt.message).or_insert(receipt.looked_up);
        }
        for message in &facts.messages {
            let provider = jobs.get(message.key.as_str()).map_or("", |job| job.provider);
            let end = end(message);
            summary.ends.add(&end, provider);
            if let Some(last) = message.attempts.last() {
                *summary.begun.entry(provider).or_default() += 1;
                if end == GIVEN_UP {
                    summary.given_up.add(cause(last), provider);
                }
            }
            for attempt in message.attempts.iter().filter(|attempt| attempt.outcome == Some(UNKNOWN)) {
                summary.unknown_codes.add(attempt.code.as_deref().unwrap_or("without a code"), provider);
            }
            let Some(left) = was_unknown.get(&message.id) else { continue };
            let truth = if accepted.contains(&message.id) { "it was there" } else { "it was not there" };
            let row = match (*left, message.state, looked_up.get(&message.id)) {
                (state::CONCLUDED, state::CONCLUDED, _) => format!("window ended; {truth}"),
                (state::CONCLUDED, ..) => "window ended, proof came later".to_owned(),
                (state::WAITING, ..) => "sent once more".to_owned(),
                (.., Some(false)) => "by a receipt".to_owned(),
                (.., Some(true)) => "by a look-up".to_owned(),
                (.., None) => "by its own answer, late".to_owned(),
            };
            summary.unknown_ends.add(&row, provider);
        }
        summary
    }
}

/// The state into which each message left the unknown, the last time.
fn left_unknown(facts: &Facts) -> HashMap<Uuid, i16> {
    facts
        .moves
        .iter()
        .filter(|step| step.previous_state == UNKNOWN)
        .map(|step| (step.message, step.state))
        .collect()
}

fn keys(facts: &Facts) -> Keys {
    let requests: HashSet<&str> = facts.messages.iter().map(|message| message.key.as_str()).collect();
    let held: HashSet<&str> = facts.quarantined.iter().map(String::as_str).collect();
    let quarantined_copies = held.intersection(&requests).count() as u64;
    let mut rejected: HashSet<&str> = held.difference(&requests).copied().collect();
    rejected.extend(facts.rejected.iter().map(String::as_str));
    let count = |fate| facts.jobs.iter().filter(|job| job.fate == fate).count() as u64;
    let arrived = |job: &&JobFact| {
        job.fate == Fate::Unknown
            && (requests.contains(job.key.as_str()) || rejected.contains(job.key.as_str()))
    };
    Keys {
        published: facts.jobs.iter().filter(|job| job.fate != Fate::Never).count() as u64,
        confirmed: count(Fate::Confirmed),
        unconfirmed: count(Fate::Unknown),
        unconfirmed_arrived: facts.jobs.iter().filter(arrived).count() as u64,
        requests: requests.len() as u64,
        rejected: rejected.len() as u64,
        quarantined: held.len() as u64 - quarantined_copies,
        quarantined_copies,
        left_in_queues: facts.queued.len() as u64,
    }
}

fn cause(last: &AttemptFact) -> &'static str {
    match last.code.as_deref() {
        Some(LOST) => "its worker was killed, frozen or cut off",
        _ => "its provider gave no answer that says",
    }
}

fn end(message: &MessageFact) -> String {
    let word = match message.state {
        state::WAITING | state::SENDING | state::UNKNOWN => "queued",
        state::SENT => "sent",
        state::DELIVERED => "delivered",
        state::CONCLUDED | state::FAILED => "failed",
        state::SUPPRESSED => "suppressed",
        state::CANCELED => "canceled",
        _ => "in no state that is known",
    };
    match message.reason.as_deref().filter(|_| !matches!(message.state, state::SENT | state::DELIVERED)) {
        Some(reason) => format!("{word}: {reason}"),
        None => word.to_owned(),
    }
}
