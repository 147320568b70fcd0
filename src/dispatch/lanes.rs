//! All lanes of this worker, one for each account of each company.
//!
//! A lane is replaced when its account or company changes: the old one returns its unbegun claims, and its calls end by
//! themselves. A lane without its credential stays closed, with an alarm, and affects no other lane.

use std::{collections::HashMap, sync::Arc};

use arc_swap::{ArcSwap, ArcSwapOption};
use secrecy::SecretString;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

use crate::{company_cache::CompanySnapshot, crash_isolation::IsolationGate, telemetry::names};
use postrider_domain::{
    company::{Account, Company},
    ids::AccountId,
};
use postrider_providers::{HttpClient, Timeouts, build_provider};

use crate::dispatch::{
    DispatchContext, Lane,
    breaker::Thresholds,
    lane::{LaneParts, ReadyCall},
    lane_task,
    settle::FinishedAttempt,
};

type Map = HashMap<AccountId, Arc<Lane>>;

/// The current lanes.
pub struct Lanes {
    current: ArcSwap<Map>,
    /// The queue of settle; removed by `close`, so that settle can end.
    finished: ArcSwapOption<mpsc::Sender<FinishedAttempt>>,
    state: Mutex<State>,
    factory: LaneFactory,
}

struct State {
    tasks: Vec<JoinHandle<()>>,
    /// The queue of begin; removed by `close`, so that begin can end.
    ready: Option<mpsc::Sender<ReadyCall>>,
}

/// The parts that all lanes have in common.
pub struct LaneFactory {
    pub context: Arc<DispatchContext>,
    /// Shared by all lanes; each keeps connections of its own.
    pub http: HttpClient,
    pub timeouts: Timeouts,
    pub queue_max: usize,
    pub thresholds: Thresholds,
}

impl Lanes {
    #[must_use]
    pub fn new(
        factory: LaneFactory,
        ready: mpsc::Sender<ReadyCall>,
        finished: mpsc::Sender<FinishedAttempt>,
    ) -> Lanes {
        let state = State { tasks: Vec::new(), ready: Some(ready) };
        let finished = ArcSwapOption::from_pointee(finished);
        Lanes { current: ArcSwap::default(), finished, state: Mutex::new(state), factory }
    }

    pub(super) fn context(&self) -> &Arc<DispatchContext> {
        &self.factory.context
    }

    /// The queue of settle; `None` after [`Lanes::close`].
    pub(super) fn finished(&self) -> Option<mpsc::Sender<FinishedAttempt>> {
        self.finished.load().as_deref().cloned()
    }

    #[must_use]
    pub fn all(&self) -> Arc<Map> {
        self.current.load_full()
    }

    /// The gate of this process.
    #[must_use]
    pub fn isolation_gate(&self) -> IsolationGate {
        self.factory.context.isolation_gate.clone()
    }

    /// Starts, keeps and closes lanes as the companies' accounts require.
    pub async fn follow(&self, snapshot: &CompanySnapshot) {
        let mut state = self.state.lock().await;
        let Some(ready) = state.ready.clone() else { return };
        let old = self.current.load_full();
        let mut new = Map::new();
        for company in snapshot.companies() {
            for settings in &company.policy.accounts {
                let Some(account) = company.account_id(&settings.id) else { continue };
                let lane = match old.get(&account).filter(|lane| is_same(lane, settings, company)) {
                    Some(lane) => Arc::clone(lane),
                    None => {
                        let (lane, task) = self.start(account, settings, company, ready.clone());
                        state.tasks.push(task);
                        lane
                    }
                };
                new.insert(account, lane);
            }
        }
        let kept = |lane: &Arc<Lane>| new.get(&lane.account).is_some_and(|other| Arc::ptr_eq(lane, other));
        for lane in old.values().filter(|lane| !kept(lane)) {
            lane.close();
        }
        state.tasks.retain(|task| !task.is_finished());
        self.current.store(Arc::new(new));
    }

    /// Closes all lanes and waits until each has returned its unbegun claims.
    pub async fn close(&self) {
        let mut state = self.state.lock().await;
        for lane in self.current.swap(Arc::default()).values() {
            lane.close();
        }
        state.ready = None;
        self.finished.store(None);
        for task in state.tasks.drain(..) {
            if task.await.is_err() {
                tracing::error!("a lane's task panicked; its claims come back when their lease has expired");
            }
        }
    }

    fn start(
        &self,
        account: AccountId,
        settings: &Account,
        company: &Arc<Company>,
        ready: mpsc::Sender<ReadyCall>,
    ) -> (Arc<Lane>, JoinHandle<()>) {
        let secret = |name: &str| std::env::var(name).ok().map(SecretString::from);
        let provider = build_provider(settings, &secret, &self.factory.http, self.factory.timeouts);
        if let Err(error) = &provider {
            tracing::error!(lane = %settings.id, %error, "the lane stays closed and its messages wait; set the missing credential and restart");
        }
        let missing = if provider.is_err() { 1.0 } else { 0.0 };
        metrics::gauge!(names::LANE_MISCONFIGURED, "lane" => settings.id.clone()).set(missing);
        let parts = LaneParts {
            account,
            settings: settings.clone(),
            company: Arc::clone(company),
            provider: provider.ok(),
            queue_max: self.factory.queue_max,
            thresholds: self.factory.thresholds,
        };
        let (lane, task) = lane_task::start(parts, Arc::clone(&self.factory.context), ready);
        lane.export_metrics();
        (lane, task)
    }
}

/// Whether a lane can stay: neither its account nor its company's policy changed, and it has its credential.
fn is_same(lane: &Lane, settings: &Account, company: &Company) -> bool {
    lane.settings == *settings && lane.company.version == company.version && lane.provider.is_some()
}
