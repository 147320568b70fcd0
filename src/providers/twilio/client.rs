//! The call to Twilio: one form, posted once.
//!
//! Holds the account's credentials; nothing of them, of the number or of the text reaches a log. What
//! the answer means is for `wire`; how far a failed call came is for `providers::http`.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::{
    clock,
    providers::{CallFuture, Class, Outcome, Outgoing, OutgoingSms, Provider, RefusalKind, http},
};

use super::wire::{self, Sender};

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
    settings: TwilioSettings,
    http: reqwest::Client,
    timeout: Duration,
}

impl Twilio {
    /// `timeout` bounds a whole call, connect included.
    #[must_use]
    pub fn new(settings: TwilioSettings, http: &reqwest::Client, timeout: Duration) -> Twilio {
        Twilio { settings, http: http.clone(), timeout }
    }

    async fn create(&self, sms: &OutgoingSms) -> Outcome {
        let settings = &self.settings;
        let sender = Sender {
            from: settings.from.as_deref(),
            messaging_service_sid: settings.messaging_service_sid.as_deref(),
        };
        let user = settings.api_key_sid.as_deref().unwrap_or(&settings.account_sid);
        let request = self
            .http
            .post(wire::endpoint(&settings.base_url, &settings.account_sid))
            .basic_auth(user, Some(settings.api_secret.expose_secret()))
            .form(&wire::form(sms, sender));
        match http::call(request, self.timeout).await {
            Ok(answer) => wire::classify(&answer, clock::wall()),
            Err(outcome) => outcome,
        }
    }
}

impl Provider for Twilio {
    fn class(&self) -> Class {
        Class::LookUp
    }

    fn call_timeout(&self) -> Duration {
        self.timeout
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> CallFuture<'a> {
        match message {
            Outgoing::Sms(sms) => Box::pin(self.create(sms)),
            Outgoing::Email(_) => {
                Box::pin(std::future::ready(Outcome::refused(RefusalKind::Message, "wrong_medium")))
            }
        }
    }
}
