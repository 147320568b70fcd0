//! The calls to Mailgun: one finished MIME message, posted once; and questions about lost answers.
//!
//! Nothing of the domain's key, of the address or of the content reaches a log. The message comes from
//! `providers::email`, what an answer means is for `wire` and `look_up`, how far a failed call came for
//! `providers::http`.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use hyper::header::HeaderValue;
use secrecy::SecretString;

use crate::{
    CallFuture, HttpClient, LookFuture, LookupQuery, LookupResult, Outcome, Outgoing, OutgoingEmail,
    Provider, StatusSource,
    email::{message_id, mime},
    http::{ProviderAddress, ProviderClient},
    look_up::PAGES_MAX,
    wrong_medium,
};

use super::{
    look_up::{Api, End, Findings, Question},
    multipart, wire,
};

/// Keeps the filter of a question well within what a URL may be long.
const IDS_AT_ONCE: usize = 20;
/// Polite to an account whose limits the sending calls need.
const QUESTIONS_AT_ONCE: usize = 4;

/// A sending domain at Mailgun, its key included.
#[derive(Debug, Clone)]
pub struct MailgunSettings {
    /// The region's host: a domain lives in one region only.
    pub base_url: String,
    pub domain: String,
    pub api_key: SecretString,
}

/// Sends emails through one domain.
pub struct Mailgun {
    caller: ProviderClient,
    domain: String,
}

impl Mailgun {
    /// `timeout` bounds a whole call, connect included.
    #[must_use]
    pub fn new(settings: MailgunSettings, http: &HttpClient, timeout: Duration) -> Mailgun {
        let MailgunSettings { base_url, domain, api_key } = settings;
        let user = "api".to_owned();
        let place = ProviderAddress { base_url, posting_path: wire::path(&domain), user, secret: api_key };
        let caller = ProviderClient::new(http, place, timeout);
        Mailgun { caller, domain }
    }

    async fn post(&self, email: &OutgoingEmail) -> Outcome {
        let id = message_id(&email.correlation, &self.domain);
        let mime = match mime(email, &id, postrider_clock::wall()) {
            Ok(mime) => mime,
            Err(error) => return Outcome::Refused(error.refusal()),
        };
        // Drawn after the content was made, so that nobody's content can hold it.
        let boundary = multipart::boundary(postrider_clock::random_id());
        let content_type = HeaderValue::try_from(multipart::content_type(&boundary))
            .expect("a boundary is letters, digits and dashes");
        let form = multipart::form(&boundary, &wire::fields(email), &mime);
        match self.caller.send(content_type, form).await {
            Ok(answer) => wire::classify(&answer, postrider_clock::wall()),
            Err(outcome) => outcome,
        }
    }

    async fn look_up_all(&self, sought: &[LookupQuery]) -> Vec<LookupResult> {
        let until = postrider_clock::monotonic() + self.look_up_within();
        let batches: Vec<_> =
            sought.chunks(IDS_AT_ONCE).map(|batch| self.look_up_batch(batch, until)).collect();
        let looked: Vec<Vec<LookupResult>> =
            stream::iter(batches).buffered(QUESTIONS_AT_ONCE).collect().await;
        looked.into_iter().flatten().collect()
    }

    /// Asks both APIs, the newer one first; the second only for what has no end yet.
    async fn look_up_batch(&self, sought: &[LookupQuery], until: Instant) -> Vec<LookupResult> {
        let whole = Question::about(sought, &self.domain, postrider_clock::wall());
        let mut findings = Findings::default();
        for api in [Api::Logs, Api::Events] {
            let open = findings.open(&whole);
            if !open.ids.is_empty() {
                let end = self.search(api, &open, until, &mut findings).await;
                findings.end(end);
            }
        }
        findings.looked(&whole)
    }

    /// Reads all that one API tells of the ids, page by page.
    async fn search(
        &self,
        api: Api,
        question: &Question<'_>,
        until: Instant,
        findings: &mut Findings,
    ) -> End {
        let mut place: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let request = match (api, &place) {
                (Api::Logs, token) => {
                    self.caller.post(Question::LOGS_PATH).json(&question.logs(token.as_deref()))
                }
                (Api::Events, None) => self.caller.get(&question.events_path()),
                (Api::Events, Some(path)) => self.caller.get(path),
            };
            let answer = match self.caller.ask(request, until).await {
                Ok(answer) if place.is_none() && !api.is_offered(&answer) => return End::NotOffered,
                Ok(answer) => answer,
                Err(unclear) => return End::Unclear(unclear),
            };
            let page = match api.read(&answer) {
                Ok(page) => page,
                Err(unclear) => return End::Unclear(unclear),
            };
            findings.note(page.told);
            place = match page.next {
                Some(next) => Some(next),
                None => return End::Complete,
            };
        }
        End::Unclear(LookupResult::unclear("too_many_pages"))
    }
}

impl Provider for Mailgun {
    fn class(&self) -> StatusSource {
        StatusSource::Queryable
    }

    fn call_timeout(&self) -> Duration {
        self.caller.timeout()
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> CallFuture<'a> {
        match message {
            Outgoing::Email(email) => Box::pin(self.post(email)),
            Outgoing::Sms(_) => wrong_medium(),
        }
    }

    fn look_up<'a>(&'a self, sought: &'a [LookupQuery]) -> LookFuture<'a> {
        Box::pin(self.look_up_all(sought))
    }
}
