//! Under which conditions worlds are searched: the company's wish, the provider's index, what may go
//! wrong how often, and which flaw is planted.
//!
//! Retries and looks are the product's own, with shorter lists: as many kinds of steps, fewer of each.

use std::time::Duration;

use chrono::DateTime;

use super::model_state::Left;
use postrider_domain::lifecycle::{NextTry, PollTimes, RetrySchedule, schedule::Progress};

#[derive(Debug, Clone)]
pub struct Conditions {
    /// The company wants it sent once more where the provider has no trace of it.
    pub resend_if_absent: bool,
    pub index: Index,
    /// A worker may sleep past its lease between the last look at it and the call: nobody can prevent it.
    pub sleeps_before_call: bool,
    pub left: Left,
    /// How often a provider may accept one message at most; and how many calls may be live at once.
    pub sends_max: usize,
    pub flaw: Option<Flaw>,
    /// What cannot matter any more is forgotten, so that fewer worlds are searched.
    pub forgets: bool,
    pub looks: PollTimes,
    pub schedule: RetrySchedule,
}

/// What the provider's look-up sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// Everything that was accepted; a call under way has arrived, or never will, by the last two looks.
    Exact,
    /// Not always what was accepted.
    Lagging,
    /// There is none.
    Blind,
}

/// What may be broken on purpose, one thing at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    BeginIgnoresEpoch,
    BeginIgnoresAnswer,
    /// A begin that took long is not checked once more.
    BeginIsNotChecked,
    CallIgnoresLease,
    SettleIgnoresEpoch,
    /// An attempt without an outcome is claimed like one that was not made.
    UnknownIsClaimed,
    ReceiptsOverwriteFailed,
    /// What may have gone out may be canceled.
    CancelIgnoresReached,
    /// A lost begin's outcome is written before its claim is given back.
    TakenBackTooEarly,
    /// A pause leaves no expiry behind.
    PauseForgetsExpiry,
    /// What stood in the way of a begin is not all seen by whoever asks.
    StandingIgnoresAnswer,
}

impl Conditions {
    /// The default company, and a provider that can be asked.
    pub fn with(left: Left) -> Conditions {
        Conditions {
            resend_if_absent: false,
            index: Index::Exact,
            sleeps_before_call: true,
            left,
            sends_max: 1,
            flaw: None,
            forgets: true,
            looks: PollTimes([1, 2, 3].map(Duration::from_secs).to_vec()),
            schedule: RetrySchedule { tries_max: 2, ..RetrySchedule::default() },
        }
    }

    pub fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Whether a refusal for now after so many counted tries was the last.
    pub fn gives_up(&self, tries_before: u8) -> bool {
        let now = DateTime::UNIX_EPOCH;
        let progress = Progress { tries: u16::from(tries_before) + 1, first_due_at: now, now };
        self.schedule.after_refusal(progress, None, 0.5) == NextTry::GiveUp
    }
}
