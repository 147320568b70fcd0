//! The environment: the same names for every program that `make bench` compares.
//!
//! Read once, at the start.

use anyhow::Context;

/// The medium of the messages, and with it the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// A text through Twilio.
    Sms,
    /// A finished message through Mailgun.
    Email,
}

#[derive(Debug)]
pub struct Settings {
    pub database_url: String,
    pub amqp_url: String,
    pub queue: String,
    pub medium: Medium,
    /// `host:port` of the provider, which speaks plain HTTP.
    pub provider: String,
    /// As the provider finds us; signatures cover it.
    pub public_url: String,
    pub listen_port: u16,
    pub account_sid: String,
    /// Twilio's token or Mailgun's key.
    pub auth_token: String,
    pub from_number: String,
    pub mail_domain: String,
}

impl Settings {
    pub fn from_environment() -> anyhow::Result<Settings> {
        let provider = read("PROVIDER_URL")?;
        let provider = provider.strip_prefix("http://").context("PROVIDER_URL is http://host:port")?;
        Ok(Settings {
            database_url: read("DATABASE_URL")?,
            amqp_url: read("AMQP_URL")?,
            queue: read("QUEUE")?,
            medium: if read("MEDIUM")? == "email" { Medium::Email } else { Medium::Sms },
            provider: provider.trim_end_matches('/').to_owned(),
            public_url: read("PUBLIC_URL")?.trim_end_matches('/').to_owned(),
            listen_port: read("LISTEN_PORT")?.parse().context("LISTEN_PORT is a port")?,
            account_sid: read("ACCOUNT_SID")?,
            auth_token: read("AUTH_TOKEN")?,
            from_number: read("FROM_NUMBER")?,
            mail_domain: read("MAIL_DOMAIN")?,
        })
    }
}

fn read(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}
