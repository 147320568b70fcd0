//! The changed policy: decides each request again, with the reservations that this policy would have made.
//!
//! Settled requests go to `aggregate`.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    company::Company,
    hash_keys::IdentityKey,
    lifecycle::Reason,
    rules::{self, Case, Decision, Placed, ReservationHolder, Verdict, suppression},
};

use super::{
    RecordedRequest,
    baseline::{BaselineMatch, take_as_recorded, window},
    history::first_code,
    replay_state::{JudgedRequest, ReplayState},
    report::{BacktestOutcome, ExclusionReason},
    timeline,
};

/// The replay under the changed policy.
pub struct ChangedPolicy {
    keys: IdentityKey,
    company: Company,
    until: DateTime<Utc>,
    pub state: ReplayState,
    /// Requests that were sent and are not sent here: their service recoveries would not exist.
    unsent: HashSet<Uuid>,
    done: Vec<(JudgedRequest, BacktestOutcome)>,
}

impl ChangedPolicy {
    #[must_use]
    pub fn new(keys: IdentityKey, company: Company, until: DateTime<Utc>) -> ChangedPolicy {
        ChangedPolicy {
            keys,
            company,
            until,
            state: ReplayState::default(),
            unsent: HashSet::new(),
            done: Vec::new(),
        }
    }

    /// Follows the record of a request.
    pub fn take(&mut self, stored: &RecordedRequest, recorded_policy: Option<&Company>) {
        self.advance(stored.accepted_at);
        take_as_recorded(&mut self.state, &self.keys, (&self.company, recorded_policy), stored);
    }

    /// Decides a request again; `found` comes from `Baseline::check`.
    pub fn decide(
        &mut self,
        stored: &RecordedRequest,
        old: &Decision,
        recorded_policy: &Company,
        found: BaselineMatch,
    ) -> Result<(), ExclusionReason> {
        let job = stored.job(old);
        let recorded_brand = unnamed_brand(recorded_policy);
        if recorded_brand == Some(stored.brand.as_str()) && recorded_brand != unnamed_brand(&self.company) {
            return Err(ExclusionReason::BrandUnnamed);
        }
        if stored.original_request.is_some_and(|original| self.unsent.contains(&original)) {
            self.settle(entry(stored, String::new()), BacktestOutcome::rejected("not_sent".to_owned()));
            return Ok(());
        }
        let placed = match stored.place(&job, &self.company) {
            Ok(placed) => placed,
            Err(code) => {
                self.settle(entry(stored, String::new()), BacktestOutcome::rejected(code));
                return Ok(());
            }
        };
        let reservation_keys =
            suppression::reservation_keys(&self.keys, &self.company, Some(&stored.customer), &placed);
        self.advance(old.decided_at);
        if let Some(holder) = found.earlier {
            self.state.reservations.learn_earlier(&reservation_keys, holder);
        }
        let holders =
            self.state.holders(&reservation_keys, stored, old.decided_at, found.saw_concurrent_change);
        match self.decide_again(stored, old, &placed, holders) {
            Err(code) => self.settle(entry(stored, String::new()), BacktestOutcome::rejected(code)),
            Ok(new) => self.apply(stored, old, &new, reservation_keys)?,
        }
        Ok(())
    }

    fn decide_again(
        &self,
        stored: &RecordedRequest,
        old: &Decision,
        placed: &Placed,
        holders: Vec<ReservationHolder>,
    ) -> Result<Decision, String> {
        let job = stored.job(old);
        let facts = stored.facts(old, holders);
        let case = Case { job: &job, company: &self.company, placed, facts: &facts };
        rules::decide(&case).map_err(|problems| first_code(&problems))
    }

    fn apply(
        &mut self,
        stored: &RecordedRequest,
        old: &Decision,
        new: &Decision,
        reservation_keys: Vec<Uuid>,
    ) -> Result<(), ExclusionReason> {
        self.advance(stored.accepted_at);
        let taken = self.state.reservations.is_taken(
            &reservation_keys,
            window(&self.company, stored),
            stored.accepted_at,
        );
        let verdict = match new.verdict {
            Verdict::Send if taken => Verdict::Suppress(Reason::SuppressionPeriod),
            verdict => verdict,
        };
        if let Verdict::Suppress(reason) = verdict {
            let stops = new.trail.iter().find(|finding| finding.stops.is_some());
            let because = stops.map(|finding| finding.note.clone()).unwrap_or_default();
            self.settle(entry(stored, because), BacktestOutcome::not_sent(reason.as_str()));
            return Ok(());
        }
        let timeline = timeline::planned(stored, old, new, self.until)?;
        self.state.reservations.reserve(&reservation_keys, stored.id, new.due_at.max(stored.accepted_at));
        let tracked = Some((entry(stored, String::new()), timeline.outcome));
        if let Some((entry, outcome)) =
            self.state.follow(stored.id, reservation_keys, timeline.events, tracked)
        {
            self.settle(entry, outcome);
        }
        Ok(())
    }

    /// Applies every event up to this time.
    pub fn advance(&mut self, to: DateTime<Utc>) {
        for (entry, outcome) in self.state.advance(to) {
            self.settle(entry, outcome);
        }
    }

    fn settle(&mut self, entry: JudgedRequest, outcome: BacktestOutcome) {
        if entry.before.goes_out() && !outcome.goes_out() {
            self.unsent.insert(entry.id);
        }
        self.done.push((entry, outcome));
    }

    /// The requests settled since the last call.
    pub fn settled(&mut self) -> Vec<(JudgedRequest, BacktestOutcome)> {
        std::mem::take(&mut self.done)
    }
}

/// The brand of a job that names none, as in `rules::place`.
fn unnamed_brand(company: &Company) -> Option<&str> {
    match (&company.policy.default_brand, company.policy.brands.as_slice()) {
        (Some(label), _) => Some(label),
        (None, [only]) => Some(&only.label),
        (None, _) => None,
    }
}

fn entry(stored: &RecordedRequest, because: String) -> JudgedRequest {
    JudgedRequest {
        id: stored.id,
        accepted_at: stored.accepted_at,
        brand: stored.brand.clone(),
        before: stored.outcome(),
        because,
    }
}
