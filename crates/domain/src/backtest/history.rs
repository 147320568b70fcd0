//! A request as the ledger recorded it: its inputs, its decision and its outcome.
//!
//! `baseline` and `changed_policy` decide it again; this file only prepares the inputs of the rules.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::{
    company::{Company, Role},
    ids::Medium,
    job::{Customer, Job, JobOrigin, Manual},
    lifecycle::{Reason, State},
    rules::{
        self, Decision, Facts, MemberFact, Placed, Requester, ReservationHolder, Verdict, decision::Inputs,
        requester,
    },
};

use super::report::{BacktestOutcome, Standing};

/// One accepted request.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    pub id: Uuid,
    pub accepted_at: DateTime<Utc>,
    /// A test request: it neither reserves nor is suppressed, and is left out.
    pub test: bool,
    /// The original request of a service recovery.
    pub original_request: Option<Uuid>,
    pub policy_version: i32,
    pub customer: Customer,
    pub brand: String,
    pub channel: String,
    pub country: Option<String>,
    /// The medium in the job.
    pub asked_medium: Option<Medium>,
    /// Set for a manual request.
    pub manual: Option<Manual>,
    /// `None`: unreadable.
    pub decision: Option<Decision>,
    /// The chosen medium.
    pub medium: Option<Medium>,
    pub state: State,
    pub reason: Option<String>,
    /// Some attempt was or may have been accepted by the provider.
    pub may_have_been_sent: bool,
    /// The times at which attempts began, in order.
    pub begins: Vec<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub manual_retry: Option<ManualRetry>,
}

/// A manual retry of an ended request.
#[derive(Debug, Clone, Copy)]
pub struct ManualRetry {
    pub at: DateTime<Utc>,
    /// The end of the retry, if it was not sent either.
    pub ended_at: Option<DateTime<Utc>>,
}

impl RecordedRequest {
    /// The recorded outcome.
    #[must_use]
    pub fn outcome(&self) -> BacktestOutcome {
        let standing = match self.state {
            State::Waiting if self.may_have_been_sent => Standing::Sent,
            State::Waiting => Standing::Waiting,
            State::Sending | State::Unknown | State::Sent | State::Delivered => Standing::Sent,
            State::PresumedFailed | State::Failed if self.may_have_been_sent => Standing::Sent,
            State::PresumedFailed | State::Failed | State::Suppressed | State::Canceled => Standing::NotSent,
        };
        let due_at = self.decision.as_ref().map(|decision| decision.due_at.max(self.accepted_at));
        match standing {
            Standing::Sent | Standing::Waiting => {
                BacktestOutcome { standing, reason: None, medium: self.medium, due_at }
            }
            Standing::NotSent | Standing::Rejected => {
                BacktestOutcome::not_sent(self.reason.as_deref().unwrap_or(""))
            }
        }
    }

    /// The rules allowed it, and another request took the reservation before its statement.
    #[must_use]
    pub fn lost_its_race(&self) -> bool {
        self.decision.as_ref().is_some_and(|decision| decision.verdict == Verdict::Send)
            && self.state == State::Suppressed
            && self.reason.as_deref() == Some(Reason::SuppressionPeriod.as_str())
            && self.ended_at == Some(self.accepted_at)
    }

    /// It was accepted for sending and held a reservation.
    #[must_use]
    pub fn was_planned(&self) -> bool {
        self.decision.as_ref().is_some_and(|decision| decision.verdict == Verdict::Send)
            && !self.lost_its_race()
    }

    /// A reservation of another request suppressed it, possibly beside other rules.
    #[must_use]
    pub fn was_held(&self) -> bool {
        let held = Some(Reason::SuppressionPeriod);
        self.lost_its_race()
            || self.decision.as_ref().is_some_and(|old| old.trail.iter().any(|finding| finding.stops == held))
    }

    /// Time and reason of its end, if it ended unsent.
    #[must_use]
    pub fn end(&self) -> Option<(DateTime<Utc>, &str)> {
        let ended =
            matches!(self.state, State::PresumedFailed | State::Failed | State::Suppressed | State::Canceled);
        if !ended || self.may_have_been_sent {
            return None;
        }
        Some((self.ended_at?, self.reason.as_deref().unwrap_or("")))
    }

    /// The job at its decision, with inherited fields.
    #[must_use]
    pub fn job(&self, decision: &Decision) -> Job {
        let Inputs { delay_secs, send_after, expires_after_secs, .. } = decision.inputs.clone();
        let asks_not_to_send = |finding: &rules::Finding| finding.stops == Some(Reason::DoNotSend);
        Job {
            customer: Some(self.customer.clone()),
            channel: Some(self.channel.clone()),
            brand: Some(self.brand.clone()),
            country: self.country.clone(),
            medium: self.asked_medium,
            manual: self.manual.clone().map(Box::new),
            do_not_send: decision.trail.iter().any(asks_not_to_send),
            delay_secs,
            send_after,
            expires_after_secs,
            ..Job::default()
        }
    }

    /// Its brand, channel and media under a policy; the error is the code of the first problem.
    pub fn place(&self, job: &Job, company: &Company) -> Result<Placed, String> {
        // As in `admit`, for every entry point.
        let kind = if self.manual.is_some() { JobOrigin::Manual } else { JobOrigin::Automatic };
        rules::place(job, &company.policy, kind).map_err(|problems| first_code(&problems))
    }

    /// The request that held the reservation, and its planned or actual time of asking.
    #[must_use]
    pub fn held_by(&self, decision: &Decision, days: u32) -> Option<ReservationHolder> {
        let held = Some(Reason::SuppressionPeriod);
        let finding = decision.trail.iter().find(|finding| finding.stops == held)?;
        let request = finding.note.split_whitespace().find_map(|word| Uuid::try_parse(word).ok())?;
        Some(ReservationHolder { request, asked_at: finding.passes_at? - Duration::days(i64::from(days)) })
    }

    /// The facts at the decision, with the holders in the replay.
    #[must_use]
    pub fn facts(&self, decision: &Decision, holders: Vec<ReservationHolder>) -> Facts {
        let asks_of_own = decision.trail.iter().any(requester::is_about_own_interaction);
        Facts {
            now: decision.decided_at,
            member: MemberFact::Found { approved: !decision.inputs.unapproved },
            block_bits: decision.inputs.block_bits,
            holders,
            recovery: self.original_request.is_some(),
            test: false,
            answered: decision.trail.iter().any(|finding| finding.stops == Some(Reason::Answered)),
            // Otherwise the requester passed; the role in the members' list is not stored.
            requester: asks_of_own.then_some(Requester { role: Role::Member, is_employee: true }),
        }
    }
}

pub(super) fn first_code(problems: &[crate::document::Problem]) -> String {
    problems.first().map_or_else(|| "refused".to_owned(), |problem| problem.code.clone())
}
