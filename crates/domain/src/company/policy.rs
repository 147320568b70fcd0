//! The policy document: everything about a company that the rules and the senders read, but for its
//! team members, which are rows.
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
    pub name: String,
    /// Label of the brand of jobs that name none; `None` only where there are several brands and the
    /// company wants every job to name its own.
    pub default_brand: Option<String>,
    pub brands: Vec<Brand>,
    pub channels: Vec<Channel>,
    pub accounts: Vec<Account>,
    /// Broker users that may speak for this company.
    pub bindings: Vec<Binding>,
    /// Days between two asks of one person; 0 switches the rule off.
    pub suppression_days: u32,
    pub suppression_scope: SuppressionScope,
    /// Order in which media are tried when the job names none.
    pub medium_preference: Vec<Medium>,
    /// Delay of requests whose job, channel and brand name none.
    pub delay_secs: u32,
    /// How long after its first due time a request may still go out.
    pub expires_after_secs: u32,
    /// Refuse jobs whose team member is not approved.
    pub require_approved: bool,
    /// Company administrators may ask by hand on behalf of team members.
    #[serde(default)]
    pub admin_may_request_on_behalf: bool,
    /// Send an email once more where its provider answered nothing and later has no trace of it. At worst
    /// the customer gets it twice.
    #[serde(default)]
    pub resend_if_absent: bool,
    /// Where messages of test requests go, by medium; a test never reaches its customer.
    #[serde(default)]
    pub test_email: Option<String>,
    #[serde(default)]
    pub test_phone: Option<String>,
    /// Systems whose notices make requests by themselves.
    #[serde(default, rename = "recipes")]
    pub connectors: Vec<Connector>,
    /// Who hears of refused jobs, and when.
    #[serde(default)]
    pub alerts: Alerts,
}

/// One brand: who asks, and where the survey is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brand {
    /// What jobs call it.
    pub label: String,
    /// What customers read.
    pub name: String,
    /// http(s) URL; `{request}` in it is replaced by the request's id, else it is appended as `?r=`.
    pub survey_url: String,
    /// Sender of email, as `local@domain`.
    pub email_from: Option<String>,
    pub reply_to: Option<String>,
    /// Shown at the foot of email, as many laws ask.
    pub postal_address: Option<String>,
    /// Language of customers whose job names none or one that we have no text in.
    pub language: String,
    pub delay_secs: Option<u32>,
    /// Account ids by medium; `None`: the company's first account of that medium.
    pub email_account: Option<String>,
    pub sms_account: Option<String>,
}

/// One integrated interaction channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    pub name: String,
    pub automatic: bool,
    pub manual: bool,
    pub delay_secs: Option<u32>,
}

/// A broker user that may publish jobs for this company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
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
    /// Calls per second over all workers' sum is the operator's business; this bounds one worker.
    pub rate_per_sec: u32,
    /// Calls in flight per worker.
    pub concurrency: u32,
    pub settings: ProviderSettings,
}

/// How to reach a provider. Every `*_env` names an environment variable of the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase", deny_unknown_fields)]
pub enum ProviderSettings {
    Twilio {
        /// e.g. `https://api.twilio.com`
        base_url: String,
        account_sid: String,
        /// API key SID for calls; `None`: the account SID itself.
        api_key_sid: Option<String>,
        /// Secret of the API key, or the auth token where there is no key.
        api_secret_env: String,
        /// The primary auth token, which signs webhooks.
        auth_token_env: String,
        /// E.164 sender; one of the two.
        from: Option<String>,
        messaging_service_sid: Option<String>,
    },
    Mailgun {
        /// e.g. `https://api.mailgun.net` or the EU host
        base_url: String,
        domain: String,
        api_key_env: String,
        signing_key_env: String,
    },
    Smtp {
        host: String,
        port: u16,
        tls: SmtpTls,
        username: Option<String>,
        password_env: Option<String>,
        /// Domain of our Message-Ids.
        domain: String,
    },
}

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SuppressionScope {
    Company,
    Brand,
}

impl Account {
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

/// The recipient of a test's message where the company names none: it is nobody's, and the built-in
/// simulator takes it.
#[must_use]
pub fn sandbox_address(medium: Medium) -> &'static str {
    match medium {
        Medium::Email => "simulated@postrider.invalid",
        Medium::Sms => "+15005550000",
    }
}

impl Policy {
    #[must_use]
    pub fn brand(&self, label: &str) -> Option<&Brand> {
        self.brands.iter().find(|brand| brand.label == label)
    }

    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    #[must_use]
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    #[must_use]
    pub fn connector(&self, id: &str) -> Option<&Connector> {
        self.connectors.iter().find(|connector| connector.id == id)
    }

    /// Where a test request's message goes instead of to its customer.
    #[must_use]
    pub fn test_address(&self, medium: Medium) -> Option<&str> {
        match medium {
            Medium::Email => self.test_email.as_deref(),
            Medium::Sms => self.test_phone.as_deref(),
        }
    }

    /// The brand in whose name alerts are sent: the default one, else the first that can send email.
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
