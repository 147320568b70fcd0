//! The keyed hashes by which the ledger finds people and repeats without storing them twice.
//!
//! PURE. Every key is HMAC-SHA256 cut to 128 bits, so that each look-up is an equality on one column
//! and a stolen table names nobody. Each purpose has a domain of its own and every part carries its
//! length: no two purposes and no two splits of one text can meet. The words in `Domain` are part of
//! the database's contents: never change them.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{
    ids::{AccountId, CompanyId, Medium, MessageId},
    job::About,
};

/// What one installation's secret is used for, each derived on its own.
#[derive(Clone)]
pub struct SecretKeys {
    pub identity: IdentityKey,
    /// For `providers::TokenKey`.
    pub token: [u8; 32],
    unsubscribe: Keyed,
    confirmation: Keyed,
}

impl SecretKeys {
    #[must_use]
    pub fn derive(secret: &[u8]) -> SecretKeys {
        let secret = keyed(secret);
        let derived = |purpose: &str| hash(&secret, "postrider/derive/v1", &[purpose.as_bytes()]);
        SecretKeys {
            identity: IdentityKey::new(derived("identity")),
            token: derived("token"),
            unsubscribe: keyed(&derived("unsubscribe")),
            confirmation: keyed(&derived("confirmation")),
        }
    }

    /// The tag of a message's unsubscribe link; it stays valid as long as the secret does.
    #[must_use]
    pub fn unsubscribe(&self, message: MessageId) -> [u8; 16] {
        first_half(hash(&self.unsubscribe, "postrider/unsubscribe/v1", &[message.0.as_bytes()]))
    }

    /// In constant time.
    #[must_use]
    pub fn verify_unsubscribe(&self, message: MessageId, tag: &[u8]) -> bool {
        self.unsubscribe(message).ct_eq(tag).into()
    }
}

impl SecretKeys {
    /// The tag of what a person is asked to confirm, part by part.
    #[must_use]
    pub fn confirmation(&self, parts: &[&[u8]]) -> [u8; 16] {
        first_half(hash(&self.confirmation, "postrider/confirmation/v1", parts))
    }

    /// In constant time.
    #[must_use]
    pub fn verify_confirmation(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.confirmation(parts).ct_eq(tag).into()
    }
}

/// The key of all identity hashes of this installation.
#[derive(Clone)]
pub struct IdentityKey(Keyed);

/// A key that HMAC has taken in; each hash starts from a copy.
type Keyed = Hmac<Sha256>;

/// Which identity of a person a contact slot stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotKind {
    CustomId,
    Email,
    Phone,
}

impl IdentityKey {
    #[must_use]
    pub fn new(key: [u8; 32]) -> IdentityKey {
        IdentityKey(keyed(&key))
    }

    /// One address of one company, for blocks. Email is compared without case.
    #[must_use]
    pub fn address(&self, company: CompanyId, medium: Medium, address: &str) -> Uuid {
        let folded = match medium {
            Medium::Email => address.to_lowercase(),
            Medium::Sms => address.to_owned(),
        };
        self.key("address", &[&company_part(company), medium.word().as_bytes(), folded.as_bytes()])
    }

    /// One identity of a person, for the suppression window; per brand where `brand` is given.
    #[must_use]
    pub fn slot(&self, company: CompanyId, brand: Option<&str>, kind: SlotKind, value: &str) -> Uuid {
        let (word, folded) = match kind {
            SlotKind::CustomId => ("custom_id", value.to_owned()),
            SlotKind::Email => ("email", value.to_lowercase()),
            SlotKind::Phone => ("phone", value.to_owned()),
        };
        let company = company_part(company);
        match brand {
            None => self.key("slot", &[&company, word.as_bytes(), folded.as_bytes()]),
            Some(brand) => {
                self.key("slot", &[&company, word.as_bytes(), folded.as_bytes(), brand.as_bytes()])
            }
        }
    }

    /// A team member by email, compared without case.
    #[must_use]
    pub fn member_email(&self, company: CompanyId, email: &str) -> Uuid {
        self.key("member_email", &[&company_part(company), email.to_lowercase().as_bytes()])
    }

    #[must_use]
    pub fn member_custom_id(&self, company: CompanyId, custom_id: &str) -> Uuid {
        self.key("member_custom_id", &[&company_part(company), custom_id.as_bytes()])
    }

    /// The idempotency key that the producer gave.
    #[must_use]
    pub fn idempotency(&self, company: CompanyId, given: &str) -> Uuid {
        self.key("idempotency", &[&company_part(company), given.as_bytes()])
    }

    /// The content of a job, from `Job::content_bytes`: tells "same key, other content", and is the
    /// idempotency key of a job that gives none.
    #[must_use]
    pub fn content(&self, company: CompanyId, content_bytes: &[u8]) -> Uuid {
        self.key("content", &[&company_part(company), content_bytes])
    }

    /// The id that another system gave a request.
    #[must_use]
    pub fn former(&self, company: CompanyId, former_id: Uuid) -> Uuid {
        self.key("former", &[&company_part(company), former_id.as_bytes()])
    }

    /// What a customer answered, by its producer's id.
    #[must_use]
    pub fn response(&self, company: CompanyId, response_id: &str) -> Uuid {
        self.key("response", &[&company_part(company), response_id.as_bytes()])
    }

    /// The content of a response, from `Response::content_bytes`.
    #[must_use]
    pub fn response_content(&self, company: CompanyId, content_bytes: &[u8]) -> Uuid {
        self.key("response_content", &[&company_part(company), content_bytes])
    }

    /// Under what a job to come finds the responses that wait for it; tests and others do not meet.
    #[must_use]
    pub fn awaited(&self, company: CompanyId, test: bool, about: &About) -> Uuid {
        let (word, named): (&str, &[u8]) = match about {
            About::Request(id) => ("request", id.as_bytes()),
            About::Interaction(id) => ("interaction", id.as_bytes()),
        };
        self.key("awaited", &[&company_part(company), &[u8::from(test)], word.as_bytes(), named])
    }

    /// A rejected job: the same mistake sent again is one row with a counter.
    #[must_use]
    pub fn rejected(&self, company: Option<CompanyId>, key: Option<&str>, body: &[u8]) -> Uuid {
        let company = company.map(company_part);
        let company: &[u8] = company.as_ref().map_or(&[], |part| part);
        match key {
            None => self.key("rejected", &[company, body]),
            Some(key) => self.key("rejected", &[company, body, key.as_bytes()]),
        }
    }

    /// A job that is tried alone, as it was published.
    #[must_use]
    pub fn suspect(&self, routing: &str, key: Option<&str>, body: &[u8]) -> Uuid {
        match key {
            None => self.key("suspect", &[routing.as_bytes(), body]),
            Some(key) => self.key("suspect", &[routing.as_bytes(), body, key.as_bytes()]),
        }
    }

    /// A webhook of one account, by what makes it unique there.
    #[must_use]
    pub fn receipt(&self, account: AccountId, dedupe: &str) -> Uuid {
        self.key("receipt", &[&account.0.to_be_bytes(), dedupe.as_bytes()])
    }

    /// A notice of one recipe, by what makes it unique there.
    #[must_use]
    pub fn notice(&self, recipe: &str, name: &str) -> Uuid {
        self.key("notice", &[recipe.as_bytes(), name.as_bytes()])
    }

    /// By what a company knows a customer; `kind` is custom_id, email, phone or social.
    #[must_use]
    pub fn identity(&self, company: CompanyId, kind: &str, value: &str) -> Uuid {
        let folded = if kind == "email" { value.to_lowercase() } else { value.to_owned() };
        self.key("identity", &[&company_part(company), kind.as_bytes(), folded.as_bytes()])
    }

    /// The key itself, or the one that stands for it among tests: a test must not look like the twin of
    /// what is meant for a customer, whose request would then never be made.
    #[must_use]
    pub fn apart(&self, test: bool, key: Uuid) -> Uuid {
        if test { self.key("test", &[key.as_bytes()]) } else { key }
    }

    fn key(&self, domain: &str, parts: &[&[u8]]) -> Uuid {
        Uuid::from_bytes(first_half(hash(&self.0, domain, parts)))
    }
}

fn company_part(company: CompanyId) -> [u8; 4] {
    company.0.to_be_bytes()
}

fn keyed(key: &[u8]) -> Keyed {
    Keyed::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn hash(key: &Keyed, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
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
            key.address(ACME, Medium::Email, "a"),
            key.address(OTHER, Medium::Email, "a"),
            key.address(ACME, Medium::Sms, "a"),
            key.address(ACME, Medium::Email, "b"),
            key.slot(ACME, None, SlotKind::CustomId, "a"),
            key.slot(ACME, None, SlotKind::Email, "a"),
            key.slot(ACME, None, SlotKind::Phone, "a"),
            key.slot(OTHER, None, SlotKind::CustomId, "a"),
            key.slot(ACME, Some(""), SlotKind::CustomId, "a"),
            key.slot(ACME, Some("gold"), SlotKind::CustomId, "a"),
            key.member_email(ACME, "a"),
            key.member_custom_id(ACME, "a"),
            key.idempotency(ACME, "a"),
            key.content(ACME, b"a"),
            key.former(ACME, id),
            key.former(OTHER, id),
            key.apart(true, key.idempotency(ACME, "a")),
            key.apart(true, key.former(ACME, id)),
            key.suspect("a", None, b"a"),
            key.suspect("b", None, b"a"),
            key.suspect("a", None, b"b"),
            key.suspect("a", Some(""), b"a"),
            key.suspect("a", Some("b"), b"a"),
            key.rejected(None, None, b"a"),
            key.rejected(Some(ACME), None, b"a"),
            key.rejected(Some(ACME), Some(""), b"a"),
            key.rejected(Some(ACME), Some("a"), b"a"),
            key.rejected(Some(ACME), Some("a"), b"b"),
            key.response(ACME, "a"),
            key.response(OTHER, "a"),
            key.response_content(ACME, b"a"),
            key.awaited(ACME, false, &About::Request(id)),
            key.awaited(ACME, true, &About::Request(id)),
            key.awaited(ACME, false, &About::Interaction("a".into())),
            key.awaited(OTHER, false, &About::Interaction("a".into())),
            key.receipt(AccountId(1), "a"),
            key.receipt(AccountId(2), "a"),
            key.notice("a", "b"),
            key.notice("ab", ""),
            key.identity(ACME, "email", "a"),
            key.identity(ACME, "phone", "a"),
            key.identity(OTHER, "email", "a"),
            SecretKeys::derive(b"another secret").identity.address(ACME, Medium::Email, "a"),
        ];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    }

    #[test]
    fn email_is_one_person_in_any_case_and_custom_ids_are_not() {
        let key = key();
        assert_eq!(
            key.address(ACME, Medium::Email, "Jane@x.example"),
            key.address(ACME, Medium::Email, "jane@x.example")
        );
        assert_eq!(key.member_email(ACME, "PAUL@x.example"), key.member_email(ACME, "paul@x.example"));
        assert_eq!(
            key.slot(ACME, None, SlotKind::Email, "Jane@x.example"),
            key.slot(ACME, None, SlotKind::Email, "jane@x.example")
        );
        assert_ne!(key.member_custom_id(ACME, "ab"), key.member_custom_id(ACME, "AB"));
    }

    #[test]
    fn keys_stay_the_same_over_releases() {
        // Stored in every ledger: a change of this value orphans every block and reservation.
        assert_eq!(
            IdentityKey::new([7; 32]).address(CompanyId(1), Medium::Email, "jane@example.com").to_string(),
            "4d69870f-21c3-836b-85bc-b4748ca35ca1"
        );
    }

    #[test]
    fn the_purposes_of_the_secret_do_not_share_a_key() {
        let keys = SecretKeys::derive(b"a secret");
        let hashed = |key: &Keyed| hash(key, "any", &[]);
        let hashes = [hashed(&keyed(&keys.token)), hashed(&keys.unsubscribe), hashed(&keys.identity.0)];
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
        assert_ne!(keys.token, SecretKeys::derive(b"another secret").token);
    }

    #[test]
    fn an_unsubscribe_tag_names_one_message() {
        let keys = SecretKeys::derive(b"a secret");
        let message = MessageId(Uuid::from_u128(1));
        let tag = keys.unsubscribe(message);
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
            let whole = key().rejected(Some(ACME), Some(left), right.as_bytes());
            for other in 0..=text.len() {
                let (other_left, other_right) = text.split_at(other);
                let split = key().rejected(Some(ACME), Some(other_left), other_right.as_bytes());
                prop_assert_eq!(split == whole, other == border);
            }
        }
    }
}
