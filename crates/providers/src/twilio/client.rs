//! The calls to Twilio: one form, posted once; and questions about messages whose answer was lost.
//!
//! Nothing of the credentials, of the number or of the text reaches a log. What an answer means is for
//! `wire` and `look_up`; how far a failed call came is for `providers::http`.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use hyper::header::HeaderValue;
use secrecy::SecretString;

use crate::{
    CallFuture, HttpClient, LookFuture, LookupQuery, LookupResult, Outcome, Outgoing, OutgoingSms, Provider,
    StatusSource,
    http::{ProviderAddress, ProviderClient},
    look_up::PAGES_MAX,
    wrong_medium,
};

use super::{
    look_up::{self, Page},
    wire::{self, Sender},
};

/// Polite to an account whose limits the sending calls need.
const QUESTIONS_AT_ONCE: usize = 4;

/// An account at Twilio, its secret included.
#[derive(Debug, Clone)]
pub struct TwilioSettings {
    pub base_url: String,
    pub account_sid: String,
    /// User of the calls; `None`: the account SID itself.
    pub api_key_sid: Option<String>,
    pub api_secret: SecretString,
    pub from: Option<String>,
    pub messaging_service_sid: Option<String>,
}

/// Sends texts through one account.
pub struct Twilio {
    caller: ProviderClient,
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
        let place =
            ProviderAddress { base_url, posting_path: wire::path(&account_sid), user, secret: api_secret };
        let caller = ProviderClient::new(http, place, timeout);
        Twilio { caller, account_sid, from, messaging_service_sid }
    }

    async fn create(&self, sms: &OutgoingSms) -> Outcome {
        let sender = Sender {
            from: self.from.as_deref(),
            messaging_service_sid: self.messaging_service_sid.as_deref(),
        };
        let content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        match self.caller.send(content_type, wire::form(sms, sender)).await {
            Ok(answer) => wire::classify(&answer, postrider_clock::wall()),
            Err(outcome) => outcome,
        }
    }

    async fn look_up_all(&self, sought: &[LookupQuery]) -> Vec<LookupResult> {
        let until = postrider_clock::monotonic() + self.look_up_within();
        let questions: Vec<_> = sought.iter().map(|one| self.look_up_one(one, until)).collect();
        stream::iter(questions).buffered(QUESTIONS_AT_ONCE).collect().await
    }

    async fn look_up_one(&self, sought: &LookupQuery, until: Instant) -> LookupResult {
        match sought.provider_id.as_deref().filter(|sid| wire::is_sid(sid)) {
            Some(sid) => self.fetch(sid, until).await,
            None => self.search(sought, until).await,
        }
    }

    async fn fetch(&self, sid: &str, until: Instant) -> LookupResult {
        let request = self.caller.get(&look_up::path_of(&self.account_sid, sid));
        match self.caller.ask(request, until).await {
            Ok(answer) => look_up::read_one(&answer, sid),
            Err(unclear) => unclear,
        }
    }

    /// Reads all messages to one number, page by page.
    async fn search(&self, sought: &LookupQuery, until: Instant) -> LookupResult {
        let mut path = look_up::search_path(&self.account_sid, &sought.to);
        let mut hidden = false;
        for _ in 0..PAGES_MAX {
            let answer = self.caller.ask(self.caller.get(&path), until).await;
            let page = match answer.and_then(|answer| look_up::read_page(&answer, sought)) {
                Ok(page) => page,
                Err(unclear) => return unclear,
            };
            hidden |= page.hidden;
            path = match page {
                Page { found: Some(proof), .. } => return LookupResult::Found(proof),
                Page { next: Some(next), .. } => next,
                // One of them may be the one that is sought.
                Page { next: None, .. } if hidden => return LookupResult::unclear("text_hidden"),
                Page { next: None, .. } => return LookupResult::Absent,
            };
        }
        LookupResult::unclear("too_many_pages")
    }
}

impl Provider for Twilio {
    fn class(&self) -> StatusSource {
        StatusSource::Queryable
    }

    fn call_timeout(&self) -> Duration {
        self.caller.timeout()
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> CallFuture<'a> {
        match message {
            Outgoing::Sms(sms) => Box::pin(self.create(sms)),
            Outgoing::Email(_) => wrong_medium(),
        }
    }

    fn look_up<'a>(&'a self, sought: &'a [LookupQuery]) -> LookFuture<'a> {
        Box::pin(self.look_up_all(sought))
    }
}
