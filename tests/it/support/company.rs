//! Policies for tests: one company with a brand, channels, a member and an account per provider.
//!
//! `standard` fits the seed bodies; tests change what they are about.

use std::net::SocketAddr;

use postrider_domain::{
    company::{Account, Brand, Channel, Member, Policy, ProviderSettings, SuppressionScope, policy::SmtpTls},
    ids::Medium,
};

/// Where the simulated providers listen.
#[derive(Debug, Clone, Copy)]
pub struct Providers {
    pub http: SocketAddr,
    pub smtp: SocketAddr,
}

/// A policy that accepts what the seeds print.
pub fn standard(slug: &str, providers: Providers) -> Policy {
    let channel =
        |name: &str| Channel { name: name.to_owned(), automatic: true, manual: true, delay_secs: None };
    Policy {
        slug: slug.to_owned(),
        name: "Blanca Peak".to_owned(),
        default_brand: Some("blanca".to_owned()),
        brands: vec![brand("blanca", "Blanca Peak"), brand("blancagold", "Blanca Gold")],
        channels: vec![channel("phone"), channel("chat"), channel("email")],
        accounts: vec![twilio(slug, providers.http), mailgun(slug, providers.http)],
        bindings: Vec::new(),
        suppression_days: 30,
        suppression_scope: SuppressionScope::Company,
        medium_preference: vec![Medium::Email, Medium::Sms],
        delay_secs: 0,
        expires_after_secs: 259_200,
        require_approved: true,
        admin_may_request_on_behalf: false,
        resend_if_absent: false,
        test_email: None,
        test_phone: None,
        connectors: Vec::new(),
        alerts: Default::default(),
    }
}

pub fn brand(label: &str, name: &str) -> Brand {
    Brand {
        label: label.to_owned(),
        name: name.to_owned(),
        survey_url: "https://survey.example.com/s/{request}".to_owned(),
        email_from: Some("feedback@blancapeak.example".to_owned()),
        reply_to: None,
        postal_address: Some("1 Peak Road, Blanca".to_owned()),
        language: "en".to_owned(),
        delay_secs: None,
        email_account: None,
        sms_account: None,
    }
}

pub fn twilio(slug: &str, http: SocketAddr) -> Account {
    Account {
        id: format!("{slug}-twilio"),
        rate_per_sec: 10_000,
        concurrency: 64,
        settings: ProviderSettings::Twilio {
            base_url: format!("http://{http}"),
            account_sid: "AC00000000000000000000000000000001".to_owned(),
            api_key_sid: None,
            api_secret_env: "POSTRIDER_SIMULATED_TWILIO".to_owned(),
            auth_token_env: "POSTRIDER_SIMULATED_TWILIO".to_owned(),
            from: Some("+15005550006".to_owned()),
            messaging_service_sid: None,
        },
    }
}

pub fn mailgun(slug: &str, http: SocketAddr) -> Account {
    Account {
        id: format!("{slug}-mailgun"),
        rate_per_sec: 10_000,
        concurrency: 64,
        settings: ProviderSettings::Mailgun {
            base_url: format!("http://{http}"),
            domain: "mg.blancapeak.example".to_owned(),
            api_key_env: "POSTRIDER_SIMULATED_MAILGUN".to_owned(),
            signing_key_env: "POSTRIDER_SIMULATED_SIGNING".to_owned(),
        },
    }
}

pub fn smtp(slug: &str, smtp: SocketAddr) -> Account {
    Account {
        id: format!("{slug}-smtp"),
        rate_per_sec: 10_000,
        concurrency: 16,
        settings: ProviderSettings::Smtp {
            host: smtp.ip().to_string(),
            port: smtp.port(),
            tls: SmtpTls::None,
            username: None,
            password_env: None,
            domain: "blancapeak.example".to_owned(),
        },
    }
}

/// The team member that the seeds name.
pub fn paul() -> Member {
    Member {
        email: Some("paulagent@blancapeak.com".to_owned()),
        custom_id: Some("ABC789".to_owned()),
        name: Some("Paul Agent".to_owned()),
        role: postrider_domain::company::Role::Member,
        approved: true,
    }
}
