//! The calls to Mailgun: one finished MIME message, posted once; and questions about lost answers.
//!
//! Nothing of the domain's key, of the address or of the content reaches a log. The message comes from
//! `providers::email`, what an answer means is for `wire` and `look_up`, how far a failed call came for
//! `providers::http`.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use reqwest::header::CONTENT_TYPE;
use secrecy::SecretString;

use crate::{
    clock,
    providers::{
        CallFuture, Class, HttpClient, LookFuture, Looked, Outcome, Outgoing, OutgoingEmail, Provider,
        Sought,
        email::{message_id, mime},
        http::Caller,
        look_up::PAGES_MAX,
        wrong_medium,
    },
};

use super::{
    look_up::{Api, End, Findings, Question},
    wire,
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
    caller: Caller,
    domain: String,
}

impl Mailgun {
    /// `timeout` bounds a whole call, connect included.
    #[must_use]
    pub fn new(settings: MailgunSettings, http: &HttpClient, timeout: Duration) -> Mailgun {
        let MailgunSettings { base_url, domain, api_key } = settings;
        let caller = Caller::new(http, &base_url, ("api".to_owned(), api_key), timeout);
        Mailgun { caller, domain }
    }

    async fn post(&self, email: &OutgoingEmail) -> Outcome {
        let id = message_id(&email.correlation, &self.domain);
        let (content_type, form) = match mime(email, &id, clock::wall()) {
            Ok(bytes) => wire::form(email, &bytes),
            Err(error) => return Outcome::Refused(error.refusal()),
        };
        let request = self.caller.post(&wire::path(&self.domain));
        let request = request.header(CONTENT_TYPE, content_type).body(form);
        match self.caller.call(request).await {
            Ok(answer) => wire::classify(&answer, clock::wall()),
            Err(outcome) => outcome,
        }
    }

    async fn look_up_all(&self, sought: &[Sought]) -> Vec<Looked> {
        let until = clock::monotonic() + self.look_up_within();
        let batches: Vec<_> =
            sought.chunks(IDS_AT_ONCE).map(|batch| self.look_up_batch(batch, until)).collect();
        let looked: Vec<Vec<Looked>> = stream::iter(batches).buffered(QUESTIONS_AT_ONCE).collect().await;
        looked.into_iter().flatten().collect()
    }

    /// Asks both APIs, the newer one first; the second only for what has no end yet.
    async fn look_up_batch(&self, sought: &[Sought], until: Instant) -> Vec<Looked> {
        let whole = Question::about(sought, &self.domain, clock::wall());
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
        End::Unclear(Looked::unclear("too_many_pages"))
    }
}

impl Provider for Mailgun {
    fn class(&self) -> Class {
        Class::LookUp
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

    fn look_up<'a>(&'a self, sought: &'a [Sought]) -> LookFuture<'a> {
        Box::pin(self.look_up_all(sought))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::email;
    use reqwest::multipart;

    #[tokio::test]
    async fn a_form_is_just_what_the_http_client_would_write() {
        let email = email::tests::email();
        let mime = b"Subject: x\r\n\r\ny\r\n".as_slice();
        let file = multipart::Part::bytes(mime).file_name("message.eml").mime_str("message/rfc822").unwrap();
        let theirs = wire::fields(&email)
            .into_iter()
            .fold(multipart::Form::new(), |form, (name, value)| form.text(name, value))
            .part("message", file);
        let their_boundary = theirs.boundary().to_owned();
        let theirs: Vec<_> = theirs.into_stream().map(Result::unwrap).collect().await;
        let (content_type, ours) = wire::form(&email, mime);
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(text(ours).replace(boundary, &their_boundary), text(theirs.concat()));
    }
}
