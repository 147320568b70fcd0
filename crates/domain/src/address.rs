//! Email addresses and phone numbers: one normal form each, and a mask for showing them.
//!
//! PURE. Email keeps its local part as written (some hosts tell case apart) and gets a lower-case
//! domain; phones become E.164. Stricter than the standards on purpose: what passes goes into headers
//! and provider calls unquoted. Whether a well-formed phone number exists is left to the provider,
//! because numbering plans change faster than tables. `hash_keys` folds case for comparing.

use std::panic::catch_unwind;

use phonenumber::{Mode, metadata::DATABASE};

use crate::country::normalise_country;

/// The reason for which a text is no address; the message names the remedy and never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// Not of the form `local@domain`, or more than one address.
    #[error("the email address must be one address of the form name@example.com")]
    EmailForm,
    /// Over the limits of RFC 5321.
    #[error("the email address is too long, at most 254 characters and 64 before the @ are allowed")]
    EmailTooLong,
    /// A local part that would need quotes.
    #[error("the part before the @ must be plain ASCII letters, digits and signs without quotes")]
    EmailLocal,
    /// No domain name of at least two labels.
    #[error("the part after the @ must be a domain name with a dot, as in example.com")]
    EmailDomain,
    /// A domain that is not in its ASCII (punycode) form.
    #[error("the domain has letters beyond ASCII, write it in its xn-- form")]
    EmailDomainUnicode,
    /// Characters beyond digits and separators, or an extension.
    #[error("the phone number may hold only digits, spaces and + - . / ( ), without an extension")]
    PhoneForm,
    /// A national form without a country to read it by.
    #[error("a phone number without + needs the job's country, or write it as +<country code><number>")]
    PhoneCountryMissing,
    /// A country or country code that the numbering plans do not have.
    #[error("the phone number's country is unknown, write it as +<country code><number>")]
    PhoneCountryUnknown,
    /// A length that no numbering plan of the country has.
    #[error("the phone number has a length that no number of its country has")]
    PhoneLength,
}

/// The address with a lower-case domain.
///
/// # Errors
/// When the text is not exactly one plain address (RFC 5321 limits, no quoted local part, no list).
pub fn normalise_email(text: &str) -> Result<String, AddressProblem> {
    let (local, domain) = text.split_once('@').ok_or(AddressProblem::EmailForm)?;
    if domain.contains('@') || text.contains(char::is_whitespace) || text.contains([',', ';', '<', '>']) {
        return Err(AddressProblem::EmailForm);
    }
    if text.len() > 254 || local.len() > 64 {
        return Err(AddressProblem::EmailTooLong);
    }
    if !is_dot_atom(local) {
        return Err(AddressProblem::EmailLocal);
    }
    if !domain.is_ascii() {
        return Err(AddressProblem::EmailDomainUnicode);
    }
    if !is_domain(domain) {
        return Err(AddressProblem::EmailDomain);
    }
    Ok(format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// The number in E.164. A national form is read as `country`'s (ISO alpha-2).
///
/// # Errors
/// When the text is no phone number, or has no country, or a length that its country has not.
pub fn normalise_phone(text: &str, country: Option<&str>) -> Result<String, AddressProblem> {
    let dialled = dialled_digits(text)?;
    let Some(digits) = dialled.strip_prefix('+') else {
        let country = country.ok_or(AddressProblem::PhoneCountryMissing)?;
        return read_by_plan(&dialled, Some(country));
    };
    let (code, national) = split_country_code(digits).ok_or(AddressProblem::PhoneCountryUnknown)?;
    if national.starts_with('0') {
        // A trunk zero (+49 0151 …) that must go, or a part of the number (Italy): the plan knows.
        return read_by_plan(&dialled, None);
    }
    let possible = is_e164(&dialled) && has_possible_length(code, national);
    possible.then_some(dialled).ok_or(AddressProblem::PhoneLength)
}

/// `+` and 7 to 15 digits.
#[must_use]
pub fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A DNS name of at least two labels.
#[must_use]
pub fn is_domain(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric_end = labels.last().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    labels.len() >= 2 && text.len() <= 253 && !numeric_end && labels.iter().all(is_label)
}

/// `b***@d***`: enough to recognise one's own customer, too little to write to them.
#[must_use]
pub fn mask_email(email: &str) -> String {
    let first = |part: &str| part.chars().next().map(String::from).unwrap_or_default();
    match email.split_once('@') {
        Some((local, domain)) => format!("{}***@{}***", first(local), first(domain)),
        None => "***".to_owned(),
    }
}

/// `+4915*******12`: the country and the last two digits.
#[must_use]
pub fn mask_phone(phone: &str) -> String {
    let count = phone.chars().count();
    let head = if count >= 10 { 5 } else { 1 };
    let hidden = |index| index >= head && index + 2 < count;
    phone.chars().enumerate().map(|(index, digit)| if hidden(index) { '*' } else { digit }).collect()
}

fn is_dot_atom(local: &str) -> bool {
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// Only what one would dial: the digits, a `+` before them if there was one.
fn dialled_digits(text: &str) -> Result<String, AddressProblem> {
    let text = text.trim_matches(' ');
    let is_separator = |character| matches!(character, ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}');
    // "+49 (0)151 …" writes a zero that is dialled only without the +49.
    let spoken = if text.starts_with('+') { text.replace("(0)", "") } else { text.to_owned() };
    let dialled: String = spoken.chars().filter(|&character| !is_separator(character)).collect();
    let digits = dialled.strip_prefix('+').unwrap_or(&dialled);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || !(3..=20).contains(&digits.len()) {
        return Err(AddressProblem::PhoneForm);
    }
    Ok(dialled)
}

/// Asks the numbering plans. The library has panicked on odd texts before (RUSTSEC-2023-0082,
/// RUSTSEC-2024-0369); it gets digits only, and a panic is a refusal.
fn read_by_plan(dialled: &str, country: Option<&str>) -> Result<String, AddressProblem> {
    let region = match country {
        None => None,
        Some(code) => {
            let code = normalise_country(code).ok_or(AddressProblem::PhoneCountryUnknown)?;
            Some(code.parse().map_err(|_| AddressProblem::PhoneCountryUnknown)?)
        }
    };
    let number = catch_unwind(|| phonenumber::parse(region, dialled).ok())
        .ok()
        .flatten()
        .ok_or(AddressProblem::PhoneLength)?;
    let e164 = number.format().mode(Mode::E164).to_string();
    let digits = e164.strip_prefix('+').unwrap_or_default();
    let (code, national) = split_country_code(digits).ok_or(AddressProblem::PhoneCountryUnknown)?;
    (is_e164(&e164) && has_possible_length(code, national)).then_some(e164).ok_or(AddressProblem::PhoneLength)
}

/// Country codes are prefix-free, so the first that exists is the one.
fn split_country_code(digits: &str) -> Option<(u16, &str)> {
    if digits.starts_with('0') {
        return None;
    }
    (1..=3).find_map(|length| {
        let (code, national) = digits.split_at_checked(length)?;
        let code: u16 = code.parse().ok()?;
        DATABASE.by_code(&code).map(|_| (code, national))
    })
}

/// Whether some kind of number in some country of this code is so long.
fn has_possible_length(code: u16, national: &str) -> bool {
    let Some(plans) = DATABASE.by_code(&code) else { return false };
    let possible = |length: &u16| usize::from(*length) == national.len();
    let mut lengths = plans.iter().flat_map(|plan| {
        let kinds = plan.descriptors();
        let kinds = [
            kinds.mobile(),
            kinds.fixed_line(),
            kinds.voip(),
            kinds.personal_number(),
            kinds.toll_free(),
            kinds.shared_cost(),
            kinds.premium_rate(),
            kinds.uan(),
        ];
        kinds.into_iter().flatten().flat_map(|kind| kind.possible_length())
    });
    lengths.any(possible)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_domain_of_an_email_address_is_lowered() {
        assert_eq!(normalise_email("Jane.Doe+x@Example.COM").as_deref(), Ok("Jane.Doe+x@example.com"));
        assert_eq!(normalise_email("a@xn--bcher-kva.example").as_deref(), Ok("a@xn--bcher-kva.example"));
        assert!(normalise_email("info@example.com").is_ok(), "role addresses are addresses");
    }

    #[test]
    fn what_is_not_one_plain_email_address_is_refused_with_its_reason() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}com", "abcdefgh.".repeat(29));
        for (text, problem) in [
            ("", AddressProblem::EmailForm),
            ("jane", AddressProblem::EmailForm),
            (" jane@example.com", AddressProblem::EmailForm),
            ("a@example.com,b@example.com", AddressProblem::EmailForm),
            ("a@example.com;b@example.com", AddressProblem::EmailForm),
            ("Jane <jane@example.com>", AddressProblem::EmailForm),
            ("jane@example.com\r\nBcc: x@example.com", AddressProblem::EmailForm),
            (&long_local, AddressProblem::EmailTooLong),
            (&long, AddressProblem::EmailTooLong),
            ("\"jane\"@example.com", AddressProblem::EmailLocal),
            ("a..b@example.com", AddressProblem::EmailLocal),
            (".a@example.com", AddressProblem::EmailLocal),
            ("jané@example.com", AddressProblem::EmailLocal),
            ("@example.com", AddressProblem::EmailLocal),
            ("a@bücher.example", AddressProblem::EmailDomainUnicode),
            ("a@b", AddressProblem::EmailDomain),
            ("a@-x.org", AddressProblem::EmailDomain),
            ("a@example.com.", AddressProblem::EmailDomain),
            ("a@[127.0.0.1]", AddressProblem::EmailDomain),
            ("a@127.0.0.1", AddressProblem::EmailDomain),
        ] {
            assert_eq!(normalise_email(text), Err(problem), "{text:?}");
        }
    }

    #[test]
    fn phone_numbers_become_e164_from_either_form() {
        for (text, country, e164) in [
            ("+14155552671", None, "+14155552671"),
            ("+1 (415) 555-2671", None, "+14155552671"),
            ("(415) 555-2671", Some("US"), "+14155552671"),
            ("0151 12345678", Some("DE"), "+4915112345678"),
            ("+49 (0)151 12345678", Some("US"), "+4915112345678"),
            ("+49 0151 12345678", None, "+4915112345678"),
            ("06 12 34 56 78", Some("fr"), "+33612345678"),
            ("+39 06 6982 1234", None, "+390669821234"),
            ("+447700900123", None, "+447700900123"),
            ("+15005550006", None, "+15005550006"),
        ] {
            assert_eq!(normalise_phone(text, country).as_deref(), Ok(e164), "{text}");
        }
    }

    #[test]
    fn what_is_no_phone_number_is_refused_with_its_reason() {
        for (text, country, problem) in [
            ("4155552671", None, AddressProblem::PhoneCountryMissing),
            ("4155552671", Some("ZZ"), AddressProblem::PhoneCountryUnknown),
            ("+1415555267", None, AddressProblem::PhoneLength),
            ("12", Some("US"), AddressProblem::PhoneForm),
            ("415555", Some("US"), AddressProblem::PhoneLength),
            ("+999123456789", None, AddressProblem::PhoneCountryUnknown),
            ("+0123456789", None, AddressProblem::PhoneCountryUnknown),
            ("+1415555267126712345", None, AddressProblem::PhoneLength),
            ("1-800-FLOWERS", Some("US"), AddressProblem::PhoneForm),
            ("+14155552671 ext 5", None, AddressProblem::PhoneForm),
            ("+14155552671,+14155552672", None, AddressProblem::PhoneForm),
            ("", None, AddressProblem::PhoneForm),
        ] {
            assert_eq!(normalise_phone(text, country), Err(problem), "{text}");
        }
    }

    #[test]
    fn masked_addresses_show_little() {
        assert_eq!(mask_email("bob@domain.example"), "b***@d***");
        assert_eq!(mask_email("nonsense"), "***");
        assert_eq!(mask_phone("+4915112345612"), "+4915*******12");
        assert_eq!(mask_phone("+123456"), "+****56");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_normal_forms_stay(text in any::<String>(), digits in "[+]?[0-9 ()./-]{0,24}") {
            if let Ok(email) = normalise_email(&text) {
                prop_assert_eq!(normalise_email(&email), Ok(email.clone()));
            }
            for phone in [&text, &digits] {
                if let Ok(e164) = normalise_phone(phone, Some("US")) {
                    prop_assert!(is_e164(&e164));
                    prop_assert_eq!(normalise_phone(&e164, None), Ok(e164.clone()));
                }
                prop_assert_eq!(mask_phone(phone).chars().count(), phone.chars().count());
                prop_assert!(mask_email(phone).ends_with("***"));
            }
        }
    }
}
