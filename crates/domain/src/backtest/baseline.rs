//! The baseline: decides each request again under its recorded policy and compares with the recorded outcome.
//!
//! Whatever the result, the replay state follows the record.

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

/// Facts of a request with a reproduced outcome.
#[derive(Debug, Clone, Copy)]
pub struct BaselineMatch {
    /// The holder that suppressed it, if it was accepted before the read history.
    pub earlier: Option<ReservationHolder>,
    /// The request decided during another change of its reservations: only its record says which state it saw.
    pub saw_concurrent_change: bool,
}

/// The replay under the recorded policies.
pub struct Baseline {
    keys: IdentityKey,
    /// By version; `None`: unreadable.
    policies: HashMap<i32, Option<Company>>,
    /// A lower bound of all ids that are read.
    first: Uuid,
    pub state: ReplayState,
}

impl Baseline {
    #[must_use]
    pub fn new(keys: IdentityKey, first: Uuid) -> Baseline {
        Baseline { keys, policies: HashMap::new(), first, state: ReplayState::default() }
    }

    #[must_use]
    pub fn knows(&self, version: i32) -> bool {
        self.policies.contains_key(&version)
    }

    pub fn add_policy(&mut self, version: i32, company: Option<Company>) {
        self.policies.insert(version, company);
    }

    #[must_use]
    pub fn policy(&self, version: i32) -> Option<&Company> {
        self.policies.get(&version)?.as_ref()
    }

    /// Whether the recorded policy reproduces the recorded outcome; the error says why not.
    pub fn check(&mut self, stored: &RecordedRequest) -> Result<BaselineMatch, ExclusionReason> {
        let recorded = stored.decision.as_ref().ok_or(ExclusionReason::DecisionUnreadable)?;
        if stored.manual_retry.is_some() {
            return Err(ExclusionReason::SentAgain);
        }
        let company = self.policies.get(&stored.policy_version).and_then(Option::as_ref);
        let company = company.ok_or(ExclusionReason::PolicyMissing)?;
        let job = stored.job(recorded);
        let placed = stored.place(&job, company).map_err(|_| ExclusionReason::HistoryDiffers)?;
        let reservation_keys =
            suppression::reservation_keys(&self.keys, company, Some(&stored.customer), &placed);
        self.state.advance(recorded.decided_at);
        let earlier = stored.held_by(recorded, company.policy.suppression_days);
        let earlier = earlier.filter(|holder| holder.request < self.first);
        if let Some(holder) = earlier {
            self.state.reservations.learn_earlier(&reservation_keys, holder);
        }
        let window = window(company, stored);
        let is_within_window = |holder: &ReservationHolder| {
            window.is_some_and(|days| holder.asked_at + days > recorded.decided_at)
        };
        let saw_concurrent_change =
            self.state.reservations.holders(&reservation_keys).iter().any(is_within_window)
                != stored.was_held();
        let holders =
            self.state.holders(&reservation_keys, stored, recorded.decided_at, saw_concurrent_change);
        let facts = stored.facts(recorded, holders);
        let case = Case { job: &job, company, placed: &placed, facts: &facts };
        let replayed = rules::decide(&case).map_err(|_| ExclusionReason::HistoryDiffers)?;
        self.state.advance(stored.accepted_at);
        let taken = self.state.reservations.is_taken(&reservation_keys, window, stored.accepted_at);
        let replayed_verdict = after_race(replayed.verdict, taken);
        let recorded_verdict = after_race(recorded.verdict, stored.lost_its_race());
        if replayed_verdict != recorded_verdict {
            return Err(match recorded_verdict {
                SUPPRESSED_BY_HOLDER => ExclusionReason::HeldByEarlier,
                _ => ExclusionReason::HistoryDiffers,
            });
        }
        let medium = replayed.candidate.as_ref().map(|candidate| candidate.medium);
        let same = medium == stored.medium
            && replayed.due_at == recorded.due_at
            && replayed.expires_at == recorded.expires_at;
        if same {
            Ok(BaselineMatch { earlier, saw_concurrent_change })
        } else {
            Err(ExclusionReason::HistoryDiffers)
        }
    }

    /// Follows the record of a request.
    pub fn take(&mut self, stored: &RecordedRequest) {
        if let Some(company) = self.policies.get(&stored.policy_version).and_then(Option::as_ref) {
            take_as_recorded(&mut self.state, &self.keys, (company, None), stored);
        }
    }
}

/// The verdict of a request that a holder of its reservations suppresses.
const SUPPRESSED_BY_HOLDER: Verdict = Verdict::Suppress(Reason::SuppressionPeriod);

/// The verdict after the statement: a request that lost the race for its reservation is suppressed.
fn after_race(verdict: Verdict, lost_race: bool) -> Verdict {
    if verdict == Verdict::Send && lost_race { SUPPRESSED_BY_HOLDER } else { verdict }
}

/// The suppression period for a request; `None` for a recovery and an override, which take the reservation over.
#[must_use]
pub fn window(company: &Company, stored: &RecordedRequest) -> Option<Duration> {
    let overrides = stored.manual.as_ref().is_some_and(|manual| manual.override_reason.is_some());
    (stored.original_request.is_none() && !overrides)
        .then(|| Duration::days(i64::from(company.policy.suppression_days)))
}

/// A request that was accepted for sending reserves and has its recorded events. If `company` cannot place it,
/// `recorded_policy` does.
pub fn take_as_recorded(
    state: &mut ReplayState,
    keys: &IdentityKey,
    (company, recorded_policy): (&Company, Option<&Company>),
    stored: &RecordedRequest,
) {
    let Some(decision) = stored.decision.as_ref().filter(|_| stored.was_planned()) else { return };
    let job = stored.job(decision);
    let placed = stored.place(&job, company).ok().or_else(|| stored.place(&job, recorded_policy?).ok());
    let Some(placed) = placed else { return };
    let reservation_keys: Vec<Uuid> =
        suppression::reservation_keys(keys, company, Some(&stored.customer), &placed);
    state.advance(stored.accepted_at);
    state.reservations.reserve(&reservation_keys, stored.id, decision.due_at.max(stored.accepted_at));
    state.follow(stored.id, reservation_keys, timeline::recorded(stored), None);
}
