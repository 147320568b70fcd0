//! What a key looks like: made, split and compared here, shown once, kept as a hash.
//!
//! `pr_live_<prefix>_<secret>` or `pr_test_…`: the words tell people what they hold, the prefix finds the
//! row, the secret proves it. Comparison takes the same time whatever differs.

use postrider_domain::ids::CompanyId;
use postrider_ledger::api_keys::NewKey;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX_CHARS: usize = 12;
const SECRET_CHARS: usize = 48;

/// What a key may do; a key lists each of its scopes, none implies another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// Hand in requests, answers and manual requests.
    Send,
    /// Look at requests and settings.
    Read,
    /// Change settings, and pause, resume, cancel and retry requests.
    Manage,
}

impl Scope {
    pub const ALL: [Scope; 3] = [Scope::Send, Scope::Read, Scope::Manage];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Send => "send",
            Scope::Read => "read",
            Scope::Manage => "manage",
        }
    }
}

/// A new key: the text to show once, and what is kept of it.
#[derive(Debug)]
pub struct NewApiKey {
    text: SecretString,
    prefix: String,
    hash: [u8; 32],
    live: bool,
}

/// Makes a key.
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

/// The prefix of what may be a key; `None`: it cannot be one, and nobody needs to look.
#[must_use]
pub fn prefix(text: &str) -> Option<&str> {
    let (prefix, secret) = text.rsplit_once('_')?;
    let random = prefix.strip_prefix("pr_live_").or_else(|| prefix.strip_prefix("pr_test_"))?;
    let plain = |text: &str, chars: usize| {
        text.len() == chars && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    (plain(random, PREFIX_CHARS) && plain(secret, SECRET_CHARS)).then_some(prefix)
}

/// Whether a key is the one of which this hash is kept, in constant time.
#[must_use]
pub fn matches(text: &str, kept: &[u8]) -> bool {
    hash(text).as_slice().ct_eq(kept).into()
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

impl NewApiKey {
    /// The one time that it is shown.
    #[must_use]
    pub fn as_text(&self) -> &str {
        self.text.expose_secret()
    }

    /// What is kept of it.
    #[must_use]
    pub fn to_row(&self, company: CompanyId, name: &str, scopes: &[Scope]) -> NewKey {
        let given = Scope::ALL.into_iter().filter(|scope| scopes.contains(scope));
        NewKey {
            id: postrider_clock::new_id(),
            company,
            name: name.to_owned(),
            prefix: self.prefix.clone(),
            hash: self.hash,
            live: self.live,
            scopes: given.map(|scope| scope.as_str().to_owned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_found_by_its_prefix_and_known_by_its_hash() {
        for live in [true, false] {
            let made = generate(live);
            assert_eq!(prefix(made.as_text()), Some(made.prefix.as_str()));
            assert!(matches(made.as_text(), &made.hash));
            assert!(!matches(generate(live).as_text(), &made.hash));
        }
    }

    #[test]
    fn what_cannot_be_a_key_is_not_looked_for() {
        let good = generate(true);
        let good = good.as_text();
        for text in ["", "_", "pr_live__", "éé", &good[1..], &good[..good.len() - 1], &good.to_uppercase()]
        {
            assert_eq!(prefix(text), None, "{text}");
        }
        assert_eq!(prefix(&good.replace("live", "past")), None);
    }
}
