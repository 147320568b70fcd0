//! The past: asks the policy of each request's time, and compares with what was written down.
//!
//! It takes every request as recorded, whatever it found.

use std::collections::HashMap;

use chrono::Duration;
use uuid::Uuid;

use crate::{
    company::Company,
    hash_keys::IdentityKey,
    lifecycle::Reason,
    rules::{self, Case, ReservationHolder, Verdict, suppression},
};

use super::{RecordedRequest, replay_state::ReplayState, report::ExclusionReason, timeline};

/// What a request found that its own policy gives again.
#[derive(Debug, Clone, Copy)]
pub struct BaselineMatch {
    /// Who held its person back, where that one was accepted before all that was read.
    pub earlier: Option<ReservationHolder>,
    /// It looked while somebody gave back: only its own record says what it saw of that.
    pub in_an_instant: bool,
}

pub struct Baseline {
    keys: IdentityKey,
    /// By version; `None`: it cannot be read.
    policies: HashMap<i32, Option<Company>>,
    /// Below all ids that are read.
    first: Uuid,
    pub world: ReplayState,
}

impl Baseline {
    #[must_use]
    pub fn new(keys: IdentityKey, first: Uuid) -> Baseline {
        Baseline { keys, policies: HashMap::new(), first, world: ReplayState::default() }
    }

    #[must_use]
    pub fn knows(&self, version: i32) -> bool {
        self.policies.contains_key(&version)
    }

    pub fn learn(&mut self, version: i32, company: Option<Company>) {
        self.policies.insert(version, company);
    }

    #[must_use]
    pub fn policy(&self, version: i32) -> Option<&Company> {
        self.policies.get(&version)?.as_ref()
    }

    /// Whether its own policy gives the recorded outcome again.
    pub fn check(&mut self, stored: &RecordedRequest) -> Result<BaselineMatch, ExclusionReason> {
        let recorded = stored.decision.as_ref().ok_or(ExclusionReason::DecisionUnreadable)?;
        if stored.manual_retry.is_some() {
            return Err(ExclusionReason::SentAgain);
        }
        let company = self.policies.get(&stored.policy_version).and_then(Option::as_ref);
        let company = company.ok_or(ExclusionReason::PolicyMissing)?;
        let job = stored.job(recorded);
        let placed = stored.place(&job, company).map_err(|_| ExclusionReason::HistoryDiffers)?;
        let slots = suppression::reservation_keys(&self.keys, company, Some(&stored.customer), &placed);
        self.world.advance(recorded.decided_at);
        let earlier = stored.held_by(recorded, company.policy.suppression_days);
        let earlier = earlier.filter(|holder| holder.request < self.first);
        if let Some(holder) = earlier {
            self.world.contacts.learn(&slots, holder);
        }
        let window = window(company, stored);
        let asked = |holder: &ReservationHolder| {
            window.is_some_and(|days| holder.asked_at + days > recorded.decided_at)
        };
        let in_an_instant = self.world.contacts.holders(&slots).iter().any(asked) != stored.was_held();
        let holders = self.world.holders(&slots, stored, recorded.decided_at, in_an_instant);
        let facts = stored.facts(recorded, holders);
        let case = Case { job: &job, company, placed: &placed, facts: &facts };
        let again = rules::decide(&case).map_err(|_| ExclusionReason::HistoryDiffers)?;
        self.world.advance(stored.accepted_at);
        let taken = self.world.contacts.is_taken(&slots, window, stored.accepted_at);
        let held = Verdict::Suppress(Reason::SuppressionPeriod);
        let lost = |verdict, lost| if verdict == Verdict::Send && lost { held } else { verdict };
        let (now, then) = (lost(again.verdict, taken), lost(recorded.verdict, stored.lost_its_race()));
        if now != then {
            return Err(if then == held {
                ExclusionReason::HeldByEarlier
            } else {
                ExclusionReason::HistoryDiffers
            });
        }
        let medium = again.candidate.as_ref().map(|candidate| candidate.medium);
        let same = medium == stored.medium
            && again.due_at == recorded.due_at
            && again.expires_at == recorded.expires_at;
        if same { Ok(BaselineMatch { earlier, in_an_instant }) } else { Err(ExclusionReason::HistoryDiffers) }
    }

    /// Takes what was written down as it is.
    pub fn take(&mut self, stored: &RecordedRequest) {
        if let Some(company) = self.policies.get(&stored.policy_version).and_then(Option::as_ref) {
            take_as_recorded(&mut self.world, &self.keys, (company, None), stored);
        }
    }
}

/// The suppression period of a request's policy; a recovery and an override have none, and take over.
#[must_use]
pub fn window(company: &Company, stored: &RecordedRequest) -> Option<Duration> {
    let overrides = stored.manual.as_ref().is_some_and(|manual| manual.override_reason.is_some());
    (stored.original_request.is_none() && !overrides)
        .then(|| Duration::days(i64::from(company.policy.suppression_days)))
}

/// A request that was accepted to be sent reserves its person, and happens as it did. Its place may be only
/// in the policy of its time, the second.
pub fn take_as_recorded(
    world: &mut ReplayState,
    keys: &IdentityKey,
    (company, was): (&Company, Option<&Company>),
    stored: &RecordedRequest,
) {
    let Some(decision) = stored.decision.as_ref().filter(|_| stored.was_planned()) else { return };
    let job = stored.job(decision);
    let placed = stored.place(&job, company).ok().or_else(|| stored.place(&job, was?).ok());
    let Some(placed) = placed else { return };
    let slots: Vec<Uuid> = suppression::reservation_keys(keys, company, Some(&stored.customer), &placed);
    world.advance(stored.accepted_at);
    world.contacts.reserve(&slots, stored.id, decision.due_at.max(stored.accepted_at));
    world.follow(stored.id, slots, timeline::recorded(stored), None);
}
