//! Parses a block as a person writes it: the address, the reason, and the words of its kinds.
//!
//! The command line, the API and CSV files all parse here, so that they mean the same address. A problem never repeats
//! the written text: it is personal data.

use postrider_domain::{
    address::{normalise_email, normalise_phone},
    document::Problem,
    hash_keys::IdentityKey,
    ids::{BlockKind, CompanyId, Medium},
};
use postrider_ledger::manual_blocks::ManualBlock;

/// Longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// An address to block, unparsed.
#[derive(Debug, Clone, Copy)]
pub struct BlockInput<'a> {
    pub address: &'a str,
    /// `email` or `sms`; absent: derived from the address.
    pub medium: Option<&'a str>,
    pub reason: &'a str,
}

impl BlockInput<'_> {
    /// The parsed block.
    ///
    /// # Errors
    /// Every problem by field.
    pub fn parse(&self, keys: &IdentityKey, company: CompanyId) -> Result<ManualBlock, Vec<Problem>> {
        let mut problems = Vec::new();
        let medium = self.medium.map(parse_medium);
        if medium == Some(None) {
            problems.push(Problem::new("medium", "bad_choice", "give email or sms"));
        }
        let address = parse_address(self.address, medium.flatten());
        let reason = parse_reason(self.reason).map_err(|problem| problems.push(problem)).ok();
        match (address, reason) {
            (Err(problem), _) => problems.push(problem),
            (Ok((medium, address)), Some(reason)) if problems.is_empty() => {
                let id = keys.address_hash(company, medium, &address);
                return Ok(ManualBlock { id, medium, address, reason });
            }
            (Ok(_), _) => {}
        }
        Err(problems)
    }
}

/// A reason: one line, not empty.
///
/// # Errors
/// The problem of the field `reason`.
pub fn parse_reason(text: &str) -> Result<String, Problem> {
    let reason = text.trim();
    if reason.is_empty() {
        return Err(Problem::new("reason", "missing", "give a reason; it is stored in the audit entry"));
    }
    if reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
        let message = format!("give one line of at most {REASON_CHARS_MAX} characters");
        return Err(Problem::new("reason", "too_long", message));
    }
    Ok(reason.to_owned())
}

/// An address in the normal form of jobs, with the given medium, or the one derived from the text.
///
/// # Errors
/// The problem of the field `address`.
pub fn parse_address(text: &str, medium: Option<Medium>) -> Result<(Medium, String), Problem> {
    if text.trim().is_empty() {
        let message = "give an email address, or a phone number with + and country code";
        return Err(Problem::new("address", "missing", message));
    }
    let derived = if text.contains('@') { Medium::Email } else { Medium::Sms };
    let medium = medium.unwrap_or(derived);
    let address = match medium {
        Medium::Email => normalise_email(text),
        Medium::Sms => normalise_phone(text, None),
    };
    match address {
        Ok(address) => Ok((medium, address)),
        Err(problem) => Err(Problem::new("address", "bad_address", problem.to_string())),
    }
}

/// The medium of `email` or `sms`.
#[must_use]
pub fn parse_medium(word: &str) -> Option<Medium> {
    Medium::ALL.into_iter().find(|medium| medium.as_str() == word)
}

/// The bits of kinds that are separated by commas.
///
/// # Errors
/// The known words, if one is unknown.
pub fn parse_kinds(words: &str) -> Result<i32, String> {
    let bit = |word: &str| {
        let kind = BlockKind::ALL.into_iter().find(|kind| kind.as_str() == word.trim());
        kind.map(BlockKind::bit).ok_or_else(|| {
            let known: Vec<&str> = BlockKind::ALL.into_iter().map(BlockKind::as_str).collect();
            format!("give kinds of {}", known.join(", "))
        })
    };
    words.split(',').try_fold(0, |bits, word| Ok(bits | bit(word)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(address: &str, medium: Option<&str>, reason: &str) -> Vec<(String, String)> {
        let input = BlockInput { address, medium, reason };
        let read = input.parse(&IdentityKey::new([7; 32]), CompanyId(1));
        let problems = read.expect_err("is refused").into_iter();
        problems.map(|problem| (problem.path, problem.code)).collect()
    }

    #[test]
    fn one_customer_is_one_block_however_the_address_is_written() {
        let keys = IdentityKey::new([7; 32]);
        let id = |address: &str| {
            let input = BlockInput { address, medium: None, reason: "r" };
            input.parse(&keys, CompanyId(1)).expect("is valid").id
        };
        assert_eq!(id("Jane@Example.com"), id("jane@example.COM"));
        assert_eq!(id("+1 (415) 555-2671"), id("+14155552671"));
    }

    #[test]
    fn every_problem_of_a_block_is_named_by_its_field() {
        let pair = |path: &str, code: &str| (path.to_owned(), code.to_owned());
        assert_eq!(problems("", None, " "), [pair("reason", "missing"), pair("address", "missing")]);
        assert_eq!(problems("a@b.example", Some("fax"), "r"), [pair("medium", "bad_choice")]);
        assert_eq!(problems("a@b.example", Some("sms"), "r"), [pair("address", "bad_address")]);
        assert_eq!(problems("a@b.example", None, "two\nlines"), [pair("reason", "too_long")]);
    }

    #[test]
    fn kinds_are_named_by_their_words() {
        let both = BlockKind::Stop.bit() | BlockKind::Manual.bit();
        assert_eq!(parse_kinds("stop, blocked_by_hand"), Ok(both));
        assert!(parse_kinds("stop,").is_err() && parse_kinds("").is_err());
    }
}
