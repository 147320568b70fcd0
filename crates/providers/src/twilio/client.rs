//! The calls to Twilio: posts one form per message, and queries messages with a lost response.
//!
//! Invariant: no credential, number or text reaches a log. `wire` and `lookup` read the responses; `http` classifies
//! a call without one.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use hyper::header::HeaderValue;
use secrecy::SecretString;

use crate::{
    CallFuture, HttpClient, LookupFuture, LookupQuery, LookupResult, Outcome, Outgoing, OutgoingSms,
    Provider, StatusSource,
    http::{ProviderAddress, ProviderClient},
    lookup::PAGES_MAX,
    provider::wrong_medium,
};

use super::{
    lookup::{self, MessagePage},
    wire::{self, Sender},
};

/// Look-up requests in flight: few, because they share the account's rate limit with sending.
const LOOKUP_CONCURRENCY: usize = 4;

/// An account at Twilio.
#[derive(Debug, Clone)]
pub struct TwilioSettings {
    /// Scheme and host: `https://api.twilio.com`.
    pub base_url: String,
    /// SID of the account; part of every path.
    pub account_sid: String,
    /// User of the calls; `None` means `account_sid`.
    pub api_key_sid: Option<String>,
    /// Password of the calls: the API key's secret, or the account's auth token.
    pub api_secret: SecretString,
    /// Sender, see `wire::Sender`.
    pub from: Option<String>,
    /// Messaging service, see `wire::Sender`.
    pub messaging_service_sid: Option<String>,
}

/// Sends text messages through one account.
pub struct Twilio {
    client: ProviderClient,
    account_sid: String,
    from: Option<String>,
    messaging_service_sid: Option<String>,
}

impl Twilio {
    /// `timeout` bounds a whole call, connect included.
    #[must_use]
    pub fn new(settings: TwilioSettings, http: &HttpClient, timeout: Duration) -> Twilio {
        let TwilioSettings { base_url, account_sid, api_key_sid, api_secret, from, messaging_service_sid } =
            settings;
        let user = api_key_sid.unwrap_or_else(|| account_sid.clone());
        let post_path = wire::path(&account_sid);
        let address = ProviderAddress { base_url, post_path, user, secret: api_secret };
        Twilio {
            client: ProviderClient::new(http, address, timeout),
            account_sid,
            from,
            messaging_service_sid,
        }
    }

    async fn create(&self, sms: &OutgoingSms) -> Outcome {
        let sender = Sender {
            from: self.from.as_deref(),
            messaging_service_sid: self.messaging_service_sid.as_deref(),
        };
        let content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        match self.client.send(content_type, wire::form(sms, sender)).await {
            Ok(response) => wire::classify(&response, postrider_clock::wall()),
            Err(outcome) => outcome,
        }
    }

    async fn lookup_all(&self, queries: &[LookupQuery]) -> Vec<LookupResult> {
        let deadline = postrider_clock::monotonic() + self.lookup_timeout();
        let lookups: Vec<_> = queries.iter().map(|query| self.lookup_one(query, deadline)).collect();
        stream::iter(lookups).buffered(LOOKUP_CONCURRENCY).collect().await
    }

    async fn lookup_one(&self, query: &LookupQuery, deadline: Instant) -> LookupResult {
        match query.provider_id.as_deref().filter(|sid| wire::is_sid(sid)) {
            Some(sid) => self.fetch(sid, deadline).await,
            None => self.search(query, deadline).await,
        }
    }

    async fn fetch(&self, sid: &str, deadline: Instant) -> LookupResult {
        let request = self.client.get(&lookup::message_path(&self.account_sid, sid));
        match self.client.query(request, deadline).await {
            Ok(response) => lookup::read_message(&response, sid),
            Err(unclear) => unclear,
        }
    }

    /// Reads all messages to one number, page by page.
    async fn search(&self, query: &LookupQuery, deadline: Instant) -> LookupResult {
        let mut path = lookup::search_path(&self.account_sid, &query.to);
        let mut has_redacted = false;
        for _ in 0..PAGES_MAX {
            let response = self.client.query(self.client.get(&path), deadline).await;
            let page = match response.and_then(|response| lookup::read_page(&response, query)) {
                Ok(page) => page,
                Err(unclear) => return unclear,
            };
            has_redacted |= page.has_redacted;
            path = match page {
                MessagePage { found: Some(proof), .. } => return LookupResult::Found(proof),
                MessagePage { next: Some(next), .. } => next,
                // A redacted message may be the one of the query.
                MessagePage { next: None, .. } if has_redacted => {
                    return LookupResult::unclear("text_hidden");
                }
                MessagePage { next: None, .. } => return LookupResult::Absent,
            };
        }
        LookupResult::unclear("too_many_pages")
    }
}

impl Provider for Twilio {
    fn status_source(&self) -> StatusSource {
        StatusSource::Queryable
    }

    fn call_timeout(&self) -> Duration {
        self.client.timeout()
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> CallFuture<'a> {
        match message {
            Outgoing::Sms(sms) => Box::pin(self.create(sms)),
            Outgoing::Email(_) => wrong_medium(),
        }
    }

    fn lookup<'a>(&'a self, queries: &'a [LookupQuery]) -> LookupFuture<'a> {
        Box::pin(self.lookup_all(queries))
    }
}
