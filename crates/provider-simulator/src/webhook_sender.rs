//! Receipts on their way: posts each message's notices to the webhooks, as each provider does.
//!
//! One task a message, so that its notices keep their order; posts at once are bounded. Mailgun tries
//! again after any answer but 2xx and 406 (its hours are compressed to seconds) and not at all for
//! `delivered`; Twilio once more, only when it could not connect. What is posted is built in each
//! provider's folder.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};

use super::{
    call_plan::Posting,
    mailgun,
    records::{Accepted, Detail, Line, Notice, Provider, Told},
    state::SimulatorState,
    twilio,
};

const POSTS_AT_ONCE_MAX: usize = 512;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const POST_TIMEOUT: Duration = Duration::from_secs(15);

/// Mailgun's 5 m, 10 m, 15 m, 1 h, 2 h, 4 h at a three-thousandth.
const MAILGUN_RETRIES_MILLIS: [u64; 6] = [100, 200, 300, 1_200, 2_400, 4_800];

#[derive(Debug)]
pub(super) struct WebhookSender {
    client: reqwest::Client,
    slots: Semaphore,
    pending: watch::Sender<usize>,
    posted: watch::Sender<u64>,
}

/// One message's notices and how they go out.
#[derive(Debug)]
pub(super) struct WebhookSequence {
    pub accepted: Accepted,
    pub detail: Detail,
    pub notices: &'static [Notice],
    pub posting: Posting,
}

/// One webhook post, ready to go.
#[derive(Debug, Clone)]
pub(super) struct Post {
    pub url: String,
    pub content_type: &'static str,
    pub signature: Option<String>,
    pub body: Vec<u8>,
}

/// Counts a message as pending until dropped.
#[derive(Debug)]
pub(super) struct Pending(watch::Sender<usize>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl WebhookSender {
    pub(super) fn new() -> Result<WebhookSender, reqwest::Error> {
        // An error says that another part of the process installed its provider before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(POST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(POSTS_AT_ONCE_MAX)
            .build()?;
        let slots = Semaphore::new(POSTS_AT_ONCE_MAX);
        Ok(WebhookSender { client, slots, pending: watch::Sender::new(0), posted: watch::Sender::new(0) })
    }

    pub(super) fn pending(&self) -> Pending {
        self.pending.send_modify(|count| *count += 1);
        Pending(self.pending.clone())
    }

    pub(super) fn pending_count(&self) -> usize {
        *self.pending.borrow()
    }

    pub(super) fn posted_count(&self) -> u64 {
        *self.posted.borrow()
    }

    pub(super) async fn settled(&self) {
        let mut pending = self.pending.subscribe();
        let _ = pending.wait_for(|count| *count == 0).await;
    }

    /// Posts once, and says what came of it.
    pub(super) async fn post(&self, post: &Post) -> Answered {
        let Ok(_slot) = self.slots.acquire().await else { return Answered::Nothing };
        let mut request = self.client.post(&post.url).header("content-type", post.content_type);
        if let Some(signature) = &post.signature {
            request = request.header("x-twilio-signature", signature);
        }
        let answered = match request.body(post.body.clone()).send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                // Read to the end, so that the connection can serve the next post.
                let _ = response.bytes().await;
                Answered::Status(status)
            }
            Err(problem) if problem.is_connect() => Answered::Unreached,
            Err(_) => Answered::Nothing,
        };
        self.posted.send_modify(|count| *count += 1);
        answered
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    Status(u16),
    Unreached,
    /// Connected, and then no answer.
    Nothing,
}

impl SimulatorState {
    pub(super) fn tell_in_background(
        self: &Arc<Self>,
        telling: WebhookSequence,
        pending: Pending,
    ) -> JoinHandle<()> {
        let house = Arc::clone(self);
        let life = self.life.clone();
        tokio::spawn(async move {
            let _alive = life.alive.clone();
            let _pending = pending;
            tokio::select! {
                () = house.tell_all(&telling) => {}
                () = life.ended() => {}
            }
        })
    }

    async fn tell_all(self: &Arc<Self>, telling: &WebhookSequence) {
        let several = telling.posting != Posting::Early && telling.notices.len() > 1;
        if several && self.falls(self.behaviour().webhook_reorder_rate) {
            self.tell_backwards(telling).await;
            return;
        }
        for notice in telling.notices {
            if telling.posting != Posting::Early {
                self.wait_before_a_receipt().await;
            }
            let told = self.happened(telling, *notice).await;
            self.announce(telling, told).await;
        }
    }

    /// Everything happens in its order, and is posted in the reverse one.
    async fn tell_backwards(self: &Arc<Self>, telling: &WebhookSequence) {
        let mut all = Vec::new();
        for notice in telling.notices {
            all.push(self.happened(telling, *notice).await);
        }
        for told in all.into_iter().rev() {
            self.wait_before_a_receipt().await;
            self.announce(telling, told).await;
        }
    }

    async fn wait_before_a_receipt(&self) {
        let delay = self.between(self.behaviour().webhook_delay);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// Writes a notice down.
    async fn happened(&self, telling: &WebhookSequence, notice: Notice) -> Told {
        let provider_id = telling.accepted.provider_id.clone();
        let told = Told {
            id: postrider_clock::random_id(),
            at: postrider_clock::wall(),
            notice,
            acknowledged: false,
        };
        if let Some(disk) = &self.disk {
            let line = Line::Told { provider_id: provider_id.clone(), told };
            if let Err(problem) = disk.write(&line).await {
                tracing::error!(%problem, "write simulator ledger");
            }
        }
        self.change(|book| book.tell(&provider_id, told));
        told
    }

    /// Posts what happened, or loses it.
    async fn announce(self: &Arc<Self>, telling: &WebhookSequence, told: Told) {
        let (behaviour, notice) = (self.behaviour(), told.notice);
        if telling.posting == Posting::Lost || self.falls(behaviour.webhook_loss_rate) {
            return;
        }
        if telling.posting != Posting::Early && self.falls(behaviour.webhook_late_rate) {
            tokio::time::sleep(behaviour.webhook_late).await;
        }
        if let Notice::Stopped { typed } = notice {
            let (theirs, ours) = (&telling.accepted.recipient, &telling.accepted.from);
            self.inbound_text(theirs, ours, "STOP", typed.then_some("STOP")).await;
            return;
        }
        let Some(post) = self.receipt(telling, &told) else { return };
        self.deliver(&post, telling, told).await;
        if telling.posting == Posting::Twice {
            self.deliver(&post, telling, told).await;
        } else if self.falls(behaviour.duplicate_webhook_rate) {
            // Built again: the same event under a new signature, where the provider signs a nonce.
            let Some(again) = self.receipt(telling, &told) else { return };
            self.deliver(&again, telling, told).await;
        }
    }

    fn receipt(&self, telling: &WebhookSequence, told: &Told) -> Option<Post> {
        let (accepted, detail) = (&telling.accepted, &telling.detail);
        match accepted.provider {
            Provider::Mailgun => mailgun::webhook(self, accepted, detail, told),
            Provider::Twilio => twilio::status_callback(self, accepted, detail, told),
            Provider::Smtp => None,
        }
    }

    async fn deliver(&self, post: &Post, telling: &WebhookSequence, told: Told) {
        let first = self.courier.post(post).await;
        let last = match telling.accepted.provider {
            Provider::Mailgun if told.notice != Notice::Delivered => self.retry_mailgun(post, first).await,
            Provider::Twilio if first == Answered::Unreached => self.courier.post(post).await,
            Provider::Mailgun | Provider::Twilio | Provider::Smtp => first,
        };
        if matches!(last, Answered::Status(200..=299)) {
            self.change(|book| book.acknowledge(&telling.accepted.provider_id, told.id));
        }
    }

    /// Gives the last answer.
    async fn retry_mailgun(&self, post: &Post, first: Answered) -> Answered {
        let mut answered = first;
        for millis in MAILGUN_RETRIES_MILLIS {
            if matches!(answered, Answered::Status(200..=299 | 406)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(millis)).await;
            answered = self.courier.post(post).await;
        }
        answered
    }
}
