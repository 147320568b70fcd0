//! Shutdown: stages end in the order in which a request travels, each waiting for the one before.
//!
//! Intake stops taking and commits what it has; claims stop; lanes give back what was not begun; calls
//! under way finish and are written down; the web goes last, so that receipts still find us. Whatever is
//! left at the deadline is abandoned: leases and redeliveries tell the truth about it.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle};

use crate::{dispatch::Lanes, intake::Acceptor, telemetry::http::Health};
use postrider_ledger::Ledger;

/// The stages of a worker, in the order in which they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Intake,
    /// Claimer and sweeper.
    Claims,
    /// Begin and settle; they end when the lanes have.
    Pipe,
    Web,
}

impl Stage {
    const ALL: [Stage; 4] = [Stage::Intake, Stage::Claims, Stage::Pipe, Stage::Web];
}

/// Waits until told to stop, or until nobody can tell any more.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// A running worker.
pub struct Worker {
    pub public_addr: Option<SocketAddr>,
    pub private_addr: Option<SocketAddr>,
    pub acceptor: Option<Acceptor>,
    pub(crate) lanes: Option<Arc<Lanes>>,
    pub health: Option<Arc<Health>>,
    pub(crate) ledgers: Vec<Ledger>,
    deadline: Duration,
    stops: Vec<(Stage, watch::Sender<bool>)>,
    tasks: Vec<(Stage, JoinHandle<()>)>,
    background: Vec<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn new(deadline: Duration) -> Worker {
        Worker {
            public_addr: None,
            private_addr: None,
            acceptor: None,
            lanes: None,
            health: None,
            ledgers: Vec::new(),
            deadline,
            stops: Stage::ALL.map(|stage| (stage, watch::Sender::new(false))).into(),
            tasks: Vec::new(),
            background: Vec::new(),
        }
    }

    pub(crate) fn stop_of(&self, stage: Stage) -> watch::Receiver<bool> {
        let (_, stop) = self.stops.iter().find(|(of, _)| *of == stage).expect("every stage has its stop");
        stop.subscribe()
    }

    pub(crate) fn add(&mut self, stage: Stage, task: JoinHandle<()>) {
        self.tasks.push((stage, task));
    }

    /// A task that may be cut at any time.
    pub(crate) fn background(&mut self, task: JoinHandle<()>) {
        self.background.push(task);
    }

    /// Ends the worker; gives whether everything ended within the deadline.
    pub async fn stop(mut self) -> bool {
        if let Some(health) = &self.health {
            health.ready.store(false, Ordering::Relaxed);
        }
        let within = self.deadline;
        let in_time = tokio::time::timeout(within, self.end_stages()).await.is_ok();
        if !in_time {
            tracing::error!("not everything ended within the deadline; leases will tell");
        }
        for task in self.background.drain(..).chain(self.tasks.drain(..).map(|(_, task)| task)) {
            task.abort();
        }
        for ledger in &self.ledgers {
            drop(tokio::time::timeout(Duration::from_secs(2), ledger.close()).await);
        }
        in_time
    }

    async fn end_stages(&mut self) {
        for stage in Stage::ALL {
            tracing::info!(?stage, "stopping");
            if stage == Stage::Pipe {
                self.acceptor = None;
                if let Some(lanes) = self.lanes.take() {
                    lanes.close().await;
                }
            }
            for (_, stop) in self.stops.iter().filter(|(of, _)| *of == stage) {
                stop.send_replace(true);
            }
            for (_, task) in self.tasks.iter_mut().filter(|(of, _)| *of == stage) {
                if let Err(error) = task.await {
                    tracing::error!(%error, ?stage, "a task ended badly");
                }
            }
            self.tasks.retain(|(of, _)| *of != stage);
        }
    }
}
