//! The scenario of a search: the company's setting, the provider's lookup index, the fault budget, a planted mutant.
//!
//! Retries and status polls are the product's own with shorter lists: every kind of step, fewer of each.

use std::time::Duration;

use chrono::DateTime;

use super::model_state::FaultBudget;
use postrider_domain::lifecycle::{NextTry, PollTimes, RetrySchedule, schedule::Progress};

/// The conditions under which states are explored.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The company opted into sending again if the provider has no trace of the message.
    pub resend_if_absent: bool,
    pub index: ProviderIndex,
    /// A worker may stall past its lease between the lease check and the call; no code can prevent it.
    pub stalls_before_call: bool,
    pub budget: FaultBudget,
    /// Most acceptances of one message by the provider, and most calls in transit at once.
    pub sends_max: usize,
    pub mutant: Option<Mutant>,
    /// Facts without further effect are dropped, so that fewer states are explored.
    pub canonicalizes_fully: bool,
    pub poll_times: PollTimes,
    pub schedule: RetrySchedule,
}

/// The accuracy of the provider's lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderIndex {
    /// It shows every accepted message; a call in transit has arrived or is lost by the last two lookups.
    Exact,
    /// It may miss accepted messages.
    Lagging,
    /// The provider has no lookup.
    Blind,
}

/// A fault planted in the model, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    BeginIgnoresEpoch,
    BeginIgnoresAnswer,
    /// A slow begin is not checked a second time.
    BeginIsNotChecked,
    CallIgnoresLease,
    SettleIgnoresEpoch,
    /// An attempt with an unknown outcome is claimed like one that was not made.
    UnknownIsClaimed,
    ReceiptsOverwriteFailed,
    /// A message that may have been sent can be canceled.
    CancelIgnoresReached,
    /// A lost begin's outcome is written before its claim is released.
    SettledBeforeRelease,
    /// A pause deletes the due row that watches the expiry.
    PauseDropsExpiry,
    /// `standing.sql` does not see the answer that stopped a begin.
    StandingIgnoresAnswer,
}

impl Scenario {
    /// The default company, and a provider with an exact lookup.
    pub fn with(budget: FaultBudget) -> Scenario {
        Scenario {
            resend_if_absent: false,
            index: ProviderIndex::Exact,
            stalls_before_call: true,
            budget,
            sends_max: 1,
            mutant: None,
            canonicalizes_fully: true,
            poll_times: PollTimes([1, 2, 3].map(Duration::from_secs).to_vec()),
            schedule: RetrySchedule { tries_max: 2, ..RetrySchedule::default() },
        }
    }

    pub fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether a temporary refusal after so many counted tries ends the retries.
    pub fn gives_up(&self, tries_before: u8) -> bool {
        let now = DateTime::UNIX_EPOCH;
        let progress = Progress { tries: u16::from(tries_before) + 1, first_due_at: now, now };
        self.schedule.after_refusal(progress, None, 0.5) == NextTry::GiveUp
    }
}
