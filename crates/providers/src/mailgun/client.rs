//! The calls to Mailgun: posts one finished MIME message per email, and queries messages with a lost response.
//!
//! Invariant: no API key, address or content reaches a log. `email` writes the message, `wire` and `lookup` read the
//! responses, `http` classifies a call without one.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use hyper::header::HeaderValue;
use secrecy::SecretString;

use crate::{
    CallFuture, HttpClient, LookupFuture, LookupQuery, LookupResult, Outcome, Outgoing, OutgoingEmail,
    Provider, StatusSource,
    email::{message_id, mime},
    http::{ProviderAddress, ProviderClient},
    lookup::PAGES_MAX,
    provider::wrong_medium,
};

use super::{
    lookup::{BatchQuery, Findings, LookupApi, SearchEnd},
    multipart, wire,
};

/// Message-IDs of one request; more would make its URL too long.
const IDS_PER_REQUEST: usize = 20;
/// Look-up requests in flight: few, because they share the account's rate limit with sending.
const LOOKUP_CONCURRENCY: usize = 4;

/// A sending domain at Mailgun.
#[derive(Debug, Clone)]
pub struct MailgunSettings {
    /// Scheme and host of the domain's region (US or EU).
    pub base_url: String,
    /// The sending domain; part of every path.
    pub domain: String,
    /// Password of the calls.
    pub api_key: SecretString,
}

/// Sends emails through one domain.
pub struct Mailgun {
    client: ProviderClient,
    domain: String,
}

impl Mailgun {
    /// `timeout` bounds a whole call, connect included.
    #[must_use]
    pub fn new(settings: MailgunSettings, http: &HttpClient, timeout: Duration) -> Mailgun {
        let MailgunSettings { base_url, domain, api_key } = settings;
        let user = "api".to_owned();
        let address = ProviderAddress { base_url, post_path: wire::path(&domain), user, secret: api_key };
        Mailgun { client: ProviderClient::new(http, address, timeout), domain }
    }

    async fn post(&self, email: &OutgoingEmail) -> Outcome {
        let id = message_id(&email.correlation, &self.domain);
        let mime = match mime(email, &id, postrider_clock::wall()) {
            Ok(mime) => mime,
            Err(error) => return Outcome::Refused(error.refusal()),
        };
        // Random, and drawn after the content was made, so that no content can contain it.
        let boundary = multipart::boundary(postrider_clock::random_id());
        let content_type = HeaderValue::try_from(multipart::content_type(&boundary))
            .expect("a boundary is letters, digits and dashes");
        let form = multipart::form(&boundary, &wire::fields(email), &mime);
        match self.client.send(content_type, form).await {
            Ok(response) => wire::classify(&response, postrider_clock::wall()),
            Err(outcome) => outcome,
        }
    }

    async fn lookup_all(&self, queries: &[LookupQuery]) -> Vec<LookupResult> {
        let deadline = postrider_clock::monotonic() + self.lookup_timeout();
        let batches: Vec<_> =
            queries.chunks(IDS_PER_REQUEST).map(|batch| self.lookup_batch(batch, deadline)).collect();
        let results: Vec<Vec<LookupResult>> =
            stream::iter(batches).buffered(LOOKUP_CONCURRENCY).collect().await;
        results.into_iter().flatten().collect()
    }

    /// Searches the newer API first; the other one only for messages without a final state so far.
    async fn lookup_batch(&self, queries: &[LookupQuery], deadline: Instant) -> Vec<LookupResult> {
        let batch = BatchQuery::new(queries, &self.domain, postrider_clock::wall());
        let mut findings = Findings::default();
        for api in [LookupApi::Logs, LookupApi::Events] {
            let open = findings.not_final(&batch);
            if !open.ids.is_empty() {
                let end = self.search(api, &open, deadline, &mut findings).await;
                findings.record_end(end);
            }
        }
        findings.results(&batch)
    }

    /// Reads all events of the batch at one API, page by page.
    async fn search(
        &self,
        api: LookupApi,
        batch: &BatchQuery<'_>,
        deadline: Instant,
        findings: &mut Findings,
    ) -> SearchEnd {
        let mut next: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let request = match (api, &next) {
                (LookupApi::Logs, token) => {
                    self.client.post(BatchQuery::LOGS_PATH).json(&batch.logs_body(token.as_deref()))
                }
                (LookupApi::Events, None) => self.client.get(&batch.events_path()),
                (LookupApi::Events, Some(path)) => self.client.get(path),
            };
            let response = match self.client.query(request, deadline).await {
                Ok(response) if next.is_none() && !api.is_available(&response) => {
                    return SearchEnd::NotAvailable;
                }
                Ok(response) => response,
                Err(unclear) => return SearchEnd::Unclear(unclear),
            };
            let page = match api.read_page(&response) {
                Ok(page) => page,
                Err(unclear) => return SearchEnd::Unclear(unclear),
            };
            findings.add(page.proofs);
            next = match page.next {
                Some(next) => Some(next),
                None => return SearchEnd::Complete,
            };
        }
        SearchEnd::Unclear(LookupResult::unclear("too_many_pages"))
    }
}

impl Provider for Mailgun {
    fn status_source(&self) -> StatusSource {
        StatusSource::Queryable
    }

    fn call_timeout(&self) -> Duration {
        self.client.timeout()
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> CallFuture<'a> {
        match message {
            Outgoing::Email(email) => Box::pin(self.post(email)),
            Outgoing::Sms(_) => wrong_medium(),
        }
    }

    fn lookup<'a>(&'a self, queries: &'a [LookupQuery]) -> LookupFuture<'a> {
        Box::pin(self.lookup_all(queries))
    }
}
