//! Twilio's error codes, its published magic numbers, and the check of credentials.
//!
//! No I/O. The magic numbers are those published for the test credentials; here they work for every account.
//! The rule that no other sender is owned holds only for accounts with the prefix `TEST_ACCOUNT_PREFIX`.

use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    call_plan::Refusal, http_answer::json_response, http_request::basic_credentials, state::SimulatorState,
};

const TEST_ACCOUNT_PREFIX: &str = "AC7e57";

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

/// The answer to missing or wrong credentials: `AccountSid:AuthToken`, or an API key's SID with the same secret.
pub(super) fn refuse_wrong_credentials(
    state: &SimulatorState,
    account: &str,
    headers: &HeaderMap,
) -> Option<Response> {
    let is_known = basic_credentials(headers).is_some_and(|(user, password)| {
        (user == account || user.starts_with("SK")) && password == state.settings.twilio_auth_token
    });
    (!is_known).then(|| error(20003))
}

/// The code for a sender, by the published table.
pub(super) fn sender_code(account: &str, from: &str) -> Option<u32> {
    let listed = MAGIC_FROM.iter().find(|(number, _)| *number == from).map(|(_, code)| *code);
    let not_owned = account.starts_with(TEST_ACCOUNT_PREFIX) && from != MAGIC_FROM_GOOD;
    listed.or(not_owned.then_some(21606))
}

/// The code for a recipient, by the published table and by its format.
pub(super) fn recipient_code(to: &str) -> Option<u32> {
    let listed = MAGIC_TO.iter().find(|(number, _)| *number == to).map(|(_, code)| *code);
    let digits = to.strip_prefix('+').unwrap_or_default();
    let is_e164 = (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    listed.or((!is_e164).then_some(21211))
}

/// The error answer for a code of the table.
pub(super) fn error(code: u32) -> Response {
    let known = ERRORS.iter().chain([&BODY_TOO_LONG]).find(|(known, _, _)| *known == code);
    let (code, status, message) = *known.expect("every code that the simulator uses is in its table");
    let status = StatusCode::from_u16(status).expect("the table has valid statuses");
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    let body = json!({ "code": code, "message": message, "more_info": more_info, "status": status.as_u16() });
    if status == StatusCode::TOO_MANY_REQUESTS {
        return ([("retry-after", "2")], json_response(status, &body)).into_response();
    }
    json_response(status, &body)
}

/// The code for a planned refusal; `None` for a page that is no answer.
pub(super) fn refusal_code(refusal: Refusal) -> Option<u32> {
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

/// The answer to an unknown path.
pub(crate) fn not_found() -> Response {
    error(20404)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_magic_numbers_give_their_codes() {
        let ours = "AC00000000000000000000000000000000";
        let test = "AC7e570000000000000000000000000000";
        assert_eq!(sender_code(ours, "+15005550001"), Some(21212));
        assert_eq!(sender_code(test, "+15005550008"), Some(21611));
        assert_eq!(sender_code(test, "+15005550006"), None);
        assert_eq!(sender_code(test, "+14155552671"), Some(21606));
        assert_eq!(sender_code(ours, "+14155552671"), None);
        assert_eq!(recipient_code("+15005550009"), Some(21614));
        assert_eq!(recipient_code("+14155552671"), None);
        assert_eq!(recipient_code("4155552671"), Some(21211));
    }
}
