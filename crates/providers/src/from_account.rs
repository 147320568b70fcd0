//! From an account's settings to its provider and to the keys of its webhooks.
//!
//! The only place that resolves the environment variables that accounts name. It reads no environment itself: the
//! caller passes a function that finds a secret by its variable. Nothing is connected here. Read `twilio`,
//! `mailgun` and `smtp` next.

use secrecy::{ExposeSecret, SecretString};

use postrider_domain::company::{Account, ProviderSettings};

use super::{
    HttpClient, Provider, Timeouts,
    mailgun::{Mailgun, MailgunSettings},
    smtp::{Smtp, SmtpSettings},
    twilio::{Twilio, TwilioSettings},
};

/// A secret that an account needs is absent or empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the account needs a secret: set the environment variable {variable}")]
pub struct MissingCredential {
    /// Name of the environment variable.
    pub variable: String,
}

/// The keys that verify an account's webhooks. During a rotation several keys are valid at once: the environment
/// variable lists them, separated by commas.
#[derive(Debug, Clone)]
pub enum WebhookKeys {
    /// For `twilio::verify`.
    Twilio {
        /// Never empty.
        auth_tokens: Vec<SecretString>,
    },
    /// For `mailgun::verify`.
    Mailgun {
        /// Never empty.
        signing_keys: Vec<SecretString>,
    },
    /// The provider sends no webhooks: a webhook for this account is forged.
    NoWebhooks,
}

/// Builds the provider of an account. `secret` finds the value of an environment variable.
///
/// # Errors
///
/// If a secret that the account names is absent or empty.
pub fn build_provider(
    account: &Account,
    secret: &dyn Fn(&str) -> Option<SecretString>,
    http: &HttpClient,
    timeouts: Timeouts,
) -> Result<Box<dyn Provider>, MissingCredential> {
    Ok(match &account.settings {
        ProviderSettings::Twilio {
            base_url,
            account_sid,
            api_key_sid,
            api_secret_env,
            auth_token_env: _,
            from,
            messaging_service_sid,
        } => {
            let settings = TwilioSettings {
                base_url: base_url.clone(),
                account_sid: account_sid.clone(),
                api_key_sid: api_key_sid.clone(),
                api_secret: required_secret(secret, api_secret_env)?,
                from: from.clone(),
                messaging_service_sid: messaging_service_sid.clone(),
            };
            Box::new(Twilio::new(settings, http, timeouts.http))
        }
        ProviderSettings::Mailgun { base_url, domain, api_key_env, .. } => {
            let settings = MailgunSettings {
                base_url: base_url.clone(),
                domain: domain.clone(),
                api_key: required_secret(secret, api_key_env)?,
            };
            Box::new(Mailgun::new(settings, http, timeouts.http))
        }
        ProviderSettings::Smtp { host, port, tls, username, password_env, domain } => {
            let login = match (username, password_env) {
                (Some(username), Some(variable)) => {
                    Some((username.clone(), required_secret(secret, variable)?))
                }
                (Some(_), None) => return Err(MissingCredential { variable: "password_env".to_owned() }),
                (None, _) => None,
            };
            let settings =
                SmtpSettings { host: host.clone(), port: *port, tls: *tls, login, domain: domain.clone() };
            Box::new(Smtp::new(settings, timeouts.connect, timeouts.smtp))
        }
    })
}

/// The keys that verify an account's webhooks.
///
/// # Errors
///
/// If the secret that the account names is absent or empty.
pub fn webhook_keys(
    account: &Account,
    secret: &dyn Fn(&str) -> Option<SecretString>,
) -> Result<WebhookKeys, MissingCredential> {
    match &account.settings {
        ProviderSettings::Twilio { auth_token_env, .. } => {
            Ok(WebhookKeys::Twilio { auth_tokens: listed_secrets(secret, auth_token_env)? })
        }
        ProviderSettings::Mailgun { signing_key_env, .. } => {
            Ok(WebhookKeys::Mailgun { signing_keys: listed_secrets(secret, signing_key_env)? })
        }
        ProviderSettings::Smtp { .. } => Ok(WebhookKeys::NoWebhooks),
    }
}

fn required_secret(
    secret: &dyn Fn(&str) -> Option<SecretString>,
    variable: &str,
) -> Result<SecretString, MissingCredential> {
    secret(variable)
        .filter(|value| !value.expose_secret().trim().is_empty())
        .ok_or_else(|| MissingCredential { variable: variable.to_owned() })
}

fn listed_secrets(
    secret: &dyn Fn(&str) -> Option<SecretString>,
    variable: &str,
) -> Result<Vec<SecretString>, MissingCredential> {
    let all = required_secret(secret, variable)?;
    let keys: Vec<SecretString> = all
        .expose_secret()
        .split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .map(SecretString::from)
        .collect();
    if keys.is_empty() { Err(MissingCredential { variable: variable.to_owned() }) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_domain::company::policy::SmtpTls;

    fn account(settings: ProviderSettings) -> Account {
        Account { id: "a1".to_owned(), rate_per_sec: 1, concurrency: 1, settings }
    }

    fn twilio() -> Account {
        account(ProviderSettings::Twilio {
            base_url: "http://127.0.0.1:1".to_owned(),
            account_sid: "AC0".to_owned(),
            api_key_sid: None,
            api_secret_env: "SECRET".to_owned(),
            auth_token_env: "TOKEN".to_owned(),
            from: Some("+15005550006".to_owned()),
            messaging_service_sid: None,
        })
    }

    fn smtp(username: Option<&str>, password_env: Option<&str>) -> Account {
        account(ProviderSettings::Smtp {
            host: "localhost".to_owned(),
            port: 25,
            tls: SmtpTls::Starttls,
            username: username.map(str::to_owned),
            password_env: password_env.map(str::to_owned),
            domain: "example.org".to_owned(),
        })
    }

    fn missing(account: &Account, value: &'static str) -> Option<String> {
        let timeouts = Timeouts::default();
        let http = HttpClient::new(&timeouts).expect("a client");
        let secret = |_: &str| Some(SecretString::from(value));
        build_provider(account, &secret, &http, timeouts).err().map(|error| error.variable)
    }

    #[test]
    fn a_missing_or_empty_secret_is_named_by_its_variable() {
        assert_eq!(missing(&twilio(), ""), Some("SECRET".to_owned()));
        assert_eq!(missing(&twilio(), " "), Some("SECRET".to_owned()));
        assert_eq!(missing(&twilio(), "s"), None);
        assert_eq!(missing(&smtp(Some("me"), None), "s"), Some("password_env".to_owned()));
        assert_eq!(missing(&smtp(Some("me"), Some("PASS")), ""), Some("PASS".to_owned()));
        assert_eq!(missing(&smtp(None, None), ""), None, "a relay may need no login");
        let error = webhook_keys(&twilio(), &|_| None).expect_err("no token");
        assert_eq!(error.to_string(), "the account needs a secret: set the environment variable TOKEN");
    }

    #[test]
    fn webhook_keys_of_a_rotation_are_listed_with_commas() {
        let keys = |value: &'static str| webhook_keys(&twilio(), &move |_| Some(SecretString::from(value)));
        let Ok(WebhookKeys::Twilio { auth_tokens }) = keys("new, old,") else { panic!("twilio's keys") };
        let exposed: Vec<&str> = auth_tokens.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(exposed, ["new", "old"]);
        assert!(keys(" , ").is_err(), "a list of nothing would verify nothing");
        assert!(matches!(webhook_keys(&smtp(None, None), &|_| None), Ok(WebhookKeys::NoWebhooks)));
    }
}
