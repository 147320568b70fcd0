//! A customer's response, as the survey system reports it: bytes into a `Response`.
//!
//! PURE, by the rules of `document::fields` and `parse`: every problem by field path, nothing cut silently. A
//! response names the request (our id or a `former_id`) or the interaction that it is about; the ledger resolves
//! them. It counts once, by its own `response_id`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    document::{
        Problem,
        fields::{Fields, LABEL_CHARS_MAX, Lines, Problems, read_any_text, read_with},
        node::Node,
        strict,
    },
    job::parse::{read_id, read_json, read_properties, read_time},
};

const RESPONSE_FIELDS: &[&str] = &[
    "response_id",
    "request_id",
    "ext_interaction_id",
    "answered_at",
    "score",
    "comment",
    "custom_properties",
];
const SCORE_MAX: i64 = 1_000;
const COMMENT_CHARS_MAX: usize = 2_000;

/// A parsed response.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Made by the sender; unique in the company.
    pub response_id: String,
    /// The request or the interaction that was answered.
    pub subject: ResponseSubject,
    /// Absent: the time of arrival counts.
    pub answered_at: Option<DateTime<Utc>>,
    /// The content of the answer.
    pub answer: SurveyAnswer,
}

/// The request or the interaction that a response is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ResponseSubject {
    /// Our id or a `former_id`.
    Request(Uuid),
    /// The producer's id of the interaction (`ext_interaction_id`).
    Interaction(String),
}

/// The content of a response. Kept and shown, never evaluated.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SurveyAnswer {
    /// At most 2,000 characters, on several lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Further values, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_properties: BTreeMap<String, String>,
    /// 0 to 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<u32>,
}

/// Reads a response from the broker.
///
/// # Errors
/// Every problem of the body, by field path.
pub fn parse_response(body: &[u8]) -> Result<Response, Vec<Problem>> {
    let mut problems = Problems::default();
    let document = read_json(body, &mut problems);
    let response = document.as_ref().and_then(|document| read_document(document, &mut problems));
    problems.settle(response)
}

/// Reads a response from an HTTP call; no character is cleaned silently.
///
/// # Errors
/// As `parse_response`, and for every NUL and carriage return.
pub fn parse_response_call(body: &[u8]) -> Result<Response, Vec<Problem>> {
    let mut problems = Problems::default();
    let document = read_json(body, &mut problems);
    let response = document.as_ref().and_then(|document| read_document(document, &mut problems));
    if let Some(document) = &document {
        strict::check_characters(document, &mut problems);
    }
    problems.settle(response)
}

fn read_document(document: &Node, problems: &mut Problems) -> Option<Response> {
    let fields = Fields::open("", document, RESPONSE_FIELDS, problems)?;
    read_response(&fields, problems)
}

fn read_response(fields: &Fields, problems: &mut Problems) -> Option<Response> {
    let response_id = fields.required_text("response_id", LABEL_CHARS_MAX, problems);
    let subject = read_subject(fields, problems);
    let answered_at = read_with(fields, "answered_at", LABEL_CHARS_MAX, problems, read_time);
    let answer = SurveyAnswer {
        comment: fields
            .get("comment")
            .and_then(|node| read_any_text("comment", node, COMMENT_CHARS_MAX, Lines::Several, problems)),
        custom_properties: read_properties(fields, problems),
        score: fields.number("score", 0..=SCORE_MAX, problems),
    };
    Some(Response { response_id: response_id?, subject: subject?, answered_at, answer })
}

fn read_subject(fields: &Fields, problems: &mut Problems) -> Option<ResponseSubject> {
    let request = read_id(fields, "request_id", problems).map(ResponseSubject::Request);
    let interaction =
        fields.text("ext_interaction_id", LABEL_CHARS_MAX, problems).map(ResponseSubject::Interaction);
    match (fields.get("request_id").is_some(), fields.get("ext_interaction_id").is_some()) {
        (false, false) => {
            let remedy = "say what was answered: request_id (our id or a former_id) or ext_interaction_id";
            problems.add("request_id", "missing", remedy);
            None
        }
        (true, true) => {
            let remedy = "name the request or the interaction, not both; the request is the more exact one";
            problems.add("ext_interaction_id", "one_of_two", remedy);
            None
        }
        (true, false) | (false, true) => request.or(interaction),
    }
}

impl Response {
    /// The canonical bytes of the content, compared to detect a repeated response. Their hash is stored, so their
    /// form never changes, as in `canonical` for jobs.
    #[must_use]
    pub fn content_bytes(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Content<'r> {
            #[serde(skip_serializing_if = "Option::is_none")]
            answered_at: Option<DateTime<Utc>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            ext_interaction_id: Option<&'r str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            request_id: Option<Uuid>,
            said: &'r SurveyAnswer,
        }
        let (request_id, ext_interaction_id) = match &self.subject {
            ResponseSubject::Request(id) => (Some(*id), None),
            ResponseSubject::Interaction(id) => (None, Some(id.as_str())),
        };
        let content =
            Content { answered_at: self.answered_at, ext_interaction_id, request_id, said: &self.answer };
        serde_json::to_vec(&content).expect("a response is plain data")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(body: &str) -> Vec<(String, String)> {
        let problems = parse_response(body.as_bytes()).expect_err("it is refused");
        problems.into_iter().map(|problem| (problem.path, problem.code)).collect()
    }

    fn pair(path: &str, code: &str) -> (String, String) {
        (path.to_owned(), code.to_owned())
    }

    #[test]
    fn a_response_names_a_request_or_an_interaction_and_may_say_more() {
        let id = "54bd2af9-28cb-48df-8c60-cd27de080cd4";
        let body = format!(
            r#"{{"response_id": "r-1", "request_id": "{id}", "answered_at": "2026-03-01T09:00:00+01:00",
                "score": 4, "comment": "Good,\nthanks", "custom_properties": {{"survey": "spring"}}}}"#
        );
        let response = parse_response(body.as_bytes()).expect("it is fine");
        assert_eq!(response.subject, ResponseSubject::Request(id.parse().expect("a UUID")));
        assert_eq!(response.answered_at.expect("given").to_rfc3339(), "2026-03-01T08:00:00+00:00");
        assert_eq!(
            (response.answer.score, response.answer.comment.as_deref()),
            (Some(4), Some("Good,\nthanks"))
        );
        assert_eq!(response.answer.custom_properties["survey"], "spring");

        let body = br#"{"response_id": "r-2", "ext_interaction_id": "call-7", "score": null}"#;
        let response = parse_response(body).expect("it is fine");
        assert_eq!(response.subject, ResponseSubject::Interaction("call-7".to_owned()));
        assert_eq!(response.answer, SurveyAnswer::default());
    }

    #[test]
    fn a_response_about_nothing_or_two_things_is_refused() {
        assert_eq!(problems(r#"{"response_id": "r"}"#), [pair("request_id", "missing")]);
        let both = r#"{"response_id": "r", "ext_interaction_id": "c",
            "request_id": "54bd2af9-28cb-48df-8c60-cd27de080cd4"}"#;
        assert_eq!(problems(both), [pair("ext_interaction_id", "one_of_two")]);
    }

    #[test]
    fn every_problem_of_a_response_is_named_at_once() {
        let body =
            r#"{"request_id": "x", "answered_at": "yesterday", "score": 4.5, "comment": 1, "stars": 5}"#;
        let expected = [
            pair("stars", "unknown_field"),
            pair("response_id", "missing"),
            pair("request_id", "bad_id"),
            pair("answered_at", "bad_time"),
            pair("comment", "wrong_type"),
            pair("score", "wrong_type"),
        ];
        assert_eq!(problems(body), expected);
        assert_eq!(problems("")[0].1, "not_json");
        assert_eq!(problems(&format!("[{}", " ".repeat(70_000)))[0].1, "too_long");
        let long = format!(r#"{{"response_id": "{}", "ext_interaction_id": "c"}}"#, "r".repeat(256));
        assert_eq!(problems(&long), [pair("response_id", "too_long")]);
    }

    #[test]
    fn spelling_does_not_change_the_content_and_everything_said_does() {
        let content = |body: &str| parse_response(body.as_bytes()).expect("it is fine").content_bytes();
        let plain = content(r#"{"response_id":"r","ext_interaction_id":"c"}"#);
        assert_eq!(content(r#"{ "ext_interaction_id" : "c", "score": null, "response_id":"other" }"#), plain);
        assert_eq!(
            String::from_utf8(plain.clone()).expect("text"),
            r#"{"ext_interaction_id":"c","said":{}}"#
        );
        for more in [r#""score":1"#, r#""comment":"x""#, r#""answered_at":"2026-03-01T09:00:00Z""#] {
            assert_ne!(content(&format!(r#"{{"response_id":"r","ext_interaction_id":"c",{more}}}"#)), plain);
        }
    }
}
