//! The token of an attempt: it travels with the call and comes back in the attempt's receipts.
//!
//! PURE. HMAC-SHA256 over message, attempt and account, cut to 128 bits: a valid token proves without a query
//! that the receipt is about an attempt of ours through that account. The configuration lists former keys after
//! the first one, so that receipts of calls made before a rotation still verify.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use postrider_domain::ids::{AccountId, MessageId};

/// 128 bits; its text form has 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(pub [u8; 16]);

impl Token {
    /// The text form.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// Parses the text form; `None` unless it has exactly 32 hex digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Token> {
        let mut bytes = [0u8; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Token(bytes))
    }
}

/// The keys that sign and verify all tokens of this installation.
#[derive(Clone)]
pub struct TokenKey {
    /// Initialised HMAC states: a token clones one instead of hashing the key again.
    keys: Vec<Hmac<Sha256>>,
}

impl TokenKey {
    /// The first key signs, all keys verify.
    ///
    /// # Panics
    ///
    /// If `keys` is empty.
    #[must_use]
    pub fn new(keys: Vec<[u8; 32]>) -> TokenKey {
        assert!(!keys.is_empty(), "a token key needs at least one key");
        let state = |key: &[u8; 32]| Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        TokenKey { keys: keys.iter().map(state).collect() }
    }

    /// The token of one attempt through one account.
    #[must_use]
    pub fn sign(&self, account: AccountId, message: MessageId, attempt: i16) -> Token {
        sign_with(&self.keys[0], account, message, attempt)
    }

    /// Whether `token` was signed for this attempt through this account, in constant time.
    #[must_use]
    pub fn verify(&self, token: Token, account: AccountId, message: MessageId, attempt: i16) -> bool {
        let matching = self.keys.iter().fold(subtle::Choice::from(0), |found, key| {
            found | sign_with(key, account, message, attempt).0.ct_eq(&token.0)
        });
        matching.into()
    }
}

fn sign_with(key: &Hmac<Sha256>, account: AccountId, message: MessageId, attempt: i16) -> Token {
    let mut mac = key.clone();
    mac.update(message.0.as_bytes());
    mac.update(&attempt.to_be_bytes());
    mac.update(&account.0.to_be_bytes());
    let mut token = [0u8; 16];
    token.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    Token(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_token_names_one_attempt_through_one_account() {
        let key = TokenKey::new(vec![[7; 32], [8; 32]]);
        let message = MessageId(Uuid::from_u128(1));
        let token = key.sign(AccountId(1), message, 1);
        assert!(key.verify(token, AccountId(1), message, 1));
        assert!(!key.verify(token, AccountId(2), message, 1), "another account");
        assert!(!key.verify(token, AccountId(1), message, 2), "another attempt");
        assert!(!key.verify(token, AccountId(1), MessageId(Uuid::from_u128(2)), 1), "another message");
        assert_eq!(Token::from_hex(&token.to_hex()), Some(token));
    }

    #[test]
    fn tokens_of_the_key_before_a_rotation_still_verify() {
        let old = TokenKey::new(vec![[8; 32]]);
        let new = TokenKey::new(vec![[7; 32], [8; 32]]);
        let message = MessageId(Uuid::from_u128(1));
        assert!(new.verify(old.sign(AccountId(1), message, 1), AccountId(1), message, 1));
    }
}
