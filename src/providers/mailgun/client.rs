//! The call to Mailgun: one finished MIME message, posted once.
//!
//! Holds the domain's key; nothing of it, of the address or of the content reaches a log. The message
//! comes from `providers::email`, what the answer means is for `wire`, how far a failed call came for
//! `providers::http`.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    clock,
    providers::{
        CallFuture, Class, Outcome, Outgoing, OutgoingEmail, Provider, RefusalKind,
        email::{message_id, mime},
        http,
    },
};

use super::wire;

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
    settings: MailgunSettings,
    http: reqwest::Client,
    timeout: Duration,
}

impl Mailgun {
    /// `timeout` bounds a whole call, connect included.
    #[must_use]
    pub fn new(settings: MailgunSettings, http: &reqwest::Client, timeout: Duration) -> Mailgun {
        Mailgun { settings, http: http.clone(), timeout }
    }

    async fn post(&self, email: &OutgoingEmail) -> Outcome {
        let settings = &self.settings;
        let now = clock::wall();
        let id = message_id(&email.correlation, &settings.domain);
        let form = match mime(email, &id, now) {
            Ok(bytes) => form(email, bytes),
            Err(error) => return Outcome::Refused(error.refusal()),
        };
        let request = self
            .http
            .post(wire::endpoint(&settings.base_url, &settings.domain))
            .basic_auth("api", Some(settings.api_key.expose_secret()))
            .multipart(form);
        match http::call(request, self.timeout).await {
            Ok(answer) => wire::classify(&answer, clock::wall()),
            Err(outcome) => outcome,
        }
    }
}

/// `message` must be a file part with a name, or Mailgun does not see it.
fn form(email: &OutgoingEmail, mime: Vec<u8>) -> Form {
    let message = Part::bytes(mime)
        .file_name("message.eml")
        .mime_str("message/rfc822")
        .expect("message/rfc822 is a media type");
    let fields = wire::fields(email).into_iter();
    fields.fold(Form::new(), |form, (name, value)| form.text(name, value)).part("message", message)
}

impl Provider for Mailgun {
    fn class(&self) -> Class {
        Class::LookUp
    }

    fn call_timeout(&self) -> Duration {
        self.timeout
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> CallFuture<'a> {
        match message {
            Outgoing::Email(email) => Box::pin(self.post(email)),
            Outgoing::Sms(_) => {
                Box::pin(std::future::ready(Outcome::refused(RefusalKind::Message, "wrong_medium")))
            }
        }
    }
}
