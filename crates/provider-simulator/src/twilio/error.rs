//! Twilio's error codes as far as the simulator gives them, and the published magic numbers.
//!
//! No I/O. data and shapes. The table of magic numbers is the published one of the test credentials, for
//! every account; only an account whose SID starts as `TEST_ACCOUNT_PREFIX` also has its last line,
//! that no other sender is owned.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{call_plan::Refusal, http_answer::json_response};

pub(super) const TEST_ACCOUNT_PREFIX: &str = "AC7e57";

/// Code, HTTP status, message.
const ERRORS: [(u32, u16, &str); 17] = [
    (20003, 401, "Authenticate"),
    (20404, 404, "The requested resource was not found"),
    (20429, 429, "Too Many Requests"),
    (20500, 500, "Internal Server Error"),
    (20503, 503, "Service Unavailable"),
    (21211, 400, "Invalid 'To' Phone Number"),
    (21212, 400, "Invalid 'From' Number"),
    (
        21408,
        400,
        "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
    ),
    (21602, 400, "Message body is required"),
    (21603, 400, "A 'From' phone number is required"),
    (21604, 400, "A 'To' phone number is required"),
    (21606, 400, "The 'From' phone number provided is not a valid message-capable Twilio phone number"),
    (21609, 400, "The 'StatusCallback' URL is not a valid URL"),
    (21610, 400, "Attempt to send to unsubscribed recipient"),
    (21611, 429, "This 'From' number has exceeded the maximum number of queued messages"),
    (21612, 400, "The 'To' phone number is not currently reachable using the 'From' phone number"),
    (21614, 400, "'To' number is not a valid mobile number"),
];
const BODY_TOO_LONG: (u32, u16, &str) =
    (21617, 400, "The concatenated message body exceeds the 1600 character limit");

const MAGIC_FROM: [(&str, u32); 3] =
    [("+15005550001", 21212), ("+15005550007", 21606), ("+15005550008", 21611)];
const MAGIC_FROM_GOOD: &str = "+15005550006";
const MAGIC_TO: [(&str, u32); 5] = [
    ("+15005550001", 21211),
    ("+15005550002", 21612),
    ("+15005550003", 21408),
    ("+15005550004", 21610),
    ("+15005550009", 21614),
];

/// The code for a sender, by the published table.
pub(super) fn of_sender(account: &str, from: &str) -> Option<u32> {
    let listed = MAGIC_FROM.iter().find(|(number, _)| *number == from).map(|(_, code)| *code);
    let not_owned = account.starts_with(TEST_ACCOUNT_PREFIX) && from != MAGIC_FROM_GOOD;
    listed.or(not_owned.then_some(21606))
}

/// The code for a recipient, by the published table and by its form.
pub(super) fn of_recipient(to: &str) -> Option<u32> {
    let listed = MAGIC_TO.iter().find(|(number, _)| *number == to).map(|(_, code)| *code);
    let digits = to.strip_prefix('+').unwrap_or_default();
    let formed = (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    listed.or((!formed).then_some(21211))
}

/// An error as Twilio words it.
pub(super) fn error(code: u32) -> Response {
    let known = ERRORS.iter().chain([&BODY_TOO_LONG]).find(|(known, _, _)| *known == code);
    let (code, status, message) = *known.expect("every code that the simulator gives is in its table");
    let status = StatusCode::from_u16(status).expect("the table has proper statuses");
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    let body = json!({ "code": code, "message": message, "more_info": more_info, "status": status.as_u16() });
    if status == StatusCode::TOO_MANY_REQUESTS {
        return ([("retry-after", "2")], json_response(status, &body)).into_response();
    }
    json_response(status, &body)
}

/// The code for a planned refusal; none for a page that is no answer.
pub(super) fn of_refusal(refusal: Refusal) -> Option<u32> {
    match refusal {
        Refusal::Busy => Some(20429),
        Refusal::Invalid => Some(21211),
        Refusal::OptedOut | Refusal::Spam => Some(21610),
        Refusal::Misconfigured => Some(20003),
        Refusal::Error => Some(20500),
        Refusal::Unavailable | Refusal::Outage => Some(20503),
        Refusal::Magnificent => None,
    }
}

/// No such resource.
pub(crate) fn not_found(_path: &str) -> Response {
    error(20404)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_magic_numbers_give_their_codes() {
        let ours = "AC00000000000000000000000000000000";
        let test = "AC7e570000000000000000000000000000";
        assert_eq!(of_sender(ours, "+15005550001"), Some(21212));
        assert_eq!(of_sender(test, "+15005550008"), Some(21611));
        assert_eq!(of_sender(test, "+15005550006"), None);
        assert_eq!(of_sender(test, "+14155552671"), Some(21606));
        assert_eq!(of_sender(ours, "+14155552671"), None);
        assert_eq!(of_recipient("+15005550009"), Some(21614));
        assert_eq!(of_recipient("+14155552671"), None);
        assert_eq!(of_recipient("4155552671"), Some(21211));
    }
}
