//! The webhooks of one message: records each status event, then posts it as the provider does.
//!
//! One task a message, so that its events keep their order. Mailgun retries after any answer but 2xx and 406
//! (its hours are compressed to seconds) and never for `delivered`; Twilio retries once, only if it could not
//! connect. The bodies are built in each provider's folder.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use crate::{
    call_plan::WebhookPosting,
    mailgun,
    records::{AcceptanceDetail, Accepted, Provider, RecordedEvent, StatusEvent},
    state::SimulatorState,
    twilio,
    webhook_sender::{PendingGuard, PostResult, WebhookPost},
};

/// Mailgun's 5 min, 10 min, 15 min, 1 h, 2 h and 4 h, divided by 3,000.
const MAILGUN_RETRIES_MILLIS: [u64; 6] = [100, 200, 300, 1_200, 2_400, 4_800];

/// One message, its events to come, and how they are posted.
#[derive(Debug)]
pub(crate) struct WebhookSequence {
    pub accepted: Accepted,
    pub detail: AcceptanceDetail,
    pub events: &'static [StatusEvent],
    pub posting: WebhookPosting,
}

impl WebhookSequence {
    /// Posts in a task of its own, which ends with the simulator.
    pub(crate) fn spawn(self, state: &Arc<SimulatorState>, pending: PendingGuard) -> JoinHandle<()> {
        let task_state = Arc::clone(state);
        state.tasks.spawn(async move {
            let _pending = pending;
            task_state.stop.run_until_cancelled(self.run(&task_state)).await;
        })
    }

    async fn run(&self, state: &SimulatorState) {
        let may_reorder = self.posting != WebhookPosting::BeforeAnswer && self.events.len() > 1;
        if may_reorder && state.faults.random.chance(state.faults.behaviour().webhook_reorder_rate) {
            return self.run_reversed(state).await;
        }
        for event in self.events {
            if self.posting != WebhookPosting::BeforeAnswer {
                state.faults.wait_webhook_delay().await;
            }
            let recorded = state.journal.record_event(&self.accepted.provider_id, *event).await;
            self.announce(state, recorded).await;
        }
    }

    /// Records the events in their order and posts them in reverse.
    async fn run_reversed(&self, state: &SimulatorState) {
        let mut all = Vec::new();
        for event in self.events {
            all.push(state.journal.record_event(&self.accepted.provider_id, *event).await);
        }
        for recorded in all.into_iter().rev() {
            state.faults.wait_webhook_delay().await;
            self.announce(state, recorded).await;
        }
    }

    /// Posts one event, late, twice or not at all where the posting or a random fault says so.
    async fn announce(&self, state: &SimulatorState, recorded: RecordedEvent) {
        let (behaviour, random) = (state.faults.behaviour(), &state.faults.random);
        if self.posting == WebhookPosting::Lost || random.chance(behaviour.webhook_loss_rate) {
            return;
        }
        if self.posting != WebhookPosting::BeforeAnswer && random.chance(behaviour.webhook_late_rate) {
            tokio::time::sleep(behaviour.webhook_late).await;
        }
        if let StatusEvent::Stopped { typed } = recorded.event {
            let (customer, sender) = (&self.accepted.recipient, &self.accepted.from);
            twilio::post_inbound_sms(state, customer, sender, "STOP", typed.then_some("STOP")).await;
            return;
        }
        let Some(post) = self.webhook(state, &recorded) else { return };
        self.post(state, &post, recorded).await;
        if self.posting == WebhookPosting::Twice {
            self.post(state, &post, recorded).await;
        } else if random.chance(behaviour.duplicate_webhook_rate) {
            // Built again: Mailgun signs a fresh token for the same event.
            let Some(duplicate) = self.webhook(state, &recorded) else { return };
            self.post(state, &duplicate, recorded).await;
        }
    }

    fn webhook(&self, state: &SimulatorState, recorded: &RecordedEvent) -> Option<WebhookPost> {
        match self.accepted.provider {
            Provider::Mailgun => mailgun::webhook(state, &self.accepted, &self.detail, recorded),
            Provider::Twilio => twilio::status_callback(state, &self.accepted, &self.detail, recorded),
            Provider::Smtp => None,
        }
    }

    async fn post(&self, state: &SimulatorState, post: &WebhookPost, recorded: RecordedEvent) {
        let first = state.webhooks.post(post).await;
        let last = match self.accepted.provider {
            Provider::Mailgun if recorded.event != StatusEvent::Delivered => {
                retry_mailgun(state, post, first).await
            }
            Provider::Twilio if first == PostResult::ConnectFailed => state.webhooks.post(post).await,
            Provider::Mailgun | Provider::Twilio | Provider::Smtp => first,
        };
        if matches!(last, PostResult::Status(200..=299)) {
            state.journal.change(|log| log.acknowledge(&self.accepted.provider_id, recorded.id));
        }
    }
}

/// Returns the result of the last post.
async fn retry_mailgun(state: &SimulatorState, post: &WebhookPost, first: PostResult) -> PostResult {
    let mut result = first;
    for millis in MAILGUN_RETRIES_MILLIS {
        if matches!(result, PostResult::Status(200..=299 | 406)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(millis)).await;
        result = state.webhooks.post(post).await;
    }
    result
}
