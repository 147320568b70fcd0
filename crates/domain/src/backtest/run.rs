//! One simulation: pages of stored requests go in, in the order of their ids; the answer comes out.
//!
//! `past` checks each one, `future` decides it anew, `tally` counts.

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

/// How often contacts that no window reaches any more are forgotten, in requests.
const FORGET_EVERY: u64 = 20_000;

const ASSUMPTIONS: &[&str] = &[
    "blocks, team members and what people did to requests are as they were",
    "who asks by hand for somebody else has the role that the request states",
    "a request planned for another time is begun as long after its due time as it was",
    "a request sent by another medium fares as it did by its own",
    "a request that was kept back is begun when due, and goes out",
    "answers, complaints and service recoveries that newly sent requests would have caused are not imagined",
];

/// The time that a simulation is about.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    /// From here on requests are read, for who had been asked.
    pub read_from: DateTime<Utc>,
    /// From here on they count.
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// A simulation under way.
pub struct Backtest {
    span: Period,
    company: String,
    policy_version: i32,
    changes: Vec<String>,
    /// The longest period of any policy concerned.
    longest: Duration,
    order: AcceptanceOrder,
    past: Baseline,
    future: ChangedPolicy,
    tally: Aggregate,
    requests: u64,
    read_before: u64,
    reached: DateTime<Utc>,
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
            past: Baseline::new(keys.clone(), lowest_id_at(span.read_from)),
            future: ChangedPolicy::new(keys.clone(), company, span.until),
            tally: Aggregate::default(),
            requests: 0,
            read_before: 0,
            reached: span.read_from,
        }
    }

    /// The versions of the policy that these were decided by and that are not known yet.
    #[must_use]
    pub fn wants(&self, rows: &[RecordedRequest]) -> Vec<i32> {
        let mut versions: Vec<i32> = rows.iter().map(|row| row.policy_version).collect();
        versions.sort_unstable();
        versions.dedup();
        versions.retain(|version| !self.past.knows(*version));
        versions
    }

    /// A version of the policy; `None`: it is not there, or cannot be read.
    pub fn learn(&mut self, current: &Company, version: i32, policy: Option<Policy>) {
        self.past.learn(version, policy.map(|policy| numbered(current, version, policy)));
    }

    /// A page. What its versions say must have been learnt before.
    pub fn push(&mut self, rows: Vec<RecordedRequest>) {
        for row in rows {
            self.order.push(row);
        }
        while let Some(stored) = self.order.next() {
            self.replay(&stored);
        }
    }

    /// Requests so far, those before the period included, and the time up to which they were replayed.
    #[must_use]
    pub fn progress(&self) -> (u64, DateTime<Utc>) {
        (self.requests + self.read_before, self.reached)
    }

    fn replay(&mut self, stored: &RecordedRequest) {
        if stored.test || stored.accepted_at < self.span.read_from || stored.accepted_at >= self.span.until {
            return;
        }
        self.reached = stored.accepted_at;
        if stored.accepted_at < self.span.from {
            self.read_before += 1;
            self.future.take(stored, self.past.policy(stored.policy_version));
            self.past.take(stored);
        } else {
            self.requests += 1;
            self.judge(stored);
        }
        if (self.requests + self.read_before).is_multiple_of(FORGET_EVERY) {
            let since = stored.accepted_at - self.longest - Duration::days(1);
            self.past.world.contacts.forget_before(since);
            self.future.world.contacts.forget_before(since);
        }
    }

    fn judge(&mut self, stored: &RecordedRequest) {
        let checked = self.past.check(stored);
        let was = self.past.policy(stored.policy_version);
        let judged = match (checked, &stored.decision, was) {
            (Ok(found), Some(old), Some(was)) => self.future.decide(stored, old, was, found),
            (Err(why), ..) => Err(why),
            (Ok(_), ..) => Ok(()),
        };
        if let Err(why) = judged {
            self.tally.leave_out(why, stored.id);
            self.future.take(stored, was);
        }
        self.past.take(stored);
        for (entry, outcome) in self.future.settled() {
            self.tally.add(entry, outcome);
        }
    }

    /// The answer, after the last page.
    #[must_use]
    pub fn finish(mut self, rejected_jobs: u64) -> BacktestReport {
        while let Some(stored) = self.order.rest() {
            self.replay(&stored);
        }
        self.future.advance(self.span.until);
        for (entry, outcome) in self.future.settled() {
            self.tally.add(entry, outcome);
        }
        BacktestReport {
            company: self.company,
            policy_version: self.policy_version,
            changes: self.changes,
            from: self.span.from,
            until: self.span.until,
            requests: self.requests,
            read_before: self.read_before,
            before: self.tally.before,
            after: self.tally.after,
            changed: self.tally.changed,
            by_reason: self.tally.by_reason(),
            by_brand: self.tally.by_brand(),
            by_week: self.tally.by_week(),
            not_replayable: self.tally.not_replayable(),
            samples: self.tally.samples,
            rejected_jobs,
            assumptions: ASSUMPTIONS.to_vec(),
        }
    }
}

/// A version of a company with a number for each account, which the rules ask for: the ledger's own do
/// not matter here, and a new account has none.
pub(super) fn numbered(company: &Company, version: i32, policy: Policy) -> Company {
    let names = policy.accounts.iter().map(|account| account.id.clone());
    let account_ids = names.zip((1..).map(AccountId)).collect();
    Company { id: company.id, version, policy, account_ids }
}
