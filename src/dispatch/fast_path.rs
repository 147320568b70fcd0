//! The fast path: a request that is due at its acceptance goes straight from the accept statement into its lane.
//!
//! `reserve` takes call slots and queue places for the next chunk of a batch, the caller writes the chunk in one
//! statement, `committed` starts the calls. With a call slot in hand the statement itself begins the attempt; with a
//! queue place it leases the message; without either it writes a due row, behind the lane's backlog. A burst for one
//! lane is written in several chunks as that lane's slots become free, which slows the broker's consumer down instead
//! of filling the ledger with due rows. Nothing here writes to the ledger (docs/decisions/016-fast-path-begins-in-accept.md).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::dispatch::{
    Lanes,
    capacity::{LaneCapacity, Step},
    chunk::Chunk,
};
use postrider_domain::{ids::AccountId, rules::Verdict};
use postrider_ledger::accept::{InitialDispatch, NewRequest, lane_of};

/// Time that one batch waits for call slots in all. A lane without free slots for so long is slower than its
/// producers, and requests for other lanes wait behind it.
const SLOT_TIMEOUT: Duration = Duration::from_millis(500);

/// The entry of new requests into dispatch; cheap to clone.
#[derive(Clone)]
pub struct FastPath {
    /// `None`: this process does not dispatch, and every message is written as a due row.
    pub lanes: Option<Arc<Lanes>>,
    pub worker: Uuid,
    pub lease: Duration,
}

impl FastPath {
    /// Starts on the decided rows of one batch. `now`: the database's time of a moment ago.
    #[must_use]
    pub fn batch(&self, rows: Vec<NewRequest>, now: DateTime<Utc>) -> FastPathBatch<'_> {
        FastPathBatch {
            fast_path: self,
            rows,
            now,
            started: postrider_clock::monotonic(),
            slot_deadline: None,
            bursts: HashSet::new(),
        }
    }
}

/// The rows of one batch that are not written yet.
pub struct FastPathBatch<'a> {
    fast_path: &'a FastPath,
    rows: Vec<NewRequest>,
    /// The database's time at `started`.
    now: DateTime<Utc>,
    started: Instant,
    /// Set with the first wait.
    slot_deadline: Option<Instant>,
    /// Lanes for which the batch brought a burst; the last few rows are still part of it.
    bursts: HashSet<AccountId>,
}

impl FastPathBatch<'_> {
    /// Reserves slots and places for the rows to write next; `None`: all rows are written.
    pub async fn reserve(&mut self) -> Option<Chunk> {
        if self.rows.is_empty() {
            return None;
        }
        let mut capacities = self.capacities().await;
        let mut chunk = Chunk::new(self.fast_path.lanes.clone(), self.fast_path.worker, self.fast_path.lease);
        let shared = match &chunk.lanes {
            Some(lanes) => Some(lanes.context().isolation_gate.shared().await),
            None => None,
        };
        for mut row in std::mem::take(&mut self.rows) {
            row.initial_dispatch = InitialDispatch::Deferred;
            let capacity =
                lane_of(&row).filter(|_| self.is_due(&row)).and_then(|lane| capacities.get_mut(&lane));
            if let Some(capacity) = capacity {
                match capacity.step(&row) {
                    Step::NextChunk => {
                        self.rows.push(row);
                        continue;
                    }
                    step => {
                        row.initial_dispatch =
                            chunk.place(&row, step, capacity, self.database_time(chunk.lease_start))
                    }
                }
            }
            chunk.rows.push(row);
        }
        drop(shared);
        Some(chunk)
    }

    /// The rows that no chunk took.
    #[must_use]
    pub fn into_rest(self) -> Vec<NewRequest> {
        self.rows
    }

    /// The capacity of every open lane that rows are due for.
    async fn capacities(&mut self) -> HashMap<AccountId, LaneCapacity> {
        let Some(lanes) = self.fast_path.lanes.as_ref().map(|lanes| lanes.all()) else {
            return HashMap::new();
        };
        let mut demand: HashMap<AccountId, usize> = HashMap::new();
        for lane in self.rows.iter().filter(|row| self.is_due(row)).filter_map(lane_of) {
            *demand.entry(lane).or_default() += 1;
        }
        let mut capacities = HashMap::new();
        for (account, count) in demand {
            let Some(lane) = lanes.get(&account) else { continue };
            if lane.slots.is_burst(count) {
                self.bursts.insert(account);
            }
            let capacity = match self.bursts.contains(&account) {
                true => LaneCapacity::for_burst(lane, count, self.slot_deadline()).await,
                false => LaneCapacity::now(lane, count),
            };
            capacities.extend(capacity.map(|capacity| (account, capacity)));
        }
        capacities
    }

    fn slot_deadline(&mut self) -> Instant {
        *self.slot_deadline.get_or_insert_with(|| postrider_clock::monotonic() + SLOT_TIMEOUT)
    }

    fn is_due(&self, row: &NewRequest) -> bool {
        row.decision.verdict == Verdict::Send && row.decision.due_at <= self.now
    }

    fn database_time(&self, at: Instant) -> DateTime<Utc> {
        self.now + chrono::Duration::from_std(at - self.started).unwrap_or_default()
    }
}
