//! The format of API keys: generated, split and compared here, printed once, stored as a hash.
//!
//! `pr_live_<prefix>_<secret>` or `pr_test_…`: the prefix finds the row of the key, the secret proves its possession.
//! The comparison takes constant time.

use postrider_domain::ids::CompanyId;
use postrider_ledger::api_keys::NewKey;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX_CHARS: usize = 12;
const SECRET_CHARS: usize = 48;

/// A permission of a key. A key lists each of its scopes; none implies another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// Submit jobs, manual requests and responses.
    Send,
    /// Read requests and settings.
    Read,
    /// Change settings, and pause, resume, cancel and retry requests.
    Manage,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 3] = [Scope::Send, Scope::Read, Scope::Manage];

    /// The stored word of the scope.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Send => "send",
            Scope::Read => "read",
            Scope::Manage => "manage",
        }
    }
}

/// A new key: its text, to be printed once, and the parts that are stored.
#[derive(Debug)]
pub struct NewApiKey {
    text: SecretString,
    prefix: String,
    hash: [u8; 32],
    live: bool,
}

/// Generates a random key, live or for tests.
#[must_use]
pub fn generate(live: bool) -> NewApiKey {
    let random =
        format!("{}{}", postrider_clock::random_id().simple(), postrider_clock::random_id().simple());
    let (secret, rest) = random.split_at(SECRET_CHARS);
    let kind = if live { "live" } else { "test" };
    let prefix = format!("pr_{kind}_{}", &rest[..PREFIX_CHARS]);
    let text = format!("{prefix}_{secret}");
    NewApiKey { hash: hash(&text), prefix, text: SecretString::from(text), live }
}

/// The prefix of a well-formed key; `None` saves the look-up of any other text.
#[must_use]
pub fn prefix(text: &str) -> Option<&str> {
    let (prefix, secret) = text.rsplit_once('_')?;
    let random = prefix.strip_prefix("pr_live_").or_else(|| prefix.strip_prefix("pr_test_"))?;
    let plain = |text: &str, chars: usize| {
        text.len() == chars && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    (plain(random, PREFIX_CHARS) && plain(secret, SECRET_CHARS)).then_some(prefix)
}

/// Whether the stored hash is the one of this key, in constant time.
#[must_use]
pub fn matches(text: &str, stored_hash: &[u8]) -> bool {
    hash(text).as_slice().ct_eq(stored_hash).into()
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

impl NewApiKey {
    /// The key itself, to be printed once.
    #[must_use]
    pub fn as_text(&self) -> &str {
        self.text.expose_secret()
    }

    /// The row to store: prefix, hash and scopes, without the secret.
    #[must_use]
    pub fn to_row(&self, company: CompanyId, name: &str, scopes: &[Scope]) -> NewKey {
        let scopes = Scope::ALL.into_iter().filter(|scope| scopes.contains(scope));
        NewKey {
            id: postrider_clock::new_id(),
            company,
            name: name.to_owned(),
            prefix: self.prefix.clone(),
            hash: self.hash,
            live: self.live,
            scopes: scopes.map(|scope| scope.as_str().to_owned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_found_by_its_prefix_and_matches_its_hash() {
        for live in [true, false] {
            let made = generate(live);
            assert_eq!(prefix(made.as_text()), Some(made.prefix.as_str()));
            assert!(matches(made.as_text(), &made.hash));
            assert!(!matches(generate(live).as_text(), &made.hash));
        }
    }

    #[test]
    fn a_malformed_key_has_no_prefix() {
        let good = generate(true);
        let good = good.as_text();
        for text in ["", "_", "pr_live__", "éé", &good[1..], &good[..good.len() - 1], &good.to_uppercase()]
        {
            assert_eq!(prefix(text), None, "{text}");
        }
        assert_eq!(prefix(&good.replace("live", "past")), None);
    }
}
