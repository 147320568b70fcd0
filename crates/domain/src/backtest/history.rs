//! A request as the ledger kept it: its inputs, what was decided, and what became of it.
//!
//! Nothing here asks the rules; `past` and `future` do.

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

use super::report::{Outcome, Standing};

/// One accepted request.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    pub id: Uuid,
    pub accepted_at: DateTime<Utc>,
    /// Neither reserves nor is held; it is left out.
    pub test: bool,
    /// The root, of a service recovery.
    pub original_request: Option<Uuid>,
    pub policy_version: i32,
    pub customer: Customer,
    pub brand: String,
    pub channel: String,
    pub country: Option<String>,
    /// The medium that the job named.
    pub asked_medium: Option<Medium>,
    /// A person asked.
    pub manual: Option<Manual>,
    /// Absent where it cannot be read.
    pub decision: Option<Decision>,
    /// The medium that was chosen.
    pub medium: Option<Medium>,
    pub state: State,
    pub reason: Option<String>,
    /// Some attempt was accepted or may have been.
    pub reached: bool,
    /// When attempts were begun, in order.
    pub begins: Vec<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub manual_retry: Option<ManualRetry>,
}

/// A person had it sent once more.
#[derive(Debug, Clone, Copy)]
pub struct ManualRetry {
    pub at: DateTime<Utc>,
    /// Where that ended without having gone out either.
    pub ended_at: Option<DateTime<Utc>>,
}

impl RecordedRequest {
    /// What became of it, as the ledger says.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let standing = match self.state {
            State::Waiting if self.reached => Standing::Sent,
            State::Waiting => Standing::Waiting,
            State::Sending | State::Unknown | State::Sent | State::Delivered => Standing::Sent,
            State::PresumedFailed | State::Failed if self.reached => Standing::Sent,
            State::PresumedFailed | State::Failed | State::Suppressed | State::Canceled => Standing::NotSent,
        };
        let due_at = self.decision.as_ref().map(|decision| decision.due_at.max(self.accepted_at));
        match standing {
            Standing::Sent | Standing::Waiting => {
                Outcome { standing, reason: None, medium: self.medium, due_at }
            }
            Standing::NotSent | Standing::Rejected => Outcome::not_sent(self.reason.as_deref().unwrap_or("")),
        }
    }

    /// The rules let it pass and its statement lost the person to another one that was faster.
    #[must_use]
    pub fn lost_its_race(&self) -> bool {
        self.decision.as_ref().is_some_and(|decision| decision.verdict == Verdict::Send)
            && self.state == State::Suppressed
            && self.reason.as_deref() == Some(Reason::SuppressionPeriod.as_str())
            && self.ended_at == Some(self.accepted_at)
    }

    /// It was accepted to be sent, and reserved its person.
    #[must_use]
    pub fn was_planned(&self) -> bool {
        self.decision.as_ref().is_some_and(|decision| decision.verdict == Verdict::Send)
            && !self.lost_its_race()
    }

    /// Somebody who had asked kept it back, whatever else did.
    #[must_use]
    pub fn was_held(&self) -> bool {
        let held = Some(Reason::SuppressionPeriod);
        self.lost_its_race()
            || self.decision.as_ref().is_some_and(|old| old.trail.iter().any(|finding| finding.stops == held))
    }

    /// Its end, where it ended without having gone out.
    #[must_use]
    pub fn end(&self) -> Option<(DateTime<Utc>, &str)> {
        let ended =
            matches!(self.state, State::PresumedFailed | State::Failed | State::Suppressed | State::Canceled);
        if !ended || self.reached {
            return None;
        }
        Some((self.ended_at?, self.reason.as_deref().unwrap_or("")))
    }

    /// The job as it was decided, with everything that it inherited.
    #[must_use]
    pub fn job(&self, decision: &Decision) -> Job {
        let Inputs { delay_secs, send_after, expires_after_secs, .. } = decision.inputs.clone();
        let unwanted = |finding: &rules::Finding| finding.stops == Some(Reason::DoNotSend);
        Job {
            customer: Some(self.customer.clone()),
            channel: Some(self.channel.clone()),
            brand: Some(self.brand.clone()),
            country: self.country.clone(),
            medium: self.asked_medium,
            manual: self.manual.clone().map(Box::new),
            do_not_send: decision.trail.iter().any(unwanted),
            delay_secs,
            send_after,
            expires_after_secs,
            ..Job::default()
        }
    }

    /// Its place under a policy, or the code of the problem for which it would be refused.
    pub fn place(&self, job: &Job, company: &Company) -> Result<Placed, String> {
        // As `admit` has it, whatever the door.
        let kind = if self.manual.is_some() { JobOrigin::Manual } else { JobOrigin::Automatic };
        rules::place(job, &company.policy, kind).map_err(|problems| first_code(&problems))
    }

    /// Who held its person back, and when that one asked or planned to.
    #[must_use]
    pub fn held_by(&self, decision: &Decision, days: u32) -> Option<ReservationHolder> {
        let held = Some(Reason::SuppressionPeriod);
        let finding = decision.trail.iter().find(|finding| finding.stops == held)?;
        let request = finding.note.split_whitespace().find_map(|word| Uuid::try_parse(word).ok())?;
        Some(ReservationHolder { request, asked_at: finding.passes_at? - Duration::days(i64::from(days)) })
    }

    /// The facts of that time, with the holders that a simulation knows.
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
            // Else it passed, and under which role of the team's list is not stored.
            requester: asks_of_own.then_some(Requester { role: Role::Member, is_employee: true }),
        }
    }
}

pub(super) fn first_code(problems: &[crate::document::Problem]) -> String {
    problems.first().map_or_else(|| "refused".to_owned(), |problem| problem.code.clone())
}
