//! The inbox: notices that are written down, worked off until each is a request, a rejection or nothing.
//!
//! Take → prepare (look up, map) → accept → finish. Every step may be the last of this process: the lease
//! of a notice runs out, another worker takes it up, finds the same job kept, and hands it in under the same
//! idempotency key. So none is lost and none is asked twice. Each recipe is worked off apart from the others:
//! a system that does not answer holds up nobody else's notices.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::join_all};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::{
    failpoint,
    intake::{AcceptOutcome, Acceptor, InboundJob, accept::rejection, inbound::EntryPoint},
    poison::suspect_jobs::panicked,
    telemetry::names,
    worker::stages::stopped,
};
use postrider_domain::document::Problem;
use postrider_ledger::{Ledger, LedgerError, notifications::Notification};

use crate::connectors::{
    in_flight::{UnderWay, by_recipe},
    kustomer::client::KustomerClient,
    prepare::{Prepared, delay_secs},
};

/// No recipe has more of them under way in one worker.
const TAKEN_AT_ONCE: i64 = 20;
/// Longer than any look-up may take, and the acceptance after it.
const LEASE_SECS: f64 = 120.0;
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// Longer than any sender repeats a notice.
const FORGET_AFTER_SECS: f64 = 30.0 * 86_400.0;
const FORGOTTEN_AT_ONCE: i64 = 1_000;

/// How long notices are tried.
#[derive(Debug, Clone)]
pub struct Patience {
    pub poll: Duration,
    /// Waits between tries; the last one repeats.
    pub delays_secs: Vec<f64>,
    pub give_up_secs: f64,
}

/// Works notices off.
pub struct Inbox {
    pub ledger: Ledger,
    pub acceptor: Acceptor,
    pub asking: KustomerClient,
    pub patience: Patience,
    /// Rung by the door of this process.
    pub bell: Arc<Notify>,
}

impl Inbox {
    /// Works until told to stop; what is under way is finished first.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let inbox = Arc::new(self);
        let mut under_way = UnderWay::default();
        let mut forgot = postrider_clock::monotonic();
        while !*stop.borrow() {
            if let Err(error) = inbox.take_up(&mut under_way).await {
                tracing::warn!(%error, "notices cannot be worked off; they wait");
            }
            if postrider_clock::monotonic() - forgot > FORGET_EVERY {
                forgot = postrider_clock::monotonic();
                if let Err(error) =
                    inbox.ledger.delete_notifications(FORGET_AFTER_SECS, FORGOTTEN_AT_ONCE).await
                {
                    tracing::warn!(%error, "old notices cannot be forgotten");
                }
            }
            let poll = inbox.patience.poll.mul_f64(0.8 + 0.4 * postrider_clock::jitter());
            tokio::select! {
                () = stopped(&mut stop) => break,
                () = inbox.bell.notified() => {}
                () = under_way.one_ended(), if !under_way.is_empty() => {}
                () = tokio::time::sleep(poll) => {}
            }
        }
        under_way.all_ended().await;
    }

    /// Begins with what is due now of recipes that are not under way: however many notices one of them has,
    /// and however slow its system is, the others are not behind it.
    async fn take_up(self: &Arc<Self>, under_way: &mut UnderWay) -> Result<(), LedgerError> {
        while under_way.has_room() {
            let taken = self.ledger.take_notifications(TAKEN_AT_ONCE, LEASE_SECS, &under_way.names()).await?;
            if taken.is_empty() {
                break;
            }
            for (whose, notices) in by_recipe(taken) {
                let inbox = Arc::clone(self);
                under_way.begin(whose, async move {
                    if let Err(error) = inbox.work_off(notices).await {
                        tracing::warn!(%error, "notices cannot be worked off; they wait");
                    }
                });
            }
        }
        Ok(())
    }

    /// Works off notices of one recipe.
    async fn work_off(&self, notices: Vec<Notification>) -> Result<(), LedgerError> {
        let prepared = join_all(notices.iter().map(|notice| self.prepared(notice))).await;
        let (mut arrivals, mut handed_in) = (Vec::new(), Vec::new());
        for (notice, prepared) in notices.iter().zip(prepared) {
            match prepared {
                Ok(Prepared::Job(arrival)) => {
                    arrivals.push(arrival);
                    handed_in.push(notice);
                }
                Ok(prepared) => self.settle(notice, prepared).await?,
                // Its lease runs out, and somebody takes it up again.
                Err(error) => {
                    tracing::warn!(%error, recipe = notice.connector, "a notice cannot be prepared")
                }
            }
        }
        let answers = self.accepted(&handed_in, &arrivals).await?;
        for (notice, answer) in handed_in.into_iter().zip(answers) {
            let (outcome, made) = match answer {
                AcceptOutcome::Accepted { id, .. } => ("accepted", id),
                AcceptOutcome::Duplicate { id, .. } => ("duplicate", id),
                AcceptOutcome::Rejected { id, .. } => ("rejected", id),
            };
            failpoint::on_word("notice_done", Some(&notice.name));
            count(notice, outcome);
            self.ledger.finish_notification(notice.key, outcome, Some(made)).await?;
        }
        Ok(())
    }

    /// Hands jobs in. Where one of them makes us panic, one by one: that one is kept until it is mended.
    async fn accepted(
        &self,
        notices: &[&Notification],
        arrivals: &[InboundJob],
    ) -> Result<Vec<AcceptOutcome>, LedgerError> {
        if let Some(answers) = self.accept(notices, arrivals).await {
            return answers;
        }
        let mut answers = Vec::with_capacity(arrivals.len());
        for (notice, arrival) in notices.iter().zip(arrivals) {
            match self.accept(&[*notice], std::slice::from_ref(arrival)).await {
                Some(answer) => answers.extend(answer?),
                None => {
                    metrics::counter!(names::QUARANTINED, "kind" => "job").increment(1);
                    let id = self.refuse(notice, arrival, vec![panicked()]).await?;
                    answers.push(AcceptOutcome::Rejected { id, problems: Vec::new() });
                }
            }
        }
        Ok(answers)
    }

    /// `None`: over one of these we panicked.
    async fn accept(
        &self,
        notices: &[&Notification],
        arrivals: &[InboundJob],
    ) -> Option<Result<Vec<AcceptOutcome>, LedgerError>> {
        let answers = AssertUnwindSafe(async {
            notices.iter().for_each(|notice| failpoint::on_word("notice_accept", Some(&notice.name)));
            self.acceptor.accept(arrivals).await
        });
        let answers = answers.catch_unwind().await.ok();
        if answers.is_none() {
            metrics::counter!(names::PANICS, "place" => "notice").increment(1);
        }
        answers
    }

    /// Keeps a job with the rejected ones; gives its id there.
    async fn refuse(
        &self,
        notice: &Notification,
        arrival: &InboundJob,
        problems: Vec<Problem>,
    ) -> Result<Uuid, LedgerError> {
        let whose =
            Some((notice.company, matches!(arrival.entry_point, EntryPoint::Connector { test: true })));
        let rejection = rejection(&self.acceptor.keys, arrival, whose, problems);
        let id = rejection.id;
        self.ledger.reject(&[rejection]).await?;
        Ok(id)
    }

    /// Prepares a notice; one over which we panic costs nobody else anything, and is kept until it is mended.
    async fn prepared(&self, notice: &Notification) -> Result<Prepared, LedgerError> {
        let prepared = AssertUnwindSafe(self.prepare(notice)).catch_unwind().await;
        prepared.unwrap_or_else(|_| {
            metrics::counter!(names::PANICS, "place" => "notice").increment(1);
            metrics::counter!(names::QUARANTINED, "kind" => "job").increment(1);
            Ok(Prepared::quarantined(notice, self.is_test(notice)))
        })
    }

    /// What needs no acceptance.
    async fn settle(&self, notice: &Notification, prepared: Prepared) -> Result<(), LedgerError> {
        match prepared {
            Prepared::Job(_) | Prepared::Over => Ok(()),
            Prepared::Nothing(why) => {
                count(notice, why);
                self.ledger.finish_notification(notice.key, why, None).await
            }
            Prepared::Later(why) if notice.age_secs < self.patience.give_up_secs => {
                tracing::warn!(recipe = notice.connector, tries = notice.tries, why, "a notice has to wait");
                let secs = delay_secs(&self.patience.delays_secs, notice.tries);
                self.ledger.postpone_notification(notice.key, secs).await
            }
            Prepared::Later(why) => {
                let given_up = Prepared::given_up(notice, self.is_test(notice), &why);
                Box::pin(self.settle(notice, given_up)).await
            }
            Prepared::Open { settle_secs } => {
                // Where more was told of it meanwhile, that may have been its end.
                if !self.ledger.withdraw_notification(notice.key, notice.version).await? {
                    self.ledger.postpone_notification(notice.key, settle_secs).await?;
                }
                Ok(())
            }
            Prepared::Refused(arrival, problems) => {
                let id = self.refuse(notice, &arrival, problems).await?;
                count(notice, "rejected");
                self.ledger.finish_notification(notice.key, "rejected", Some(id)).await
            }
        }
    }
}

fn count(notice: &Notification, outcome: &'static str) {
    metrics::counter!(names::NOTICES, "recipe" => notice.connector.clone(), "outcome" => outcome)
        .increment(1);
}
