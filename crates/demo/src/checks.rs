//! The checks at the end: three independent records must agree.
//!
//! No I/O. The publisher's journal has the broker's confirms, Postgres the requests, the providers' journal the
//! accepted messages. Each check compares two numbers; a difference fails the demo. An acceptance may belong to a
//! failed request only if its answer was lost or the message bounced later.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::jobs::DemoJob;
use postrider_domain::lifecycle::{Reason, State, Status};
use postrider_ledger::counts::{Leftovers, RejectedEnd, RequestEnd};

const UNKNOWN_END: &str = "failed: outcome_unknown";
/// At most one job in so many may be answered too late.
const LATE_ONE_IN: usize = 50;

/// A published job and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobResult {
    pub job: DemoJob,
    /// `None` for a rejected job.
    pub request: Option<Uuid>,
    /// `status` or `status: reason`; `None`: unknown to Postgres.
    pub end: Option<String>,
    /// The message of a rejection.
    pub detail: String,
}

impl JobResult {
    /// Whether the end is one of the expected ones.
    pub fn is_expected(&self) -> bool {
        self.end.as_deref().is_some_and(|end| self.job.ends.contains(&end))
    }
}

/// The records of publisher, providers and Postgres.
#[derive(Debug, Clone)]
pub struct CollectedRecords {
    /// How often the broker confirmed each job, by company and key.
    pub confirmed: BTreeMap<(String, String), u64>,
    pub requests: Vec<RequestEnd>,
    pub rejected: Vec<RejectedEnd>,
    pub results: Vec<JobResult>,
    /// The message of each acceptance at a provider.
    pub accepted: Vec<Option<Uuid>>,
    /// Duplicates recognised by Postrider.
    pub duplicates: u64,
    pub left: Leftovers,
    pub left_in_queues: u64,
}

/// Two numbers that must be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub one: (&'static str, u64),
    pub other: (&'static str, u64),
}

impl Check {
    pub fn holds(&self) -> bool {
        self.one.1 == self.other.1
    }
}

/// All checks, in the order of a job's path.
pub fn checks(sums: &CollectedRecords) -> Vec<Check> {
    let check = |one: &'static str, left: u64, other: &'static str, right: u64| Check {
        one: (one, left),
        other: (other, right),
    };
    let published: u64 = sums.confirmed.values().sum();
    let distinct = sums.confirmed.len() as u64;
    let again: u64 =
        sums.rejected.iter().map(|row| u64::from(row.times.unsigned_abs()).saturating_sub(1)).sum();
    let requests = sums.requests.len() as u64;
    let rejected = sums.rejected.len() as u64;
    let expected =
        sums.results.iter().filter(|result| result.is_expected()).count() as u64 + late(&sums.results);
    let acceptances = Acceptances::of(sums);
    let accepted = sums.accepted.len() as u64;
    vec![
        check("jobs made", sums.results.len() as u64, "distinct keys confirmed by the broker", distinct),
        check(
            "distinct keys confirmed",
            distinct,
            "requests and rejected jobs in Postgres",
            requests + rejected,
        ),
        check(
            "copies published",
            published - distinct,
            "copies recognised by Postrider",
            sums.duplicates + again,
        ),
        check(
            "jobs made for a certain end",
            sums.results.len() as u64,
            "jobs that came to it, or were answered too late",
            expected,
        ),
        check(
            "requests sent or delivered",
            acceptances.shown,
            "of these accepted once by a provider",
            acceptances.shown_once,
        ),
        check(
            "acceptances at the providers",
            accepted,
            "acceptances explained by a request's end",
            acceptances.explained,
        ),
        check("messages that a provider accepted twice", acceptances.twice, "allowed", 0),
        check("requests still queued", sums.left.queued.unsigned_abs(), "allowed", 0),
        check("leases and due rows left", (sums.left.leases + sums.left.dues).unsigned_abs(), "allowed", 0),
        check("messages left in the broker's queues", sums.left_in_queues, "allowed", 0),
    ]
}

/// Jobs that ended as `outcome_unknown` because the machine was too busy to read the provider's answer in time. Few
/// of them are correct ends; many fail the check.
fn late(results: &[JobResult]) -> u64 {
    let unknown = |result: &&JobResult| !result.is_expected() && result.end.as_deref() == Some(UNKNOWN_END);
    let late = results.iter().filter(unknown).count();
    if late * LATE_ONE_IN <= results.len() { late as u64 } else { 0 }
}

/// The providers' journal compared with the requests.
struct Acceptances {
    shown: u64,
    shown_once: u64,
    explained: u64,
    twice: u64,
}

impl Acceptances {
    fn of(sums: &CollectedRecords) -> Acceptances {
        let mut times: BTreeMap<Uuid, u64> = BTreeMap::new();
        for message in sums.accepted.iter().flatten() {
            *times.entry(*message).or_default() += 1;
        }
        let shown: Vec<Uuid> = sums.requests.iter().filter(|row| is_shown(row)).map(|row| row.id).collect();
        let may_have: BTreeSet<Uuid> =
            sums.requests.iter().filter(|row| is_shown(row) || is_explained(row)).map(|row| row.id).collect();
        let explained = sums.accepted.iter().flatten().filter(|message| may_have.contains(message)).count();
        Acceptances {
            shown: shown.len() as u64,
            shown_once: shown.iter().filter(|id| times.get(id) == Some(&1)).count() as u64,
            explained: explained as u64,
            twice: times.values().filter(|times| **times > 1).count() as u64,
        }
    }
}

fn is_shown(row: &RequestEnd) -> bool {
    matches!(row.state.status(), Status::Sent | Status::Delivered)
}

/// Failed although a provider accepted it: it bounced later, or its answer and receipts were lost.
fn is_explained(row: &RequestEnd) -> bool {
    let reason = row.reason.as_deref().and_then(Reason::parse);
    match row.state {
        State::Failed => reason == Some(Reason::FailedAtProvider),
        State::PresumedFailed => reason == Some(Reason::OutcomeUnknown),
        State::Waiting
        | State::Sending
        | State::Unknown
        | State::Sent
        | State::Delivered
        | State::Suppressed
        | State::Canceled => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(key: &str, end: &'static str) -> DemoJob {
        DemoJob { company: "demo".to_owned(), key: key.to_owned(), body: Vec::new(), ends: vec![end] }
    }

    fn request(id: u128, state: State, reason: Option<&str>) -> RequestEnd {
        let (company, account) = ("demo".to_owned(), Some("demo-mail".to_owned()));
        let id = Uuid::from_u128(id);
        RequestEnd {
            id,
            idempotency_hash: id,
            company,
            account,
            state,
            reason: reason.map(str::to_owned),
            attempts: 1,
        }
    }

    /// Four jobs, two of them published twice: delivered, bounced, unknown and rejected.
    fn sums() -> CollectedRecords {
        let ends =
            ["delivered", "failed: failed_at_provider", "failed: outcome_unknown", "rejected: not_json"];
        let keys = ["a", "b", "c", "d"];
        let result = |(key, end): (&str, &'static str)| JobResult {
            job: job(key, end),
            request: None,
            end: Some(end.to_owned()),
            detail: String::new(),
        };
        CollectedRecords {
            confirmed: keys
                .iter()
                .zip([2, 1, 1, 2])
                .map(|(key, n)| (("demo".to_owned(), (*key).to_owned()), n))
                .collect(),
            requests: vec![
                request(1, State::Delivered, None),
                request(2, State::Failed, Some("failed_at_provider")),
                request(3, State::PresumedFailed, Some("outcome_unknown")),
            ],
            rejected: vec![RejectedEnd {
                company: None,
                key: Some("d".to_owned()),
                times: 2,
                problems: Vec::new(),
            }],
            results: keys.into_iter().zip(ends).map(result).collect(),
            accepted: [1, 2, 3].map(|id| Some(Uuid::from_u128(id))).to_vec(),
            duplicates: 1,
            left: Leftovers { leases: 0, dues: 0, queued: 0 },
            left_in_queues: 0,
        }
    }

    /// The words of the checks that fail after a change.
    fn failing(change: impl FnOnce(&mut CollectedRecords)) -> Vec<&'static str> {
        let mut sums = sums();
        change(&mut sums);
        checks(&sums).iter().filter(|check| !check.holds()).map(|check| check.one.0).collect()
    }

    #[test]
    fn what_adds_up_passes() {
        assert!(failing(|_| {}).is_empty());
    }

    #[test]
    fn a_job_that_was_lost_fails_the_sum_of_requests() {
        assert_eq!(failing(|sums| drop(sums.rejected.pop()))[0], "distinct keys confirmed");
        assert!(failing(|sums| sums.results[0].end = None).contains(&"jobs made for a certain end"));
        let unconfirmed = failing(|sums| drop(sums.confirmed.pop_first()));
        assert!(unconfirmed.contains(&"jobs made"), "{unconfirmed:?}");
    }

    #[test]
    fn a_copy_that_became_a_request_fails() {
        let failed = failing(|sums| {
            sums.duplicates = 0;
            sums.requests.push(request(9, State::Suppressed, Some("do_not_send")));
        });
        assert_eq!(failed, ["distinct keys confirmed", "copies published"]);
    }

    #[test]
    fn another_end_than_foretold_fails() {
        let failed = failing(|sums| sums.results[1].end = Some("failed: refused_by_provider".to_owned()));
        assert_eq!(failed, ["jobs made for a certain end"]);
    }

    #[test]
    fn one_answer_in_fifty_may_come_too_late() {
        let end_unknown = |sums: &mut CollectedRecords, late: usize| {
            let mut results = vec![sums.results[0].clone(); 100];
            results.iter_mut().take(late).for_each(|result| result.end = Some(UNKNOWN_END.to_owned()));
            sums.results = results;
        };
        let word = "jobs made for a certain end";
        assert!(!failing(|sums| end_unknown(sums, 2)).contains(&word));
        assert!(failing(|sums| end_unknown(sums, 3)).contains(&word));
    }

    #[test]
    fn a_message_sent_twice_fails_both_ways() {
        let failed = failing(|sums| sums.accepted.push(Some(Uuid::from_u128(1))));
        assert_eq!(failed, ["requests sent or delivered", "messages that a provider accepted twice"]);
        // Also where the request does not show as sent.
        let failed = failing(|sums| sums.accepted.push(Some(Uuid::from_u128(3))));
        assert_eq!(failed, ["messages that a provider accepted twice"]);
    }

    #[test]
    fn a_delivery_that_no_provider_knows_fails() {
        assert_eq!(
            failing(|sums| sums.accepted.retain(|id| *id != Some(Uuid::from_u128(1)))),
            ["requests sent or delivered"]
        );
    }

    #[test]
    fn an_acceptance_that_no_end_explains_fails() {
        let word = "acceptances at the providers";
        assert_eq!(failing(|sums| sums.accepted.push(Some(Uuid::from_u128(99)))), [word]);
        assert_eq!(failing(|sums| sums.accepted.push(None)), [word]);
        assert_eq!(failing(|sums| sums.requests[1].reason = Some("retries_exhausted".to_owned())), [word]);
        assert_eq!(failing(|sums| sums.requests[2].state = State::Suppressed), [word]);
    }

    #[test]
    fn whatever_is_left_over_fails() {
        assert_eq!(failing(|sums| sums.left.queued = 1), ["requests still queued"]);
        assert_eq!(failing(|sums| sums.left.leases = 1), ["leases and due rows left"]);
        assert_eq!(failing(|sums| sums.left.dues = 1), ["leases and due rows left"]);
        assert_eq!(failing(|sums| sums.left_in_queues = 1), ["messages left in the broker's queues"]);
    }
}
