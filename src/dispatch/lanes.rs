//! All lanes of this worker, kept in step with the companies' accounts.
//!
//! A lane whose account, brand or credential changed is replaced: the old one gives back what it has not
//! begun, calls under way end by themselves. A lane without its credential stays shut, with an alarm; it
//! stops nobody else.

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
    settle::FinishedAttempt,
};

type Map = HashMap<AccountId, Arc<Lane>>;

/// The live lanes.
pub struct Lanes {
    current: ArcSwap<Map>,
    /// The way to settle; gone once the lanes are closed for good, so that settle can end.
    finished: ArcSwapOption<mpsc::Sender<FinishedAttempt>>,
    state: Mutex<State>,
    factory: LaneFactory,
}

struct State {
    tasks: Vec<JoinHandle<()>>,
    /// The way to begin; gone once the lanes are closed for good, so that begin can end.
    ready: Option<mpsc::Sender<ReadyCall>>,
}

/// What every lane is made with.
pub struct LaneFactory {
    pub context: Arc<DispatchContext>,
    /// Shared by all lanes; each keeps lines of its own.
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

    /// The quiet of this process.
    #[must_use]
    pub fn isolation_gate(&self) -> IsolationGate {
        self.factory.context.isolation_gate.clone()
    }

    /// Makes, keeps and closes lanes as the companies say.
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

    /// Closes all lanes and waits until each has given back what it had not begun.
    pub async fn close(&self) {
        let mut state = self.state.lock().await;
        for lane in self.current.swap(Arc::default()).values() {
            lane.close();
        }
        state.ready = None;
        self.finished.store(None);
        for task in state.tasks.drain(..) {
            if task.await.is_err() {
                tracing::error!("a lane's task panicked");
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
            tracing::error!(lane = %settings.id, %error, "lane is shut: its messages wait");
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
        let (lane, task) = Lane::start(parts, Arc::clone(&self.factory.context), ready);
        lane.export_metrics();
        (lane, task)
    }
}

/// A lane serves on while neither its account nor its company's texts changed.
fn is_same(lane: &Lane, settings: &Account, company: &Company) -> bool {
    lane.settings == *settings && lane.company.version == company.version && lane.provider.is_some()
}
