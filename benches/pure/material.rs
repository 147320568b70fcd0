//! Inputs of the benches: a company, its keys, and one job of `make bench` on every step of its way.
//!
//! No I/O. Each step is made by the product's own function, so that no bench runs on a shape which the
//! product never makes.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use chrono::{DateTime, TimeZone, Utc};
use postrider::intake::{
    decide::{Prepared, prepare},
    lookup_keys,
    pending::Pending,
};
use postrider_domain::{
    company::Company,
    content::RenderFacts,
    hash_keys::SecretKeys,
    ids::{AccountId, CompanyId, Medium, MessageId},
    job::{Job, JobOrigin, parse::parse},
};
use postrider_providers::{Correlation, OutgoingSms, TokenKey};
use uuid::Uuid;

use crate::{
    company::{Providers, standard},
    jobs::{COMPANY, job},
};

pub const SURVEY_URL: &str = "https://survey.example.com/s/0199aa7c-5d7e-7c31-9a52-6b8a1f0e4d21";
pub const UNSUBSCRIBE_URL: &str = "https://ask.blancapeak.example/unsubscribe/\
    0199aa7c5d7e7c319a526b8a1f0e4d21/5f0c1a9be27d4e8391b6c2d40f7a8e13";
pub const ACCOUNT: AccountId = AccountId(1);

const NUMBER: usize = 4_321;
const NO_PROPERTIES: &BTreeMap<String, String> = &BTreeMap::new();

pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 20, 9, 30, 0).single().expect("a time that exists")
}

pub fn keys() -> SecretKeys {
    SecretKeys::derive(b"a secret of the bench")
}

pub fn token_key() -> TokenKey {
    TokenKey::new(vec![keys().token])
}

pub fn company() -> Arc<Company> {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let policy = standard(COMPANY, Providers { http: nowhere, smtp: nowhere });
    let ids = policy.accounts.iter().zip(1..).map(|(account, id)| (account.id.clone(), AccountId(id)));
    Arc::new(Company { id: CompanyId(1), version: 1, account_ids: ids.collect(), policy })
}

/// The bytes of one job.
pub fn body(medium: Medium) -> Vec<u8> {
    job(NUMBER, medium).body.into_bytes()
}

/// The idempotency key that the producer's property carries.
pub fn key() -> String {
    job(NUMBER, Medium::Sms).key
}

pub fn parsed(medium: Medium) -> Job {
    parse(&body(medium)).expect("the bench's job is one that is taken")
}

/// As `intake::admit` makes it of a parsed job.
pub fn pending(keys: &SecretKeys, company: &Arc<Company>, job: Job, key: &str) -> Pending {
    let idempotency = lookup_keys::idempotency(&keys.identity, company, &job, Some(key));
    Pending {
        place: 0,
        company: Arc::clone(company),
        job: Arc::new(job),
        origin: JobOrigin::Automatic,
        source_code: 0,
        test: false,
        suspect: None,
        idempotency_hash: idempotency.hash,
        key_is_derived: idempotency.is_derived,
        content_hash: idempotency.content_hash,
        redecided: None,
    }
}

pub fn prepared(medium: Medium) -> Prepared {
    let pending = pending(&keys(), &company(), parsed(medium), &key());
    prepare(&keys().identity, pending, None).expect("the company has the job's brand and channel")
}

pub fn correlation() -> Correlation {
    let message = MessageId(Uuid::from_u128(0x0199_aa7c_5d7e_7c31_9a52_6b8a_1f0e_4d21));
    Correlation { message, attempt: 1, token: token_key().sign(ACCOUNT, message, 1) }
}

pub fn render_facts() -> RenderFacts<'static> {
    RenderFacts {
        language: None,
        fallback_language: "en",
        brand_name: "Blanca Peak",
        customer_name: Some("Customer 4321"),
        survey_url: SURVEY_URL,
        unsubscribe_url: UNSUBSCRIBE_URL,
        postal_address: Some("1 Peak Road, Blanca"),
        custom_properties: NO_PROPERTIES,
    }
}

pub fn status_callback() -> String {
    let base = "https://ask.blancapeak.example/webhooks/twilio/blanca-twilio/status";
    format!("{base}?{}", correlation().to_query())
}

pub fn sms(text: String) -> OutgoingSms {
    OutgoingSms {
        to: "+14150004321".to_owned(),
        text,
        status_callback: status_callback(),
        correlation: correlation(),
    }
}
