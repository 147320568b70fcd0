//! The future: asks the changed policy, with the reservations that it would have made.
//!
//! What comes to rest is handed to `tally`.

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
    report::{ExclusionReason, Outcome},
    timeline,
};

pub struct ChangedPolicy {
    keys: IdentityKey,
    company: Company,
    until: DateTime<Utc>,
    pub world: ReplayState,
    /// Sent in truth, and not here: what they would have been the root of, nobody would have asked for.
    unsent: HashSet<Uuid>,
    done: Vec<(JudgedRequest, Outcome)>,
}

impl ChangedPolicy {
    #[must_use]
    pub fn new(keys: IdentityKey, company: Company, until: DateTime<Utc>) -> ChangedPolicy {
        ChangedPolicy {
            keys,
            company,
            until,
            world: ReplayState::default(),
            unsent: HashSet::new(),
            done: Vec::new(),
        }
    }

    /// Takes what was written down as it is; `was` is the policy of its time.
    pub fn take(&mut self, stored: &RecordedRequest, was: Option<&Company>) {
        self.advance(stored.accepted_at);
        take_as_recorded(&mut self.world, &self.keys, (&self.company, was), stored);
    }

    /// Decides a request anew; `was` is the policy of its time, `found` what it found then.
    pub fn decide(
        &mut self,
        stored: &RecordedRequest,
        old: &Decision,
        was: &Company,
        found: BaselineMatch,
    ) -> Result<(), ExclusionReason> {
        let job = stored.job(old);
        let usual = unnamed_brand(was);
        if usual == Some(stored.brand.as_str()) && usual != unnamed_brand(&self.company) {
            return Err(ExclusionReason::BrandUnnamed);
        }
        if stored.original_request.is_some_and(|root| self.unsent.contains(&root)) {
            self.settle(entry(stored, String::new()), Outcome::rejected("not_sent".to_owned()));
            return Ok(());
        }
        let placed = match stored.place(&job, &self.company) {
            Ok(placed) => placed,
            Err(code) => {
                self.settle(entry(stored, String::new()), Outcome::rejected(code));
                return Ok(());
            }
        };
        let slots = suppression::reservation_keys(&self.keys, &self.company, Some(&stored.customer), &placed);
        self.advance(old.decided_at);
        if let Some(holder) = found.earlier {
            self.world.contacts.learn(&slots, holder);
        }
        let holders = self.world.holders(&slots, stored, old.decided_at, found.in_an_instant);
        match self.ask(stored, old, &placed, holders) {
            Err(code) => self.settle(entry(stored, String::new()), Outcome::rejected(code)),
            Ok(new) => self.apply(stored, old, &new, slots)?,
        }
        Ok(())
    }

    fn ask(
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
        slots: Vec<Uuid>,
    ) -> Result<(), ExclusionReason> {
        self.advance(stored.accepted_at);
        let taken = self.world.contacts.is_taken(&slots, window(&self.company, stored), stored.accepted_at);
        let verdict = match new.verdict {
            Verdict::Send if taken => Verdict::Suppress(Reason::SuppressionPeriod),
            verdict => verdict,
        };
        if let Verdict::Suppress(reason) = verdict {
            let stops = new.trail.iter().find(|finding| finding.stops.is_some());
            let because = stops.map(|finding| finding.note.clone()).unwrap_or_default();
            self.settle(entry(stored, because), Outcome::not_sent(reason.as_str()));
            return Ok(());
        }
        let life = timeline::planned(stored, old, new, self.until)?;
        self.world.contacts.reserve(&slots, stored.id, new.due_at.max(stored.accepted_at));
        let judged = Some((entry(stored, String::new()), life.settled));
        if let Some((entry, outcome)) = self.world.follow(stored.id, slots, life.events, judged) {
            self.settle(entry, outcome);
        }
        Ok(())
    }

    /// Lets everything happen up to this moment.
    pub fn advance(&mut self, to: DateTime<Utc>) {
        for (entry, outcome) in self.world.advance(to) {
            self.settle(entry, outcome);
        }
    }

    fn settle(&mut self, entry: JudgedRequest, outcome: Outcome) {
        if entry.before.goes_out() && !outcome.goes_out() {
            self.unsent.insert(entry.id);
        }
        self.done.push((entry, outcome));
    }

    /// What came to rest since the last call.
    pub fn settled(&mut self) -> Vec<(JudgedRequest, Outcome)> {
        std::mem::take(&mut self.done)
    }
}

/// Whose a job is that names no brand, as `rules::place` has it.
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
