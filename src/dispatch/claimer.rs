//! The claimer: what is due in the ledger comes into the lanes, all open lanes in one statement.
//!
//! It takes only what a lane has room for, so a claimed message never burns its lease in a queue. What
//! it finds also tells each lane whether new requests must queue behind others.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};

use crate::{telemetry::names, ticker::Ticker};
use postrider_domain::ids::AccountId;
use postrider_ledger::{LedgerError, accept::LeaseTerms, claim::LaneDemand};

use crate::dispatch::{Claim, DispatchContext, Lane, Lanes, LeaseShare, Permit, breaker::BreakerState};

/// Interval of the scan without the claim's floor. The floor keeps claims fast beside an old snapshot
/// (docs/dependency-hazards.md#f13), but hides due rows that became visible late.
const FULL_LOOK_EVERY: Duration = Duration::from_secs(20);
const AGES_EVERY: Duration = Duration::from_secs(2);
/// Rows may become visible this long after their due time: the longest statement.
const FLOOR_MARGIN_SECS: i64 = 15;

pub struct Claimer {
    shared: Arc<DispatchContext>,
    lanes: Arc<Lanes>,
    floors: HashMap<AccountId, DateTime<Utc>>,
    full_look: Option<Instant>,
    ages_shown: Option<Instant>,
}

impl Claimer {
    #[must_use]
    pub fn new(shared: Arc<DispatchContext>, lanes: Arc<Lanes>) -> Claimer {
        Claimer { shared, lanes, floors: HashMap::new(), full_look: None, ages_shown: None }
    }

    /// Claims until the worker stops: at once while there is more, otherwise at the ticker's interval.
    pub async fn run(mut self, ticker: Ticker) {
        let mut more = true;
        while ticker.tick(more).await {
            if let Err(error) = self.show_ages().await {
                tracing::debug!(%error, "the age of the oldest due messages is not known");
            }
            more = match self.claim_once().await {
                Ok(more) => more,
                Err(error) => {
                    tracing::warn!(%error, "due messages cannot be claimed");
                    false
                }
            };
            if more {
                tokio::task::yield_now().await;
            }
        }
    }

    /// One look at all lanes; gives whether some lane was filled to its room.
    pub async fn claim_once(&mut self) -> Result<bool, LedgerError> {
        let lanes = self.lanes.all();
        let full = self.full_look.is_none_or(|last| postrider_clock::monotonic() - last > FULL_LOOK_EVERY);
        let mut rooms: HashMap<AccountId, Vec<Permit>> = HashMap::new();
        let mut wishes = Vec::new();
        for lane in lanes.values() {
            lane.export_metrics();
            if lane.backlog.take_requeued() {
                self.floors.remove(&lane.account);
            }
            let room = lane.permits_for_backlog(self.shared.lease);
            if room.is_empty() {
                lane.backlog.set_present(true);
                continue;
            }
            let floor =
                self.floors.get(&lane.account).copied().filter(|_| !full).unwrap_or(DateTime::UNIX_EPOCH);
            wishes.push(LaneDemand { lane: lane.account, count: room.len() as i32, earliest_due: floor });
            rooms.insert(lane.account, room);
        }
        if wishes.is_empty() {
            return Ok(false);
        }
        let taken = postrider_clock::monotonic();
        let terms = LeaseTerms {
            id: postrider_clock::new_id(),
            worker: self.shared.worker,
            secs: self.shared.lease.as_secs_f64(),
        };
        let due = self.shared.ledger.claim(&wishes, terms).await?;
        if full {
            self.full_look = Some(taken);
        }
        let now = due.first().map(|due| due.now);
        let lease = LeaseShare::new(terms.id, due.len());
        let mut counts: HashMap<AccountId, usize> = HashMap::new();
        let mut oldest: HashMap<AccountId, DateTime<Utc>> = HashMap::new();
        for due in due {
            *counts.entry(due.lane).or_default() += 1;
            let at = oldest.entry(due.lane).or_insert(due.due_at);
            *at = (*at).min(due.due_at);
            let permit = rooms.get_mut(&due.lane).and_then(Vec::pop);
            match (permit, Claim::from_due(due, taken, Arc::clone(&lease))) {
                (Some(permit), Some(claim)) => drop(permit.send(claim)),
                _ => tracing::error!("a claimed message has no address or no room; its lease will lapse"),
            }
        }
        let mut more = false;
        for wish in &wishes {
            let count = counts.get(&wish.lane).copied().unwrap_or(0);
            let filled = count == wish.count as usize;
            more |= filled && lanes[&wish.lane].breaker_state() == BreakerState::Closed;
            self.after(&lanes[&wish.lane], filled, oldest.get(&wish.lane).zip(now));
        }
        Ok(more)
    }

    /// Shows how long each lane's oldest due message has waited, whether the lane is open or not.
    async fn show_ages(&mut self) -> Result<(), LedgerError> {
        let now = postrider_clock::monotonic();
        if self.ages_shown.is_some_and(|last| now - last < AGES_EVERY) {
            return Ok(());
        }
        self.ages_shown = Some(now);
        let lanes = self.lanes.all();
        let ids: Vec<AccountId> = lanes.keys().copied().collect();
        let ages: HashMap<AccountId, f64> = self.shared.ledger.oldest_due(&ids).await?.into_iter().collect();
        for (id, lane) in lanes.iter() {
            let age = ages.get(id).copied().unwrap_or(0.0);
            metrics::gauge!(names::OLDEST_DUE, "lane" => lane.settings.id.clone()).set(age);
        }
        Ok(())
    }

    fn after(&mut self, lane: &Lane, filled: bool, oldest: Option<(&DateTime<Utc>, DateTime<Utc>)>) {
        if let Some((oldest, now)) = oldest {
            lane.backlog.set_age((now - *oldest).to_std().unwrap_or_default());
            let floor = *oldest - chrono::Duration::seconds(FLOOR_MARGIN_SECS);
            self.floors.insert(lane.account, floor);
        }
        lane.backlog.set_present(filled || lane.breaker_state() != BreakerState::Closed);
    }
}
