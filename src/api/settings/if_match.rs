//! `ETag` and `If-Match` of the company: optimistic locking between editors.
//!
//! `"7"` is version 7 of the policy, `"7.3"` the same with version 3 of the team members. A change without `If-Match` is
//! refused with 428, one with an old etag with 412: two editors do not overwrite each other. `*` accepts any version.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::api::Problem;
use postrider_ledger::companies::{Expected, Version};

/// The etag of a document, with or without team members.
pub fn etag(version: Version, with_members: bool) -> HeaderValue {
    let tag = match with_members {
        true => format!("\"{}.{}\"", version.policy, version.members),
        false => format!("\"{}\"", version.policy),
    };
    HeaderValue::try_from(tag).expect("digits in quotes are a header's value")
}

/// The version that the change is based on.
///
/// # Errors
/// 428 without the header, 400 for a malformed one.
pub fn expected(headers: &HeaderMap) -> Result<Expected, Problem> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else {
        return Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "if_match_missing",
            "send if-match with the etag of GET /v1/company, or * to change any version",
        ));
    };
    let text = value.to_str().unwrap_or("").trim();
    match read(text).filter(|_| values.next().is_none()) {
        Some(expected) => Ok(expected),
        None => Err(Problem::bad_request("send if-match with one unchanged etag of GET /v1/company, or *")),
    }
}

/// The 412 of a change that another one overtook.
pub fn overtaken(found: Version) -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "overtaken",
        format!(
            "the company was changed meanwhile and its policy has version {}; read it again and repeat the change",
            found.policy
        ),
    )
}

fn read(text: &str) -> Option<Expected> {
    if text == "*" {
        return Some(Expected::Any);
    }
    let tag = text.strip_prefix('"')?.strip_suffix('"')?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i32>().ok())?;
    match tag.split_once('.') {
        None => Some(Expected::Policy(number(tag)?)),
        Some((policy, members)) => {
            Some(Expected::Both(Version { policy: number(policy)?, members: number(members)? }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_as_it_was_given_and_nothing_else_is() {
        let version = Version { policy: 7, members: 3 };
        let given = |with_members| etag(version, with_members).to_str().expect("is text").to_owned();
        assert_eq!(read(&given(false)), Some(Expected::Policy(7)));
        assert_eq!(read(&given(true)), Some(Expected::Both(version)));
        assert_eq!(read("*"), Some(Expected::Any));
        for text in [
            "",
            "7",
            "\"7",
            "\"\"",
            "\"x\"",
            "W/\"7\"",
            "\"7\", \"8\"",
            "\"-7\"",
            "\"99999999999\"",
            "\"7.\"",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
