//! The sums at the end: three ledgers that were kept apart must tell the same story.
//!
//! No I/O: The publisher's says what the broker confirmed, Postgres what became of it, the providers' what
//! they took. Each check sets two numbers beside each other; one that differs fails the demo. Only an
//! acceptance whose answer was lost, or that bounced later, may belong to a request that failed.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::jobs::Wish;
use postrider_domain::lifecycle::{Reason, State, Status};
use postrider_ledger::counts::{Leftovers, RejectedEnd, RequestEnd};

const UNKNOWN_END: &str = "failed: outcome_unknown";
/// One job in so many may be answered too late.
const LATE_ONE_IN: usize = 50;

/// What a job was published as, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    pub wish: Wish,
    /// `None` for a rejected job.
    pub request: Option<Uuid>,
    /// `status` or `status: reason`; `None` where nobody knows of it.
    pub end: Option<String>,
    /// A problem's words, for people.
    pub detail: String,
}

impl Fate {
    /// Whether it came to one of the ends that it was made for.
    pub fn is_foretold(&self) -> bool {
        self.end.as_deref().is_some_and(|end| self.wish.ends.contains(&end))
    }
}

/// Everything that the sums are made of.
#[derive(Debug, Clone)]
pub struct Sums {
    /// How often the broker confirmed each job, by company and key.
    pub confirmed: BTreeMap<(String, String), u64>,
    pub requests: Vec<RequestEnd>,
    pub rejected: Vec<RejectedEnd>,
    pub fates: Vec<Fate>,
    /// For each acceptance at a provider the message that it was for.
    pub accepted: Vec<Option<Uuid>>,
    /// Twins of requests that Postrider says it recognised.
    pub twins: u64,
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

/// All checks, in the order of a job's way.
pub fn checks(sums: &Sums) -> Vec<Check> {
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
    let foretold = sums.fates.iter().filter(|fate| fate.is_foretold()).count() as u64 + late(&sums.fates);
    let taken = Taken::of(sums);
    let accepted = sums.accepted.len() as u64;
    vec![
        check("jobs made", sums.fates.len() as u64, "distinct keys confirmed by the broker", distinct),
        check(
            "distinct keys confirmed",
            distinct,
            "requests and rejected jobs in Postgres",
            requests + rejected,
        ),
        check("copies published", published - distinct, "copies recognised by Postrider", sums.twins + again),
        check(
            "jobs made for a certain end",
            sums.fates.len() as u64,
            "jobs that came to it, or were answered too late",
            foretold,
        ),
        check(
            "requests sent or delivered",
            taken.shown,
            "of these accepted once by a provider",
            taken.shown_once,
        ),
        check(
            "acceptances at the providers",
            accepted,
            "acceptances explained by a request's end",
            taken.explained,
        ),
        check("messages that a provider accepted twice", taken.twice, "allowed", 0),
        check("requests still queued", sums.left.queued.unsigned_abs(), "allowed", 0),
        check("leases and due rows left", (sums.left.leases + sums.left.dues).unsigned_abs(), "allowed", 0),
        check("messages left in the broker's queues", sums.left_in_queues, "allowed", 0),
    ]
}

/// Jobs that ended as `outcome_unknown` on a machine too busy to hear the provider in time: that is the
/// truth about them, while they are few. Were they many, the sum must not hold.
fn late(fates: &[Fate]) -> u64 {
    let unknown = |fate: &&Fate| !fate.is_foretold() && fate.end.as_deref() == Some(UNKNOWN_END);
    let late = fates.iter().filter(unknown).count();
    if late * LATE_ONE_IN <= fates.len() { late as u64 } else { 0 }
}

/// The providers' ledger held against the requests.
struct Taken {
    shown: u64,
    shown_once: u64,
    explained: u64,
    twice: u64,
}

impl Taken {
    fn of(sums: &Sums) -> Taken {
        let mut times: BTreeMap<Uuid, u64> = BTreeMap::new();
        for message in sums.accepted.iter().flatten() {
            *times.entry(*message).or_default() += 1;
        }
        let shown: Vec<Uuid> = sums.requests.iter().filter(|row| is_shown(row)).map(|row| row.id).collect();
        let may_have: BTreeSet<Uuid> =
            sums.requests.iter().filter(|row| is_shown(row) || is_explained(row)).map(|row| row.id).collect();
        let explained = sums.accepted.iter().flatten().filter(|message| may_have.contains(message)).count();
        Taken {
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

/// Failed although a provider took it: it bounced later, or its answer and its receipts were lost.
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

    fn wish(key: &str, end: &'static str) -> Wish {
        Wish { company: "demo".to_owned(), key: key.to_owned(), body: Vec::new(), ends: vec![end] }
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
    fn sums() -> Sums {
        let ends =
            ["delivered", "failed: failed_at_provider", "failed: outcome_unknown", "rejected: not_json"];
        let keys = ["a", "b", "c", "d"];
        let fate = |(key, end): (&str, &'static str)| Fate {
            wish: wish(key, end),
            request: None,
            end: Some(end.to_owned()),
            detail: String::new(),
        };
        Sums {
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
            fates: keys.into_iter().zip(ends).map(fate).collect(),
            accepted: [1, 2, 3].map(|id| Some(Uuid::from_u128(id))).to_vec(),
            twins: 1,
            left: Leftovers { leases: 0, dues: 0, queued: 0 },
            left_in_queues: 0,
        }
    }

    /// The words of the checks that fail after a change.
    fn failing(change: impl FnOnce(&mut Sums)) -> Vec<&'static str> {
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
        assert!(failing(|sums| sums.fates[0].end = None).contains(&"jobs made for a certain end"));
        let unconfirmed = failing(|sums| drop(sums.confirmed.pop_first()));
        assert!(unconfirmed.contains(&"jobs made"), "{unconfirmed:?}");
    }

    #[test]
    fn a_copy_that_became_a_request_fails() {
        let failed = failing(|sums| {
            sums.twins = 0;
            sums.requests.push(request(9, State::Suppressed, Some("do_not_send")));
        });
        assert_eq!(failed, ["distinct keys confirmed", "copies published"]);
    }

    #[test]
    fn another_end_than_foretold_fails() {
        let failed = failing(|sums| sums.fates[1].end = Some("failed: refused_by_provider".to_owned()));
        assert_eq!(failed, ["jobs made for a certain end"]);
    }

    #[test]
    fn one_answer_in_fifty_may_come_too_late() {
        let end_unknown = |sums: &mut Sums, late: usize| {
            let mut fates = vec![sums.fates[0].clone(); 100];
            fates.iter_mut().take(late).for_each(|fate| fate.end = Some(UNKNOWN_END.to_owned()));
            sums.fates = fates;
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
