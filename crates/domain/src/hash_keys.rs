//! The keyed hashes by which the ledger finds people and repeats without storing them twice.
//!
//! PURE. Every hash is HMAC-SHA256 cut to 128 bits, so that each look-up is an equality on one column and a
//! stolen table reveals no person. Each purpose has a domain word of its own and every part carries its length:
//! no two purposes and no two splits of one text give the same hash. The domain words ("address", "slot", …) are
//! part of the stored hashes: a change of one orphans every row that holds its hashes.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{
    ids::{AccountId, CompanyId, Medium, MessageId},
    job::ResponseSubject,
};

/// The keys of one installation, each derived from its secret on its own.
#[derive(Clone)]
pub struct SecretKeys {
    /// Key of the hashes that the ledger stores.
    pub identity: IdentityKey,
    /// Key of the tokens in provider callbacks (`TokenKey` of the providers' crate).
    pub token: [u8; 32],
    unsubscribe: HmacKey,
    confirmation: HmacKey,
}

impl SecretKeys {
    /// Derives every key from the installation's secret.
    #[must_use]
    pub fn derive(secret: &[u8]) -> SecretKeys {
        let secret = hmac_key(secret);
        let derived = |purpose: &str| hash(&secret, "postrider/derive/v1", &[purpose.as_bytes()]);
        SecretKeys {
            identity: IdentityKey::new(derived("identity")),
            token: derived("token"),
            unsubscribe: hmac_key(&derived("unsubscribe")),
            confirmation: hmac_key(&derived("confirmation")),
        }
    }

    /// The tag of a message's unsubscribe link; it stays valid as long as the secret does.
    #[must_use]
    pub fn unsubscribe_tag(&self, message: MessageId) -> [u8; 16] {
        first_half(hash(&self.unsubscribe, "postrider/unsubscribe/v1", &[message.0.as_bytes()]))
    }

    /// Whether `tag` is the unsubscribe tag of `message`; compared in constant time.
    #[must_use]
    pub fn verify_unsubscribe(&self, message: MessageId, tag: &[u8]) -> bool {
        self.unsubscribe_tag(message).ct_eq(tag).into()
    }

    /// The tag of an action that a person is asked to confirm; `parts` describe the action.
    #[must_use]
    pub fn confirmation_tag(&self, parts: &[&[u8]]) -> [u8; 16] {
        first_half(hash(&self.confirmation, "postrider/confirmation/v1", parts))
    }

    /// Whether `tag` is the confirmation tag of `parts`; compared in constant time.
    #[must_use]
    pub fn verify_confirmation(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.confirmation_tag(parts).ct_eq(tag).into()
    }
}

/// The key of all identity hashes of this installation.
#[derive(Clone)]
pub struct IdentityKey(HmacKey);

/// An HMAC state with its key absorbed; each hash starts from a copy.
type HmacKey = Hmac<Sha256>;

/// The kind of identity that a reservation key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentityKind {
    /// The producer's own id of the customer.
    CustomId,
    /// The email address, compared without case.
    Email,
    /// The phone number in E.164.
    Phone,
}

impl IdentityKey {
    /// The key with these bytes; `SecretKeys::derive` makes them.
    #[must_use]
    pub fn new(key: [u8; 32]) -> IdentityKey {
        IdentityKey(hmac_key(&key))
    }

    /// Hash of one address of one company: the key of its block. Email is compared without case.
    #[must_use]
    pub fn address_hash(&self, company: CompanyId, medium: Medium, address: &str) -> Uuid {
        let folded = match medium {
            Medium::Email => address.to_lowercase(),
            Medium::Sms => address.to_owned(),
        };
        self.key("address", &[&company_part(company), medium.as_str().as_bytes(), folded.as_bytes()])
    }

    /// Key of one identity's reservation for the suppression period; per brand where `brand` is given.
    #[must_use]
    pub fn reservation_key(
        &self,
        company: CompanyId,
        brand: Option<&str>,
        kind: IdentityKind,
        value: &str,
    ) -> Uuid {
        let (word, folded) = match kind {
            IdentityKind::CustomId => ("custom_id", value.to_owned()),
            IdentityKind::Email => ("email", value.to_lowercase()),
            IdentityKind::Phone => ("phone", value.to_owned()),
        };
        let company = company_part(company);
        match brand {
            None => self.key("slot", &[&company, word.as_bytes(), folded.as_bytes()]),
            Some(brand) => {
                self.key("slot", &[&company, word.as_bytes(), folded.as_bytes(), brand.as_bytes()])
            }
        }
    }

    /// Hash of a team member's email address, compared without case.
    #[must_use]
    pub fn member_email_hash(&self, company: CompanyId, email: &str) -> Uuid {
        self.key("member_email", &[&company_part(company), email.to_lowercase().as_bytes()])
    }

    /// Hash of a team member's custom id.
    #[must_use]
    pub fn member_custom_id_hash(&self, company: CompanyId, custom_id: &str) -> Uuid {
        self.key("member_custom_id", &[&company_part(company), custom_id.as_bytes()])
    }

    /// Hash of the idempotency key that the producer gave.
    #[must_use]
    pub fn idempotency_hash(&self, company: CompanyId, given: &str) -> Uuid {
        self.key("idempotency", &[&company_part(company), given.as_bytes()])
    }

    /// Hash of a job's content (`Job::content_bytes`): detects "same key, other content", and is the
    /// idempotency key of a job that gives none.
    #[must_use]
    pub fn content_hash(&self, company: CompanyId, content_bytes: &[u8]) -> Uuid {
        self.key("content", &[&company_part(company), content_bytes])
    }

    /// Hash of the id that another system gave a request.
    #[must_use]
    pub fn former_id_hash(&self, company: CompanyId, former_id: Uuid) -> Uuid {
        self.key("former", &[&company_part(company), former_id.as_bytes()])
    }

    /// Hash of a response's id, as its producer gave it.
    #[must_use]
    pub fn response_hash(&self, company: CompanyId, response_id: &str) -> Uuid {
        self.key("response", &[&company_part(company), response_id.as_bytes()])
    }

    /// Hash of a response's content (`Response::content_bytes`).
    #[must_use]
    pub fn response_content_hash(&self, company: CompanyId, content_bytes: &[u8]) -> Uuid {
        self.key("response_content", &[&company_part(company), content_bytes])
    }

    /// Key of the responses that arrived before their request. A later job looks them up by its former id or
    /// interaction; test requests have keys of their own.
    #[must_use]
    pub fn response_subject_hash(&self, company: CompanyId, test: bool, about: &ResponseSubject) -> Uuid {
        let (word, named): (&str, &[u8]) = match about {
            ResponseSubject::Request(id) => ("request", id.as_bytes()),
            ResponseSubject::Interaction(id) => ("interaction", id.as_bytes()),
        };
        self.key("awaited", &[&company_part(company), &[u8::from(test)], word.as_bytes(), named])
    }

    /// Hash of a rejected job: the same mistake sent again is one row with a counter.
    #[must_use]
    pub fn rejected_job_hash(&self, company: Option<CompanyId>, key: Option<&str>, body: &[u8]) -> Uuid {
        let company = company.map(company_part);
        let company: &[u8] = company.as_ref().map_or(&[], |part| part);
        match key {
            None => self.key("rejected", &[company, body]),
            Some(key) => self.key("rejected", &[company, body, key.as_bytes()]),
        }
    }

    /// Hash of a poison suspect as it was published: routing key, message key and body.
    #[must_use]
    pub fn suspect_job_hash(&self, routing: &str, key: Option<&str>, body: &[u8]) -> Uuid {
        match key {
            None => self.key("suspect", &[routing.as_bytes(), body]),
            Some(key) => self.key("suspect", &[routing.as_bytes(), body, key.as_bytes()]),
        }
    }

    /// Hash of a receipt of one account; `dedupe` is unique within the account.
    #[must_use]
    pub fn receipt_hash(&self, account: AccountId, dedupe: &str) -> Uuid {
        self.key("receipt", &[&account.0.to_be_bytes(), dedupe.as_bytes()])
    }

    /// Hash of a connector's notification; `name` is unique within the connector.
    #[must_use]
    pub fn notification_hash(&self, connector: &str, name: &str) -> Uuid {
        self.key("notice", &[connector.as_bytes(), name.as_bytes()])
    }

    /// Hash of an identity by which a company knows a customer; `kind` is custom_id, email, phone or social.
    #[must_use]
    pub fn customer_id_hash(&self, company: CompanyId, kind: &str, value: &str) -> Uuid {
        let folded = if kind == "email" { value.to_lowercase() } else { value.to_owned() };
        self.key("identity", &[&company_part(company), kind.as_bytes(), folded.as_bytes()])
    }

    /// `key` for a live request, a different key for a test request. Otherwise a test would count as the first
    /// of two duplicates, and the live request would not be made.
    #[must_use]
    pub fn separate_test(&self, test: bool, key: Uuid) -> Uuid {
        if test { self.key("test", &[key.as_bytes()]) } else { key }
    }

    fn key(&self, domain: &str, parts: &[&[u8]]) -> Uuid {
        Uuid::from_bytes(first_half(hash(&self.0, domain, parts)))
    }
}

fn company_part(company: CompanyId) -> [u8; 4] {
    company.0.to_be_bytes()
}

fn hmac_key(key: &[u8]) -> HmacKey {
    HmacKey::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn hash(key: &HmacKey, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = key.clone();
    for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn first_half(full: [u8; 32]) -> [u8; 16] {
    let mut half = [0u8; 16];
    half.copy_from_slice(&full[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const ACME: CompanyId = CompanyId(1);
    const OTHER: CompanyId = CompanyId(2);

    fn key() -> IdentityKey {
        SecretKeys::derive(b"a secret").identity
    }

    #[test]
    fn every_argument_and_every_purpose_makes_another_key() {
        let key = key();
        let id = Uuid::from_u128(7);
        let keys = [
            key.address_hash(ACME, Medium::Email, "a"),
            key.address_hash(OTHER, Medium::Email, "a"),
            key.address_hash(ACME, Medium::Sms, "a"),
            key.address_hash(ACME, Medium::Email, "b"),
            key.reservation_key(ACME, None, IdentityKind::CustomId, "a"),
            key.reservation_key(ACME, None, IdentityKind::Email, "a"),
            key.reservation_key(ACME, None, IdentityKind::Phone, "a"),
            key.reservation_key(OTHER, None, IdentityKind::CustomId, "a"),
            key.reservation_key(ACME, Some(""), IdentityKind::CustomId, "a"),
            key.reservation_key(ACME, Some("gold"), IdentityKind::CustomId, "a"),
            key.member_email_hash(ACME, "a"),
            key.member_custom_id_hash(ACME, "a"),
            key.idempotency_hash(ACME, "a"),
            key.content_hash(ACME, b"a"),
            key.former_id_hash(ACME, id),
            key.former_id_hash(OTHER, id),
            key.separate_test(true, key.idempotency_hash(ACME, "a")),
            key.separate_test(true, key.former_id_hash(ACME, id)),
            key.suspect_job_hash("a", None, b"a"),
            key.suspect_job_hash("b", None, b"a"),
            key.suspect_job_hash("a", None, b"b"),
            key.suspect_job_hash("a", Some(""), b"a"),
            key.suspect_job_hash("a", Some("b"), b"a"),
            key.rejected_job_hash(None, None, b"a"),
            key.rejected_job_hash(Some(ACME), None, b"a"),
            key.rejected_job_hash(Some(ACME), Some(""), b"a"),
            key.rejected_job_hash(Some(ACME), Some("a"), b"a"),
            key.rejected_job_hash(Some(ACME), Some("a"), b"b"),
            key.response_hash(ACME, "a"),
            key.response_hash(OTHER, "a"),
            key.response_content_hash(ACME, b"a"),
            key.response_subject_hash(ACME, false, &ResponseSubject::Request(id)),
            key.response_subject_hash(ACME, true, &ResponseSubject::Request(id)),
            key.response_subject_hash(ACME, false, &ResponseSubject::Interaction("a".into())),
            key.response_subject_hash(OTHER, false, &ResponseSubject::Interaction("a".into())),
            key.receipt_hash(AccountId(1), "a"),
            key.receipt_hash(AccountId(2), "a"),
            key.notification_hash("a", "b"),
            key.notification_hash("ab", ""),
            key.customer_id_hash(ACME, "email", "a"),
            key.customer_id_hash(ACME, "phone", "a"),
            key.customer_id_hash(OTHER, "email", "a"),
            SecretKeys::derive(b"another secret").identity.address_hash(ACME, Medium::Email, "a"),
        ];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    }

    #[test]
    fn email_is_one_person_in_any_case_and_custom_ids_are_not() {
        let key = key();
        assert_eq!(
            key.address_hash(ACME, Medium::Email, "Jane@x.example"),
            key.address_hash(ACME, Medium::Email, "jane@x.example")
        );
        assert_eq!(
            key.member_email_hash(ACME, "PAUL@x.example"),
            key.member_email_hash(ACME, "paul@x.example")
        );
        assert_eq!(
            key.reservation_key(ACME, None, IdentityKind::Email, "Jane@x.example"),
            key.reservation_key(ACME, None, IdentityKind::Email, "jane@x.example")
        );
        assert_ne!(key.member_custom_id_hash(ACME, "ab"), key.member_custom_id_hash(ACME, "AB"));
    }

    #[test]
    fn keys_stay_the_same_over_releases() {
        // Stored in every ledger: a change of this value orphans every block and reservation.
        assert_eq!(
            IdentityKey::new([7; 32])
                .address_hash(CompanyId(1), Medium::Email, "jane@example.com")
                .to_string(),
            "4d69870f-21c3-836b-85bc-b4748ca35ca1"
        );
    }

    #[test]
    fn the_purposes_of_the_secret_do_not_share_a_key() {
        let keys = SecretKeys::derive(b"a secret");
        let hashed = |key: &HmacKey| hash(key, "any", &[]);
        let hashes = [hashed(&hmac_key(&keys.token)), hashed(&keys.unsubscribe), hashed(&keys.identity.0)];
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
        assert_ne!(keys.token, SecretKeys::derive(b"another secret").token);
    }

    #[test]
    fn an_unsubscribe_tag_names_one_message() {
        let keys = SecretKeys::derive(b"a secret");
        let message = MessageId(Uuid::from_u128(1));
        let tag = keys.unsubscribe_tag(message);
        assert!(keys.verify_unsubscribe(message, &tag));
        assert!(!keys.verify_unsubscribe(MessageId(Uuid::from_u128(2)), &tag));
        assert!(!keys.verify_unsubscribe(message, &tag[..15]), "a cut tag");
        assert!(!keys.verify_unsubscribe(message, &[]), "no tag");
    }

    proptest! {
        #[test]
        fn moving_the_border_between_parts_makes_another_key(text in "[a-z]{2,20}", border in 1usize..20) {
            let border = border.min(text.len() - 1);
            let (left, right) = text.split_at(border);
            let whole = key().rejected_job_hash(Some(ACME), Some(left), right.as_bytes());
            for other in 0..=text.len() {
                let (other_left, other_right) = text.split_at(other);
                let split = key().rejected_job_hash(Some(ACME), Some(other_left), other_right.as_bytes());
                prop_assert_eq!(split == whole, other == border);
            }
        }
    }
}
