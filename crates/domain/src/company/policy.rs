//! The policy document: every setting of a company that the rules and the senders read. Team members are rows
//! of their own.
//!
//! Stored as JSON, append-only, one version per change. Secrets are never in it: accounts name the
//! environment variables that hold them.

use serde::{Deserialize, Serialize};

use crate::ids::Medium;

use super::{Alerts, Connector};

/// A company's settings at one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// `[a-z0-9-]{1,63}`; the last part of the routing key.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// Label of the brand of jobs that name none; `None` only where there are several brands and the
    /// company wants every job to name its own.
    pub default_brand: Option<String>,
    /// At least one.
    pub brands: Vec<Brand>,
    /// The integrated channels.
    pub channels: Vec<Channel>,
    /// In order: the first account of a medium is its default.
    pub accounts: Vec<Account>,
    /// Broker users that may publish for this company.
    pub bindings: Vec<Binding>,
    /// Days between two asks of one person; 0 switches the rule off.
    pub suppression_days: u32,
    /// The scope in which a person counts as asked.
    pub suppression_scope: SuppressionScope,
    /// Order in which media are tried when the job names none.
    pub medium_preference: Vec<Medium>,
    /// Seconds of delay where job, channel and brand give none.
    pub delay_secs: u32,
    /// Seconds after its first due time in which a request may still be sent.
    pub expires_after_secs: u32,
    /// Reject jobs about a team member that is not approved.
    pub require_approved: bool,
    /// Company administrators may ask by hand on behalf of team members.
    #[serde(default)]
    pub admin_may_request_on_behalf: bool,
    /// Send an email once more where its provider answered nothing and later has no trace of it. At worst
    /// the customer gets it twice.
    #[serde(default)]
    pub resend_if_absent: bool,
    /// Recipient of test requests by email; a test request never reaches its customer.
    #[serde(default)]
    pub test_email: Option<String>,
    /// E.164.
    #[serde(default)]
    pub test_phone: Option<String>,
    /// Connected systems with notifications that make requests.
    #[serde(default, rename = "recipes")]
    pub connectors: Vec<Connector>,
    /// Alerts about refused jobs.
    #[serde(default)]
    pub alerts: Alerts,
}

/// One brand: the sender of requests, and the place of its survey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brand {
    /// The name in jobs.
    pub label: String,
    /// The name that customers read.
    pub name: String,
    /// http(s) URL; `{request}` in it is replaced by the request's id, else it is appended as `?r=`.
    pub survey_url: String,
    /// Sender of email, as `local@domain`.
    pub email_from: Option<String>,
    /// Reply-To of email.
    pub reply_to: Option<String>,
    /// Shown at the foot of email, as many laws ask.
    pub postal_address: Option<String>,
    /// Language where the job names none or one without texts (BCP 47).
    pub language: String,
    /// Seconds of delay where job and channel give none.
    pub delay_secs: Option<u32>,
    /// Account id for email; `None`: the company's first email account.
    pub email_account: Option<String>,
    /// As `email_account`, for text messages.
    pub sms_account: Option<String>,
}

/// One integrated interaction channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// The name in jobs.
    pub name: String,
    /// Open to jobs of systems.
    pub automatic: bool,
    /// Open to requests by hand.
    pub manual: bool,
    /// Seconds of delay where the job gives none.
    pub delay_secs: Option<u32>,
}

/// A broker user that may publish jobs for this company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// Name of the broker user.
    pub user: String,
    /// Jobs of a test binding take the real path but reserve nothing and reach no customer.
    #[serde(default)]
    pub test: bool,
}

/// A company's credentials at one provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Opaque, unique over all companies; part of the webhook's path.
    pub id: String,
    /// Calls per second of one worker; the operator divides the provider's limit by the number of workers.
    pub rate_per_sec: u32,
    /// Calls in flight per worker.
    pub concurrency: u32,
    /// The provider's own settings.
    pub settings: ProviderSettings,
}

/// How to reach a provider. Every `*_env` names an environment variable of the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase", deny_unknown_fields)]
pub enum ProviderSettings {
    /// Text messages by Twilio.
    Twilio {
        /// e.g. `https://api.twilio.com`
        base_url: String,
        /// Account SID.
        account_sid: String,
        /// API key SID for calls; `None`: the account SID itself.
        api_key_sid: Option<String>,
        /// Secret of the API key, or the auth token where there is no key.
        api_secret_env: String,
        /// The primary auth token, which signs webhooks.
        auth_token_env: String,
        /// E.164 sender, instead of `messaging_service_sid`.
        from: Option<String>,
        /// Messaging service, instead of `from`.
        messaging_service_sid: Option<String>,
    },
    /// Email by Mailgun's HTTP API.
    Mailgun {
        /// e.g. `https://api.mailgun.net` or the EU host
        base_url: String,
        /// Sending domain.
        domain: String,
        /// Variable of the API key.
        api_key_env: String,
        /// Variable of the webhook signing key.
        signing_key_env: String,
    },
    /// Email by SMTP.
    Smtp {
        /// Host name or IP address.
        host: String,
        /// TCP port.
        port: u16,
        /// Encryption of the connection.
        tls: SmtpTls,
        /// User name; `None`: no authentication.
        username: Option<String>,
        /// Variable of the password.
        password_env: Option<String>,
        /// Domain of our Message-Ids.
        domain: String,
    },
}

/// Encryption of an SMTP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// TLS from the first byte (port 465).
    Implicit,
    /// STARTTLS, required (port 587).
    Starttls,
    /// Plain; loopback and private relays only.
    None,
}

/// The scope of the suppression period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SuppressionScope {
    /// A person is asked once per company.
    Company,
    /// A person is asked once per brand.
    Brand,
}

impl Account {
    /// The medium that the provider delivers by.
    #[must_use]
    pub fn medium(&self) -> Medium {
        match self.settings {
            ProviderSettings::Twilio { .. } => Medium::Sms,
            ProviderSettings::Mailgun { .. } | ProviderSettings::Smtp { .. } => Medium::Email,
        }
    }

    /// The provider's word in webhook paths, metrics and lists.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        match self.settings {
            ProviderSettings::Twilio { .. } => "twilio",
            ProviderSettings::Mailgun { .. } => "mailgun",
            ProviderSettings::Smtp { .. } => "smtp",
        }
    }
}

/// The recipient of a test request where the company names none: an address without an owner, handled by
/// `dispatch::sandbox` without a call.
#[must_use]
pub fn sandbox_address(medium: Medium) -> &'static str {
    match medium {
        Medium::Email => "simulated@postrider.invalid",
        Medium::Sms => "+15005550000",
    }
}

impl Policy {
    /// The brand with this label.
    #[must_use]
    pub fn brand(&self, label: &str) -> Option<&Brand> {
        self.brands.iter().find(|brand| brand.label == label)
    }

    /// The channel with this name.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// The account with this id.
    #[must_use]
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    /// The connector with this id.
    #[must_use]
    pub fn connector(&self, id: &str) -> Option<&Connector> {
        self.connectors.iter().find(|connector| connector.id == id)
    }

    /// The company's recipient of test requests for `medium`.
    #[must_use]
    pub fn test_address(&self, medium: Medium) -> Option<&str> {
        match medium {
            Medium::Email => self.test_email.as_deref(),
            Medium::Sms => self.test_phone.as_deref(),
        }
    }

    /// The sending brand of alerts: the default one, else the first that can send email.
    #[must_use]
    pub fn alerting_brand(&self) -> Option<(&Brand, &Account)> {
        let default = self.default_brand.as_deref().and_then(|label| self.brand(label));
        default.into_iter().chain(&self.brands).find_map(|brand| {
            let account = self.account_for(brand, Medium::Email)?;
            brand.email_from.as_ref().map(|_| (brand, account))
        })
    }

    /// The account through which `brand` sends by `medium`: the brand's own, else the first.
    #[must_use]
    pub fn account_for(&self, brand: &Brand, medium: Medium) -> Option<&Account> {
        let named = match medium {
            Medium::Email => brand.email_account.as_deref(),
            Medium::Sms => brand.sms_account.as_deref(),
        };
        match named {
            Some(id) => self.account(id),
            None => self.accounts.iter().find(|account| account.medium() == medium),
        }
    }
}
