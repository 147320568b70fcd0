//! The tasks of a worker by stage: spawned, cancelled and awaited together.
//!
//! `Stages` knows tokens and trackers only, no work. `running` ends the stages in their order; `start` spawns.

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The stages of a worker, in the order in which they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Consumers, the HTTP batcher, the inbox of connectors.
    Intake,
    /// Claimers, sweeper, reconciler, alerts.
    Claims,
    /// Begin and settle; they end once the lanes are closed.
    Pipe,
    /// HTTP servers and the writer of receipts.
    Web,
}

/// All tasks of one worker. Dropped, it cancels every stage and aborts background tasks.
#[derive(Default)]
pub(super) struct Stages {
    /// Indexed by `Stage`.
    tokens: [CancellationToken; 4],
    trackers: [TaskTracker; 4],
    tasks: Vec<AbortHandle>,
    background: JoinSet<()>,
}

impl Stages {
    /// The token that tells a task of this stage to end.
    pub(super) fn token(&self, stage: Stage) -> CancellationToken {
        self.tokens[stage as usize].clone()
    }

    /// Spawns a task that `end` waits for.
    pub(super) fn spawn(&mut self, stage: Stage, task: impl Future<Output = ()> + Send + 'static) {
        let task = AssertUnwindSafe(task).catch_unwind().map(move |ended| {
            if ended.is_err() {
                tracing::error!(
                    ?stage,
                    "a task of the worker panicked and is not restarted; restart the worker"
                );
            }
        });
        self.tasks.push(self.trackers[stage as usize].spawn(task).abort_handle());
    }

    /// Spawns a task that may be aborted at any time.
    pub(super) fn spawn_background(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.background.spawn(task);
    }

    /// Cancels a stage and waits until its tasks have ended.
    pub(super) async fn end(&self, stage: Stage) {
        tracing::info!(?stage, "stopping");
        self.tokens[stage as usize].cancel();
        self.trackers[stage as usize].close();
        self.trackers[stage as usize].wait().await;
    }

    /// Aborts all tasks that still run.
    pub(super) fn abort(&mut self) {
        self.background.abort_all();
        self.tasks.drain(..).for_each(|task| task.abort());
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        self.tokens.iter().for_each(CancellationToken::cancel);
    }
}
