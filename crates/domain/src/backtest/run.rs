//! One backtest: pages of recorded requests in, in the order of their ids; the report out.
//!
//! `baseline` checks each request, `changed_policy` decides it again, `aggregate` counts.

use chrono::{DateTime, Duration, Utc};

use crate::{
    company::{Company, Policy, change::changes},
    hash_keys::IdentityKey,
    ids::{AccountId, lowest_id_at},
};

use super::{
    BacktestReport, RecordedRequest, acceptance_order::AcceptanceOrder, aggregate::Aggregate,
    baseline::Baseline, changed_policy::ChangedPolicy,
};

/// After so many requests, reservations older than every suppression period are dropped.
const FORGET_EVERY: u64 = 20_000;

const ASSUMPTIONS: &[&str] = &[
    "blocks, team members and manual actions are as recorded",
    "a manual request on behalf of another employee has the role that the request states",
    "a request with another due time is begun as long after it as in the record",
    "a request sent by another medium has the outcome of its recorded medium",
    "a request that was suppressed and now passes is begun when due, and is sent",
    "newly sent requests cause no answers, complaints or service recoveries",
];

/// The period of a backtest.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    /// From here on requests are read, for the reservations at `from`.
    pub read_from: DateTime<Utc>,
    /// From here on requests count.
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// A backtest in progress.
pub struct Backtest {
    span: Period,
    company: String,
    policy_version: i32,
    changes: Vec<String>,
    /// The longest period of any policy concerned.
    longest: Duration,
    order: AcceptanceOrder,
    baseline: Baseline,
    changed_policy: ChangedPolicy,
    aggregate: Aggregate,
    requests: u64,
    read_before: u64,
    replayed_until: DateTime<Utc>,
}

impl Backtest {
    /// `current` is the company in force, `longest_days` the longest period of any of its versions.
    #[must_use]
    pub fn new(
        keys: &IdentityKey,
        current: &Company,
        changed: Policy,
        longest_days: u32,
        span: Period,
    ) -> Backtest {
        let changes = changes(Some(&current.policy), &changed);
        let longest = Duration::days(i64::from(longest_days.max(changed.suppression_days)));
        let company = numbered(current, current.version, changed);
        Backtest {
            span,
            company: current.policy.slug.clone(),
            policy_version: current.version,
            changes,
            longest,
            order: AcceptanceOrder::default(),
            baseline: Baseline::new(keys.clone(), lowest_id_at(span.read_from)),
            changed_policy: ChangedPolicy::new(keys.clone(), company, span.until),
            aggregate: Aggregate::default(),
            requests: 0,
            read_before: 0,
            replayed_until: span.read_from,
        }
    }

    /// The policy versions of these requests that `add_policy` has not been given yet.
    #[must_use]
    pub fn missing_versions(&self, rows: &[RecordedRequest]) -> Vec<i32> {
        let mut versions: Vec<i32> = rows.iter().map(|row| row.policy_version).collect();
        versions.sort_unstable();
        versions.dedup();
        versions.retain(|version| !self.baseline.knows(*version));
        versions
    }

    /// Adds a version of the policy; `None`: absent or unreadable.
    pub fn add_policy(&mut self, current: &Company, version: i32, policy: Option<Policy>) {
        self.baseline.add_policy(version, policy.map(|policy| numbered(current, version, policy)));
    }

    /// Replays a page; its `missing_versions` must be added before.
    pub fn push(&mut self, rows: Vec<RecordedRequest>) {
        for row in rows {
            self.order.push(row);
        }
        while let Some(stored) = self.order.next() {
            self.replay(&stored);
        }
    }

    /// The number of requests replayed so far, those before the period included, and the last time of acceptance.
    #[must_use]
    pub fn progress(&self) -> (u64, DateTime<Utc>) {
        (self.requests + self.read_before, self.replayed_until)
    }

    fn replay(&mut self, stored: &RecordedRequest) {
        if stored.test || stored.accepted_at < self.span.read_from || stored.accepted_at >= self.span.until {
            return;
        }
        self.replayed_until = stored.accepted_at;
        if stored.accepted_at < self.span.from {
            self.read_before += 1;
            self.changed_policy.take(stored, self.baseline.policy(stored.policy_version));
            self.baseline.take(stored);
        } else {
            self.requests += 1;
            self.compare(stored);
        }
        if (self.requests + self.read_before).is_multiple_of(FORGET_EVERY) {
            let since = stored.accepted_at - self.longest - Duration::days(1);
            self.baseline.state.reservations.forget_before(since);
            self.changed_policy.state.reservations.forget_before(since);
        }
    }

    fn compare(&mut self, stored: &RecordedRequest) {
        let checked = self.baseline.check(stored);
        let recorded_policy = self.baseline.policy(stored.policy_version);
        let compared = match (checked, &stored.decision, recorded_policy) {
            (Ok(found), Some(old), Some(policy)) => self.changed_policy.decide(stored, old, policy, found),
            (Err(reason), ..) => Err(reason),
            (Ok(_), ..) => Ok(()),
        };
        if let Err(reason) = compared {
            self.aggregate.exclude(reason, stored.id);
            self.changed_policy.take(stored, recorded_policy);
        }
        self.baseline.take(stored);
        for (entry, outcome) in self.changed_policy.settled() {
            self.aggregate.add(entry, outcome);
        }
    }

    /// The report, after the last page. `rejected_jobs` is only passed on.
    #[must_use]
    pub fn finish(mut self, rejected_jobs: u64) -> BacktestReport {
        while let Some(stored) = self.order.next_of_rest() {
            self.replay(&stored);
        }
        self.changed_policy.advance(self.span.until);
        for (entry, outcome) in self.changed_policy.settled() {
            self.aggregate.add(entry, outcome);
        }
        BacktestReport {
            company: self.company,
            policy_version: self.policy_version,
            changes: self.changes,
            from: self.span.from,
            until: self.span.until,
            requests: self.requests,
            read_before: self.read_before,
            before: self.aggregate.before,
            after: self.aggregate.after,
            changed: self.aggregate.changed,
            by_reason: self.aggregate.by_reason(),
            by_brand: self.aggregate.by_brand(),
            by_week: self.aggregate.by_week(),
            not_replayable: self.aggregate.not_replayable(),
            samples: self.aggregate.samples,
            rejected_jobs,
            assumptions: ASSUMPTIONS.to_vec(),
        }
    }
}

/// A company version with a number for each account. The rules need one; the ledger's numbers do not matter here,
/// and a new account has none.
pub(super) fn numbered(company: &Company, version: i32, policy: Policy) -> Company {
    let names = policy.accounts.iter().map(|account| account.id.clone());
    let account_ids = names.zip((1..).map(AccountId)).collect();
    Company { id: company.id, version, policy, account_ids }
}
