//! Posts webhooks over HTTP, counts them, and knows the URLs that are not part of a call.
//!
//! Posts in parallel are bounded. `webhook_sequence` decides which events are posted when; each provider's
//! folder builds the bodies.

use std::{
    sync::{PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::{Semaphore, watch};

const PARALLEL_POSTS_MAX: usize = 512;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const POST_TIMEOUT: Duration = Duration::from_secs(15);

/// Webhook URLs of the simulator's settings; Twilio's status callbacks name theirs in the call.
#[derive(Debug, Clone, Default)]
pub(crate) struct WebhookUrls {
    /// `{label}` stands for the first label of the sending domain.
    pub mailgun: Option<String>,
    pub twilio_inbound: Option<String>,
}

#[derive(Debug)]
pub(crate) struct WebhookSender {
    client: reqwest::Client,
    urls: RwLock<WebhookUrls>,
    permits: Semaphore,
    pending: watch::Sender<usize>,
    posted: watch::Sender<u64>,
}

/// One webhook, ready to be posted.
#[derive(Debug, Clone)]
pub(crate) struct WebhookPost {
    pub url: String,
    pub content_type: &'static str,
    /// The `X-Twilio-Signature` header.
    pub signature: Option<String>,
    pub body: Vec<u8>,
}

/// The result of one post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PostResult {
    Status(u16),
    ConnectFailed,
    /// Connected, and then no answer.
    NoAnswer,
}

/// Counts a message as pending until dropped.
#[derive(Debug)]
pub(crate) struct PendingGuard(watch::Sender<usize>);

impl Drop for PendingGuard {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl WebhookSender {
    pub(crate) fn new(urls: WebhookUrls) -> Result<WebhookSender, reqwest::Error> {
        // An error means that another part of the process has installed a crypto provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(POST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(PARALLEL_POSTS_MAX)
            .build()?;
        Ok(WebhookSender {
            client,
            urls: RwLock::new(urls),
            permits: Semaphore::new(PARALLEL_POSTS_MAX),
            pending: watch::Sender::new(0),
            posted: watch::Sender::new(0),
        })
    }

    pub(crate) fn urls(&self) -> WebhookUrls {
        self.urls.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_urls(&self, urls: WebhookUrls) {
        *self.urls.write().unwrap_or_else(PoisonError::into_inner) = urls;
    }

    pub(crate) fn count_pending(&self) -> PendingGuard {
        self.pending.send_modify(|count| *count += 1);
        PendingGuard(self.pending.clone())
    }

    /// Messages with webhooks to come, retries included.
    pub(crate) fn pending(&self) -> usize {
        *self.pending.borrow()
    }

    /// Posts so far.
    pub(crate) fn posted(&self) -> u64 {
        *self.posted.borrow()
    }

    /// Returns when no message is pending.
    pub(crate) async fn settled(&self) {
        let mut pending = self.pending.subscribe();
        let _ = pending.wait_for(|count| *count == 0).await;
    }

    /// Posts once.
    pub(crate) async fn post(&self, post: &WebhookPost) -> PostResult {
        let Ok(_permit) = self.permits.acquire().await else { return PostResult::NoAnswer };
        let mut request = self.client.post(&post.url).header("content-type", post.content_type);
        if let Some(signature) = &post.signature {
            request = request.header("x-twilio-signature", signature);
        }
        let result = match request.body(post.body.clone()).send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                // Read to the end, so that the connection can serve the next post.
                let _ = response.bytes().await;
                PostResult::Status(status)
            }
            Err(problem) if problem.is_connect() => PostResult::ConnectFailed,
            Err(_) => PostResult::NoAnswer,
        };
        self.posted.send_modify(|count| *count += 1);
        result
    }
}
