//! Mailgun's and Twilio's answers to each fault.
//!
//! Each test checks the caller's answer, the journal's acceptances and the call's verdict. Webhooks are tested in
//! `receipts`.

use serde_json::Value;

use super::support::{ACCOUNT, DEADLINE, client, mail, message_id, simulator, simulator_with, text};
use crate::{Behaviour, Simulator, Verdict};

async fn status_and_json(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.json().await.expect("JSON"))
}

fn recipients(simulator: &Simulator) -> Vec<String> {
    simulator.accepted().into_iter().map(|accepted| accepted.recipient).collect()
}

#[tokio::test]
async fn an_ordinary_mail_is_queued_under_its_own_message_id() {
    let simulator = simulator().await;
    let (status, answer) = status_and_json(mail(&simulator, "jo@example.test")).await;
    let id = format!("{}.2@shop.test", message_id().simple());
    assert_eq!((status, answer["id"].as_str()), (200, Some(format!("<{id}>").as_str())));
    assert_eq!(answer["message"], "Queued. Thank you.");
    let accepted = simulator.accepted().remove(0);
    assert_eq!((accepted.provider.as_str(), accepted.provider_id), ("mailgun", id));
    assert_eq!((accepted.correlation, accepted.attempt), (Some(message_id().to_string()), Some(2)));
    assert_eq!(
        (accepted.recipient.as_str(), accepted.text_or_subject.as_str()),
        ("jo@example.test", "How was it?")
    );
    assert_eq!(accepted.raw, super::support::mime("jo@example.test"));
    assert_eq!(simulator.calls()[0].verdict, Verdict::Accepted);
    simulator.shutdown().await;
}

#[tokio::test]
async fn an_ordinary_text_is_created_and_correlated_by_its_callback() {
    let simulator = simulator().await;
    let callback = format!("http://127.0.0.1:9/status?m={}&a=3&t=00#rc=3", message_id().simple());
    let (status, answer) = status_and_json(text(&simulator, "+14155552671", Some(&callback))).await;
    assert_eq!((status, answer["status"].as_str()), (201, Some("queued")));
    assert_eq!((answer["account_sid"].as_str(), &answer["date_sent"]), (Some(ACCOUNT), &Value::Null));
    let accepted = simulator.accepted().remove(0);
    assert_eq!(answer["sid"], accepted.provider_id.as_str());
    assert_eq!((accepted.correlation, accepted.attempt), (Some(message_id().to_string()), Some(3)));
}

#[tokio::test]
async fn refusals_carry_each_providers_code_and_accept_nothing() {
    let simulator = simulator().await;
    for (word, status, code) in [
        ("busy", 429, 20429),
        ("invalid", 400, 21211),
        ("optout", 400, 21610),
        ("misconfigured", 401, 20003),
        ("error", 500, 20500),
        ("dot451", 503, 20503),
    ] {
        simulator.set_recipient_fault("+14155552671", word);
        let (found, answer) = status_and_json(text(&simulator, "+14155552671", None)).await;
        assert_eq!((found, answer["code"].as_u64()), (status, Some(code)), "{word}");
        assert_eq!(answer["status"], status, "{word}");
    }
    for (word, status) in [
        ("busy", 429),
        ("invalid", 400),
        ("misconfigured", 401),
        ("spam", 400),
        ("error", 500),
        ("dot451", 503),
    ] {
        let response = mail(&simulator, &format!("{word}+1@example.test")).send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), status, "{word}");
        assert_eq!(response.headers().contains_key("retry-after"), word == "busy", "{word}");
    }
    let answer = mail(&simulator, "misconfigured@example.test").send().await.expect("an answer");
    assert_eq!(answer.text().await.expect("text"), "Forbidden");
    assert!(simulator.accepted().is_empty());
    assert_eq!(simulator.calls()[0].verdict, Verdict::Refused("20429".to_owned()));
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_means_nothing_was_accepted() {
    let simulator = simulator().await;
    let answer = mail(&simulator, "magnificent@example.test").send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.text().await.expect("text"), "Mailgun Magnificent API");
    let answer = text(&simulator, "+15005551012", None).send().await.expect("an answer");
    assert!(answer.status().as_u16() == 200 && answer.text().await.expect("text").contains("<html>"));
    assert!(simulator.accepted().is_empty());
}

#[tokio::test]
async fn a_flaky_recipient_is_refused_once_and_then_accepted() {
    let simulator = simulator().await;
    for expected in [429, 200, 200] {
        let response = mail(&simulator, "flaky+1@example.test").send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), expected);
    }
    for expected in [429, 201] {
        let response = text(&simulator, "+15005551002", None).send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), expected);
    }
    assert_eq!(simulator.accepted().len(), 3);
}

#[tokio::test]
async fn a_reset_is_no_answer_whether_accepted_or_not() {
    let simulator = simulator().await;
    for request in [
        mail(&simulator, "reset@example.test"),
        text(&simulator, "+15005551007", None),
        mail(&simulator, "acceptreset@example.test"),
        text(&simulator, "+15005551008", None),
    ] {
        let problem = request.send().await.expect_err("the connection is reset");
        assert!(problem.is_request() && !problem.is_connect() && !problem.is_timeout(), "{problem:?}");
    }
    assert_eq!(recipients(&simulator), ["acceptreset@example.test", "+15005551008"]);
    assert_eq!(simulator.calls()[0].verdict, Verdict::None);
}

#[tokio::test]
async fn a_cut_answer_has_its_head_and_not_its_body() {
    let simulator = simulator().await;
    for (request, status) in
        [(mail(&simulator, "cut@example.test"), 200), (text(&simulator, "+15005551010", None), 201)]
    {
        let response = request.send().await.expect("a whole head");
        assert_eq!(response.status().as_u16(), status);
        assert!(response.bytes().await.is_err(), "the body is cut");
    }
    assert_eq!(simulator.accepted().len(), 2);
}

#[tokio::test]
async fn garbage_and_errors_after_acceptance_hide_that_the_message_was_accepted() {
    let simulator = simulator().await;
    let (status, answer) = status_and_json(mail(&simulator, "garbage@example.test")).await;
    assert_eq!((status, answer.get("id")), (200, None));
    let (status, answer) = status_and_json(text(&simulator, "+15005551011", None)).await;
    assert_eq!((status, answer.get("sid")), (201, None));
    assert_eq!(status_and_json(mail(&simulator, "accepterror@example.test")).await.0, 500);
    assert_eq!(status_and_json(text(&simulator, "+15005551014", None)).await.0, 500);
    assert_eq!(simulator.accepted().len(), 4);
}

#[tokio::test]
async fn a_hung_call_is_accepted_at_once_and_answered_when_released() {
    let simulator = simulator().await;
    let hung = tokio::spawn(mail(&simulator, "hang@example.test").send());
    assert!(simulator.wait_until(|accepted| accepted.len() == 1, DEADLINE).await);
    assert!(!hung.is_finished());
    simulator.release_hung();
    assert_eq!(hung.await.expect("no panic").expect("an answer").status().as_u16(), 200);
}

#[tokio::test]
async fn an_outage_refuses_everything_and_ends() {
    let simulator = simulator().await;
    simulator.set_outage(true);
    let response = mail(&simulator, "jo@example.test").send().await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), response.headers()["connection"].as_bytes()),
        (503, &b"close"[..])
    );
    assert_eq!(status_and_json(text(&simulator, "+14155552671", None)).await.0, 503);
    simulator.set_outage(false);
    assert_eq!(status_and_json(text(&simulator, "+14155552671", None)).await.0, 201);
    assert_eq!(recipients(&simulator), ["+14155552671"]);
}

#[tokio::test]
async fn wrong_credentials_and_bad_parameters_are_refused() {
    let simulator = simulator().await;
    let wrong = mail(&simulator, "jo@example.test").headers(wrong_basic()).send().await.expect("an answer");
    assert_eq!(wrong.status().as_u16(), 401);
    let wrong = text(&simulator, "+14155552671", None).headers(wrong_basic());
    assert_eq!(status_and_json(wrong).await.1["code"], 20003);
    assert_eq!(status_and_json(text(&simulator, "+15005550003", None)).await.1["code"], 21408);
    assert_eq!(status_and_json(text(&simulator, "4155552671", None)).await.1["code"], 21211);
    assert_eq!(status_and_json(text(&simulator, "+14155552671", Some("no url"))).await.1["code"], 21609);
    let lost = client().get(format!("http://{}/v3/nothing/here", simulator.http_addr)).send().await;
    assert_eq!(lost.expect("an answer").text().await.expect("text"), "Mailgun Magnificent API");
    assert!(simulator.accepted().is_empty());
}

/// `RequestBuilder::headers` replaces what `basic_auth` set.
fn wrong_basic() -> reqwest::header::HeaderMap {
    let value = reqwest::header::HeaderValue::from_static("Basic YXBpOndyb25n");
    reqwest::header::HeaderMap::from_iter([(reqwest::header::AUTHORIZATION, value)])
}

#[tokio::test]
async fn random_errors_come_at_their_rate_and_are_not_accepted() {
    let behaviour = Behaviour { error_rate: 0.5, ..Behaviour::default() };
    let simulator = simulator_with(|config| config.behaviour = behaviour).await;
    let mut refused = 0;
    for _ in 0..40 {
        refused += usize::from(status_and_json(text(&simulator, "+14155552671", None)).await.0 == 500);
    }
    assert!((8..=32).contains(&refused), "{refused} of 40");
    assert_eq!(simulator.accepted().len(), 40 - refused);
}
