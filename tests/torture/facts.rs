//! The facts of a run, as plain values: published jobs, the ledger's rows, the providers' messages.
//!
//! PURE: made by `collect` from the three journals, judged by `audit`, which needs nothing else. Messages are
//! first messages of their requests: id and request are the same.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Everything that is judged.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub jobs: Vec<JobFact>,
    pub messages: Vec<MessageFact>,
    /// Keys of jobs that were refused, and keys still in a queue with that queue's name.
    pub rejected: Vec<String>,
    /// Keys of jobs that were being tried alone when their worker was killed: held, to be replayed by hand.
    pub quarantined: Vec<String>,
    pub queued: Vec<(String, String)>,
    pub acceptances: Vec<Acceptance>,
    pub calls: Vec<CallFact>,
    pub receipts: Vec<ReceiptFact>,
    pub moves: Vec<Move>,
    pub acts: Vec<Act>,
    /// Broken invariants between the ledger's tables, with the message.
    pub breaches: Vec<(String, Uuid)>,
    pub leases: usize,
    pub due: Vec<Uuid>,
    /// Of a message: two, where the companies let it be sent again once.
    pub sends_max: usize,
    /// Attempts that one worker can have under way: its call slots, and what is begun and not yet called.
    pub slots: u64,
    pub worker_losses: u64,
    /// Deaths without an injected cause, panics, and ends that were not in order.
    pub complaints: Vec<String>,
}

/// The code of an attempt without a recorded outcome because its worker died.
pub const LOST: &str = "worker_lost";

impl Facts {
    /// Attempts that were lost with their workers, by worker.
    pub fn lost_by_worker(&self) -> BTreeMap<Option<Uuid>, u64> {
        let mut begun: HashMap<Uuid, Vec<Option<Uuid>>> = HashMap::new();
        for step in self.moves.iter().filter(|step| step.state == state::SENDING) {
            begun.entry(step.message).or_default().push(step.worker);
        }
        let mut lost = BTreeMap::new();
        for message in &self.messages {
            for attempt in message.attempts.iter().filter(|attempt| attempt.code.as_deref() == Some(LOST)) {
                let nth = usize::try_from(attempt.number - 1).unwrap_or_default();
                let worker = begun.get(&message.id).and_then(|workers| workers.get(nth).copied());
                *lost.entry(worker.flatten()).or_default() += 1;
            }
        }
        lost
    }
}

/// The broker's answer to the publishing of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Never,
    /// Published, and the broker's word never came.
    Unknown,
    Confirmed,
}

/// The expected end of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// To be rejected.
    Rejection,
    /// To be kept, and never sent.
    Silence,
    /// To be sent, unless another job for the same person is.
    Ask,
}

#[derive(Debug, Clone)]
pub struct JobFact {
    pub key: String,
    pub person: u32,
    pub fate: Fate,
    pub due: Due,
    pub provider: &'static str,
    pub address: String,
    /// The key of a block of the person's address.
    pub block: Uuid,
}

/// A message's stored state, as numbers: see `postrider_domain::lifecycle::State`.
pub mod state {
    pub const WAITING: i16 = 0;
    pub const SENDING: i16 = 1;
    pub const UNKNOWN: i16 = 2;
    pub const SENT: i16 = 3;
    pub const DELIVERED: i16 = 4;
    pub const CONCLUDED: i16 = 5;
    pub const FAILED: i16 = 6;
    pub const SUPPRESSED: i16 = 7;
    pub const CANCELED: i16 = 8;
}

#[derive(Debug, Clone)]
pub struct MessageFact {
    pub id: Uuid,
    pub key: String,
    pub state: i16,
    pub reason: Option<String>,
    pub may_have_been_sent: bool,
    pub attempts: Vec<AttemptFact>,
}

#[derive(Debug, Clone)]
pub struct AttemptFact {
    pub number: i16,
    pub begun_at: DateTime<Utc>,
    /// 0 accepted, 1 refused, 2 unknown.
    pub outcome: Option<i16>,
    pub code: Option<String>,
}

/// One message that a provider has.
#[derive(Debug, Clone)]
pub struct Acceptance {
    pub message: Option<Uuid>,
    pub attempt: Option<i16>,
    pub provider: &'static str,
    pub recipient: String,
    pub accepted_at: DateTime<Utc>,
    /// Statuses told afterwards, and whether a worker promised to have each.
    pub told: Vec<(&'static str, bool)>,
}

/// One call that came to a provider.
#[derive(Debug, Clone)]
pub struct CallFact {
    pub message: Uuid,
    pub attempt: i16,
    /// Its answer proved nothing.
    pub doubtful: bool,
}

/// A receipt that the ledger took.
#[derive(Debug, Clone)]
pub struct ReceiptFact {
    pub message: Uuid,
    pub kind: String,
    /// Its provider was asked; it did not come by itself.
    pub looked_up: bool,
}

/// One change of a message's state.
#[derive(Debug, Clone)]
pub struct Move {
    pub message: Uuid,
    pub previous_state: i16,
    pub state: i16,
    pub epoch_was: i32,
    pub epoch: i32,
    /// The worker that began the attempt, where this is a begin.
    pub worker: Option<Uuid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    Cancel,
    Pause,
    Block,
    Stop,
    Unsubscribe,
}

impl Wish {
    pub fn as_str(self) -> &'static str {
        match self {
            Wish::Cancel => "cancel",
            Wish::Pause => "pause",
            Wish::Block => "block",
            Wish::Stop => "stop",
            Wish::Unsubscribe => "unsubscribe",
        }
    }
}

/// An operator's or customer's action: no attempt that it forbids may begin between the two times.
#[derive(Debug, Clone)]
pub struct Act {
    pub wish: Wish,
    pub message: Option<Uuid>,
    pub block: Option<Uuid>,
    /// The database's time after the action's commit; absent where the commit's outcome is unknown.
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}
