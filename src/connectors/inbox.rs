//! The inbox: works stored notifications off until each is a request, a rejected job or no request.
//!
//! Take → prepare (look up, map) → accept → finish. The process may end after any step: the lease of the notification
//! expires, another worker takes it, finds the stored job and submits it under the same idempotency key. No
//! notification is lost and no customer is asked twice. Each connector is worked on by a task of its own.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::join_all};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    connectors::{
        in_flight::{InFlight, by_connector},
        prepare::{PreparedNotification, Preparer},
    },
    failpoint,
    intake::quarantine::panic_problem,
    intake::{
        AcceptOutcome, Acceptor, InboundJob, inbound::EntryPoint, pending::JobOwner, rejection::rejection,
    },
    telemetry::names,
    ticker::Ticker,
};
use postrider_domain::document::Problem;
use postrider_ledger::{Ledger, LedgerError, notifications::Notification};

/// Notifications taken at once.
const TAKE_MAX: i64 = 20;
/// Longer than the longest look-up (60 s) and the acceptance after it.
const LEASE_SECS: f64 = 120.0;
const FORGET_INTERVAL: Duration = Duration::from_secs(3_600);
/// Longer than any sender repeats a notification.
const FORGET_AFTER_SECS: f64 = 30.0 * 86_400.0;
const FORGET_MAX: i64 = 1_000;

/// Times of the inbox, from section `[recipes]`.
#[derive(Debug, Clone)]
pub struct InboxSettings {
    pub poll_interval: Duration,
    /// Waits between tries, in seconds; the last one repeats.
    pub delays_secs: Vec<f64>,
    /// Age in seconds after which a failing notification becomes a rejected job.
    pub give_up_secs: f64,
}

/// Works notifications off.
pub struct Inbox {
    pub ledger: Ledger,
    pub acceptor: Acceptor,
    pub preparer: Preparer,
    pub settings: InboxSettings,
    /// Notified by the endpoints of this process.
    pub wake: Arc<Notify>,
}

impl Inbox {
    /// Works until `stop` is cancelled, and finishes the notifications in flight.
    pub async fn run(self, stop: CancellationToken) {
        let inbox = Arc::new(self);
        let ticker = Ticker::new(inbox.settings.poll_interval, stop);
        let mut in_flight = InFlight::default();
        let mut forgot_at = postrider_clock::monotonic();
        let mut is_running = ticker.tick(true).await;
        while is_running {
            if let Err(error) = inbox.take_due(&mut in_flight).await {
                tracing::warn!(%error, "taking notifications failed, retrying after recipes.poll_interval_ms");
            }
            if postrider_clock::monotonic() - forgot_at > FORGET_INTERVAL {
                forgot_at = postrider_clock::monotonic();
                if let Err(error) = inbox.ledger.delete_notifications(FORGET_AFTER_SECS, FORGET_MAX).await {
                    tracing::warn!(%error, "deleting old notifications failed, retrying in an hour");
                }
            }
            is_running = tokio::select! {
                is_running = ticker.tick(false) => is_running,
                () = inbox.wake.notified() => true,
                () = in_flight.join_next(), if !in_flight.is_empty() => true,
            };
        }
        in_flight.join_all().await;
    }

    /// Starts on the due notifications of connectors that are not in flight, so that no connector waits for the
    /// backlog or the slow system of another.
    async fn take_due(self: &Arc<Self>, in_flight: &mut InFlight) -> Result<(), LedgerError> {
        while in_flight.has_room() {
            let taken = self.ledger.take_notifications(TAKE_MAX, LEASE_SECS, &in_flight.names()).await?;
            if taken.is_empty() {
                break;
            }
            for (key, notifications) in by_connector(taken) {
                let inbox = Arc::clone(self);
                in_flight.spawn(key, async move {
                    if let Err(error) = inbox.work_off(notifications).await {
                        tracing::warn!(%error, "working on notifications failed; their leases expire and they are taken again");
                    }
                });
            }
        }
        Ok(())
    }

    /// Works off notifications of one connector.
    async fn work_off(&self, notifications: Vec<Notification>) -> Result<(), LedgerError> {
        let prepared = join_all(notifications.iter().map(|notification| self.prepare(notification))).await;
        let (mut jobs, mut submitted) = (Vec::new(), Vec::new());
        for (notification, prepared) in notifications.iter().zip(prepared) {
            match prepared {
                Ok(PreparedNotification::Job(job)) => {
                    jobs.push(job);
                    submitted.push(notification);
                }
                Ok(prepared) => self.settle(notification, prepared).await?,
                Err(error) => {
                    tracing::warn!(
                        %error,
                        recipe = notification.connector,
                        "preparing a notification failed; its lease expires and it is taken again"
                    );
                }
            }
        }
        let outcomes = self.accept_all(&submitted, &jobs).await?;
        for (notification, outcome) in submitted.into_iter().zip(outcomes) {
            let (word, id) = match outcome {
                AcceptOutcome::Accepted { id, .. } => ("accepted", id),
                AcceptOutcome::Duplicate { id, .. } => ("duplicate", id),
                AcceptOutcome::Rejected { id, .. } => ("rejected", id),
            };
            failpoint::on_word("notice_done", Some(&notification.name));
            count(notification, word);
            self.ledger.finish_notification(notification.key, word, Some(id)).await?;
        }
        Ok(())
    }

    /// Accepts jobs; one outcome each, in order. After a panic they are accepted one by one, and the one that panics
    /// again is kept as a rejected job.
    async fn accept_all(
        &self,
        notifications: &[&Notification],
        jobs: &[InboundJob],
    ) -> Result<Vec<AcceptOutcome>, LedgerError> {
        if let Some(outcomes) = self.accept(notifications, jobs).await {
            return outcomes;
        }
        let mut outcomes = Vec::with_capacity(jobs.len());
        for (notification, job) in notifications.iter().zip(jobs) {
            match self.accept(&[*notification], std::slice::from_ref(job)).await {
                Some(outcome) => outcomes.extend(outcome?),
                None => {
                    metrics::counter!(names::QUARANTINED, "kind" => "job").increment(1);
                    let id = self.reject(notification, job, vec![panic_problem()]).await?;
                    outcomes.push(AcceptOutcome::Rejected { id, problems: Vec::new() });
                }
            }
        }
        Ok(outcomes)
    }

    /// `None`: one of the jobs made the acceptance panic.
    async fn accept(
        &self,
        notifications: &[&Notification],
        jobs: &[InboundJob],
    ) -> Option<Result<Vec<AcceptOutcome>, LedgerError>> {
        let accepting = AssertUnwindSafe(async {
            for notification in notifications {
                failpoint::on_word("notice_accept", Some(&notification.name));
            }
            self.acceptor.accept(jobs).await
        });
        let outcomes = accepting.catch_unwind().await.ok();
        if outcomes.is_none() {
            metrics::counter!(names::PANICS, "place" => "notice").increment(1);
        }
        outcomes
    }

    /// Keeps a job with the rejected ones; returns its id there.
    async fn reject(
        &self,
        notification: &Notification,
        job: &InboundJob,
        problems: Vec<Problem>,
    ) -> Result<Uuid, LedgerError> {
        let is_test = matches!(job.entry_point, EntryPoint::Connector { test: true });
        let owner = Some(JobOwner { company: notification.company, test: is_test });
        let rejection = rejection(&self.acceptor.keys, job, owner, problems);
        let id = rejection.id;
        self.ledger.reject(&[rejection]).await?;
        Ok(id)
    }

    /// Prepares a notification. One that panics is rejected and delays no other.
    async fn prepare(&self, notification: &Notification) -> Result<PreparedNotification, LedgerError> {
        let prepared = AssertUnwindSafe(self.preparer.prepare(notification)).catch_unwind().await;
        prepared.unwrap_or_else(|_| {
            metrics::counter!(names::PANICS, "place" => "notice").increment(1);
            metrics::counter!(names::QUARANTINED, "kind" => "job").increment(1);
            Ok(self.preparer.quarantined(notification))
        })
    }

    /// Stores the result of a notification that made no job, or postpones it.
    async fn settle(
        &self,
        notification: &Notification,
        prepared: PreparedNotification,
    ) -> Result<(), LedgerError> {
        match prepared {
            PreparedNotification::Job(_) | PreparedNotification::Finished => Ok(()),
            PreparedNotification::NoRequest(reason) => {
                count(notification, reason);
                self.ledger.finish_notification(notification.key, reason, None).await
            }
            PreparedNotification::Postponed(reason) if notification.age_secs < self.settings.give_up_secs => {
                tracing::warn!(
                    recipe = notification.connector,
                    tries = notification.tries,
                    reason,
                    "preparing a notification failed, retrying later"
                );
                let secs = delay_secs(&self.settings.delays_secs, notification.tries);
                self.ledger.postpone_notification(notification.key, secs).await
            }
            PreparedNotification::Postponed(reason) => {
                let given_up = self.preparer.given_up(notification, &reason);
                Box::pin(self.settle(notification, given_up)).await
            }
            PreparedNotification::Reopened { debounce_secs } => {
                // `false`: facts were merged meanwhile, which may complete the interaction; it is looked at again.
                if !self.ledger.withdraw_notification(notification.key, notification.version).await? {
                    self.ledger.postpone_notification(notification.key, debounce_secs).await?;
                }
                Ok(())
            }
            PreparedNotification::Rejected(job, problems) => {
                let id = self.reject(notification, &job, problems).await?;
                count(notification, "rejected");
                self.ledger.finish_notification(notification.key, "rejected", Some(id)).await
            }
        }
    }
}

fn count(notification: &Notification, outcome: &'static str) {
    metrics::counter!(names::NOTICES, "recipe" => notification.connector.clone(), "outcome" => outcome)
        .increment(1);
}

/// Seconds until the next try, varied by ± 20 %.
fn delay_secs(delays_secs: &[f64], tries: i32) -> f64 {
    let index = usize::try_from(tries - 1).unwrap_or(0).min(delays_secs.len().saturating_sub(1));
    delays_secs.get(index).copied().unwrap_or(60.0) * (0.8 + 0.4 * postrider_clock::jitter())
}
