//! Twilio's `POST …/Messages.json`: a form in, the queued message out.
//!
//! Parameters are checked in the order of the codes that people meet: credentials, presence, sender,
//! recipient, opt-out. The answer's shape is `resource`'s, the refusals' is `error`'s.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{
    error::{error, of_recipient, of_refusal, of_sender},
    message,
};
use crate::{
    accept::Parcel,
    call_plan::{CallPlan, Refusal},
    connection::Connection,
    http_answer::{give, reset, text_response},
    records::{Correlation, Detail, Provider, Verdict},
    routes::{self, Pairs, Shared, basic, value},
    state::SimulatorState,
};

const BODY_CHARS_MAX: usize = 1_600;

pub(crate) async fn create(
    State(house): Shared,
    Path(account): Path<String>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let body = match routes::read_body(body).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    if !may(&house, &account, &headers) {
        return error(20003);
    }
    let form = routes::pairs(&body);
    let Some(to) = given(&form, "To") else { return error(21604) };
    let callback = given(&form, "StatusCallback");
    let decided = house.begin(Provider::Twilio, to, &correlation(callback));
    house.take_time().await;
    // An outage comes before everything that the provider would look at.
    let wrong = if decided.taking == CallPlan::Refuse(Refusal::Outage) {
        None
    } else {
        wrong(&house, &account, &form)
    };
    let refused = match (wrong, decided.taking) {
        (Some(code), _) => Some((code.to_string(), error(code))),
        (None, CallPlan::Refuse(refusal)) => Some(refuse(refusal)),
        (None, CallPlan::Ignore) => return reset(&connection).await,
        (None, CallPlan::Accept(_)) => None,
    };
    if let Some((code, answer)) = refused {
        house.settle(decided.call, Verdict::Refused(code));
        return answer;
    }
    let CallPlan::Accept(how) = decided.taking else { return error(20500) };
    let sid = format!("SM{}", postrider_clock::random_id().simple());
    let parcel = Parcel {
        provider: Provider::Twilio,
        provider_id: sid.clone(),
        recipient: to.to_owned(),
        from: given(&form, "From").unwrap_or_default().to_owned(),
        text_or_subject: given(&form, "Body").unwrap_or_default().to_owned(),
        correlation: correlation(callback),
        detail: Detail {
            account,
            callback: callback.map(str::to_owned),
            service: given(&form, "MessagingServiceSid").map(str::to_owned),
            ..Detail::default()
        },
        raw: body.to_vec(),
    };
    let proper = message::queued(&parcel, postrider_clock::wall());
    if let Err(problem) = house.accept(parcel, decided).await {
        tracing::error!(%problem, "accept simulated text");
        return error(20500);
    }
    give(&house, &connection, (how, decided), StatusCode::CREATED, proper).await
}

/// `AccountSid:AuthToken`, or an API key's SID with the same secret.
pub(super) fn may(house: &SimulatorState, account: &str, headers: &HeaderMap) -> bool {
    basic(headers).is_some_and(|(user, password)| {
        (user == account || user.starts_with("SK")) && password == house.fixed.twilio_auth_token
    })
}

fn given<'a>(form: &'a Pairs, name: &str) -> Option<&'a str> {
    value(form, name).filter(|text| !text.is_empty())
}

/// What is wrong with the call itself, as a code.
fn wrong(house: &SimulatorState, account: &str, form: &Pairs) -> Option<u32> {
    let Some(body) = given(form, "Body") else { return Some(21602) };
    if body.chars().count() > BODY_CHARS_MAX {
        return Some(21617);
    }
    let from = given(form, "From");
    if from.is_none() && given(form, "MessagingServiceSid").is_none() {
        return Some(21603);
    }
    let is_url =
        |text: &str| reqwest::Url::parse(text).is_ok_and(|url| url.has_host() && !text.contains('_'));
    if given(form, "StatusCallback").is_some_and(|text| !is_url(text)) {
        return Some(21609);
    }
    let to = given(form, "To").unwrap_or_default();
    let stopped = house.book().is_stopped(from.unwrap_or_default(), to);
    from.and_then(|from| of_sender(account, from)).or_else(|| of_recipient(to)).or(stopped.then_some(21610))
}

fn correlation(callback: Option<&str>) -> Correlation {
    let without_fragment = callback.and_then(|url| url.split('#').next());
    let Some((_, query)) = without_fragment.and_then(|url| url.split_once('?')) else {
        return Correlation::default();
    };
    let query = routes::pairs(query.as_bytes());
    Correlation::new(value(&query, "m"), value(&query, "a"))
}

/// The code for the books, and the answer.
fn refuse(refusal: Refusal) -> (String, Response) {
    match of_refusal(refusal) {
        Some(code) => (code.to_string(), error(code)),
        None => {
            let page = "<!DOCTYPE html><html><body><h1>It works!</h1></body></html>";
            ("200".to_owned(), text_response(StatusCode::OK, "text/html", page))
        }
    }
}
