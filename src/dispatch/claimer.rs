//! The claimer: claims due messages from the ledger for all open lanes, in one statement.
//!
//! It claims no more than a lane has places for, so that a claim does not spend its lease in a queue. Each scan also tells
//! every lane whether it has a backlog (docs/decisions/007-claims-bounded-by-lane-capacity.md).

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
const FULL_SCAN_INTERVAL: Duration = Duration::from_secs(20);
/// Interval of the gauge `OLDEST_DUE`.
const AGES_INTERVAL: Duration = Duration::from_secs(2);
/// A row becomes visible at most this long after its due time: the longest statement.
const FLOOR_MARGIN_SECS: i64 = 15;

pub struct Claimer {
    context: Arc<DispatchContext>,
    lanes: Arc<Lanes>,
    /// No due row of the lane is older.
    floors: HashMap<AccountId, DateTime<Utc>>,
    full_scan_at: Option<Instant>,
    ages_exported_at: Option<Instant>,
}

impl Claimer {
    #[must_use]
    pub fn new(context: Arc<DispatchContext>, lanes: Arc<Lanes>) -> Claimer {
        Claimer { context, lanes, floors: HashMap::new(), full_scan_at: None, ages_exported_at: None }
    }

    /// Claims until the worker stops: at once while there is more, otherwise at the ticker's interval.
    pub async fn run(mut self, ticker: Ticker) {
        let mut more = true;
        while ticker.tick(more).await {
            if let Err(error) = self.export_ages().await {
                tracing::debug!(%error, "reading the age of the oldest due messages failed");
            }
            more = self.claim_once().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "claiming due messages failed, retrying after dispatch.claim_interval_ms");
                false
            });
            if more {
                tokio::task::yield_now().await;
            }
        }
    }

    /// One scan of all lanes; returns whether an open lane got as many claims as it has places for.
    pub async fn claim_once(&mut self) -> Result<bool, LedgerError> {
        let lanes = self.lanes.all();
        let full =
            self.full_scan_at.is_none_or(|last| postrider_clock::monotonic() - last > FULL_SCAN_INTERVAL);
        let mut permits: HashMap<AccountId, Vec<Permit>> = HashMap::new();
        let mut demand = Vec::new();
        for lane in lanes.values() {
            lane.export_metrics();
            if lane.backlog.take_requeued() {
                self.floors.remove(&lane.account);
            }
            let places = lane.permits_for_backlog(self.context.lease);
            if places.is_empty() {
                lane.backlog.set_present(true);
                continue;
            }
            let floor =
                self.floors.get(&lane.account).copied().filter(|_| !full).unwrap_or(DateTime::UNIX_EPOCH);
            demand.push(LaneDemand { lane: lane.account, count: places.len() as i32, earliest_due: floor });
            permits.insert(lane.account, places);
        }
        if demand.is_empty() {
            return Ok(false);
        }
        let lease_start = postrider_clock::monotonic();
        let terms = LeaseTerms {
            id: postrider_clock::new_id(),
            worker: self.context.worker,
            secs: self.context.lease.as_secs_f64(),
        };
        let due = self.context.ledger.claim(&demand, terms).await?;
        if full {
            self.full_scan_at = Some(lease_start);
        }
        let now = due.first().map(|due| due.now);
        let lease = LeaseShare::new(terms.id, due.len());
        let mut counts: HashMap<AccountId, usize> = HashMap::new();
        let mut oldest: HashMap<AccountId, DateTime<Utc>> = HashMap::new();
        for due in due {
            *counts.entry(due.lane).or_default() += 1;
            let at = oldest.entry(due.lane).or_insert(due.due_at);
            *at = (*at).min(due.due_at);
            let permit = permits.get_mut(&due.lane).and_then(Vec::pop);
            match (permit, Claim::from_due(due, lease_start, Arc::clone(&lease))) {
                (Some(permit), Some(claim)) => drop(permit.send(claim)),
                _ => tracing::error!(
                    "a claimed message has no address or no place and is dropped; its lease expires and it is claimed again"
                ),
            }
        }
        let mut more = false;
        for wanted in &demand {
            let count = counts.get(&wanted.lane).copied().unwrap_or(0);
            let filled = count == wanted.count as usize;
            more |= filled && lanes[&wanted.lane].breaker_state() == BreakerState::Closed;
            self.update_lane(&lanes[&wanted.lane], filled, oldest.get(&wanted.lane).zip(now));
        }
        Ok(more)
    }

    /// Sets the gauge of each lane's oldest due message, whether the lane is open or not.
    async fn export_ages(&mut self) -> Result<(), LedgerError> {
        let now = postrider_clock::monotonic();
        if self.ages_exported_at.is_some_and(|last| now - last < AGES_INTERVAL) {
            return Ok(());
        }
        self.ages_exported_at = Some(now);
        let lanes = self.lanes.all();
        let ids: Vec<AccountId> = lanes.keys().copied().collect();
        let ages: HashMap<AccountId, f64> = self.context.ledger.oldest_due(&ids).await?.into_iter().collect();
        for (id, lane) in lanes.iter() {
            let age = ages.get(id).copied().unwrap_or(0.0);
            metrics::gauge!(names::OLDEST_DUE, "lane" => lane.settings.id.clone()).set(age);
        }
        Ok(())
    }

    /// Tells a lane of its backlog and keeps its floor.
    fn update_lane(&mut self, lane: &Lane, filled: bool, oldest: Option<(&DateTime<Utc>, DateTime<Utc>)>) {
        if let Some((oldest, now)) = oldest {
            lane.backlog.set_age((now - *oldest).to_std().unwrap_or_default());
            let floor = *oldest - chrono::Duration::seconds(FLOOR_MARGIN_SECS);
            self.floors.insert(lane.account, floor);
        }
        lane.backlog.set_present(filled || lane.breaker_state() != BreakerState::Closed);
    }
}
