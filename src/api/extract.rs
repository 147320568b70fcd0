//! Strict extractors: JSON bodies, path ids and query strings.
//!
//! Bodies are bounded in size and time and must be `application/json` in UTF-8. A duplicate key, a NUL, a carriage
//! return, half a surrogate pair, an unknown field or a wrong type is refused by its path. A malformed id is answered
//! like an unknown one: 404.

use std::{fmt, marker::PhantomData, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::api::{ApiState, Problem, problem::FieldProblem};
use crate::http_server::read_body;
use postrider_domain::document::{fields::expected, node::Node, strict, text::shown_name};

/// Largest body of a call without a limit of its own, in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Longest message of a foreign parser that is repeated, in characters.
const MESSAGE_CHARS_MAX: usize = 200;

/// A JSON body as `T`; `T` should deny unknown fields.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<ApiState>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<ApiState>) -> Result<Json<T>, Problem> {
        let bytes = read(request, api, BODY_BYTES_MAX).await?;
        parse(&bytes).map(Json)
    }
}

/// A JSON body of at most `bytes_max`, unparsed.
pub async fn read(request: Request, api: &ApiState, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    read_content(&["application/json"], request, api, bytes_max).await
}

/// A body of at most `bytes_max` with one of these content types, in UTF-8.
pub async fn read_content(
    kinds: &[&str],
    request: Request,
    api: &ApiState,
    bytes_max: usize,
) -> Result<Vec<u8>, Problem> {
    let (parts, body) = request.into_parts();
    check_type(kinds, &parts.headers)?;
    bytes(body, api, bytes_max).await
}

async fn bytes(body: Body, api: &ApiState, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    read_body(body, bytes_max, api.body_timeout).await.map_err(|status| match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            status,
            "too_large",
            format!("the body is larger than {bytes_max} bytes; send a smaller one"),
        ),
        StatusCode::REQUEST_TIMEOUT => {
            Problem::new(status, "too_slow", "the body did not arrive in time; send it again")
        }
        _ => Problem::bad_request("the body ended early; send it again"),
    })
}

/// Requires one of these content types, and UTF-8 if a charset is named.
fn check_type(kinds: &[&str], headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        let detail = "send the body without content-encoding";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_type", detail));
    }
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut parts = text.split(';').map(str::trim);
    let known = |kind: &str| kinds.iter().any(|known| kind.eq_ignore_ascii_case(known));
    let of_kind = parts.next().is_some_and(known);
    let utf8 = parts.all(|parameter| {
        let charset =
            parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        charset.is_none_or(|(_, value)| {
            matches!(value.trim().trim_matches('"').to_ascii_lowercase().as_str(), "utf-8" | "utf8")
        })
    });
    match of_kind && utf8 {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_type",
            format!("send the body as content-type: {}, in UTF-8", kinds.join(" or ")),
        )),
    }
}

/// Parses a document strictly; every document of the API is an object.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let node: Node = serde_json::from_slice(bytes).map_err(|error| not_json(bytes, &error))?;
    let problems = strict::check(&node);
    if !problems.is_empty() {
        return Err(Problem::unprocessable(problems));
    }
    match node {
        Node::Object(_) => parse_plain(bytes),
        other => Err(no_object(&other)),
    }
}

/// Refuses a list: serde would read it as the fields of an object in their order.
fn no_object(node: &Node) -> Problem {
    Problem::unprocessable([FieldProblem::new("", "wrong_type", expected("an object", node))])
}

/// Parses a document without the strict check of its parts, which intake makes for each job.
pub fn parse_plain<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.trim_ascii_start().starts_with(b"[") {
        let read = serde_json::from_slice::<IgnoredAny>(bytes);
        return Err(read
            .map_or_else(|error| not_json(bytes, &error), |IgnoredAny| no_object(&Node::List(Vec::new()))));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read: Result<T, _> = serde_path_to_error::deserialize(&mut reader);
    let value = read.map_err(|error| {
        // serde calls an unknown word a syntax error even if the document is JSON.
        if !error.inner().is_data() && serde_json::from_slice::<Node>(bytes).is_err() {
            return not_json(bytes, error.inner());
        }
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => shown_name(&path),
        };
        let text = error.into_inner().to_string();
        if let Some(name) = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            return Problem::unprocessable([FieldProblem::new(path, "missing", "this field is required")]);
        }
        let message = match text.starts_with("expected value") {
            true => "expected another type, or a known word".to_owned(),
            false => without_sent_value(&text),
        };
        Problem::unprocessable([FieldProblem::new(path, "bad_value", message)])
    })?;
    reader.end().map_err(|error| not_json(bytes, &error))?;
    Ok(value)
}

/// Deserializes a part that must be an object: serde would accept a list, even an empty one.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(reader: D) -> Result<T, D::Error> {
    struct AnObject<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for AnObject<T> {
        type Value = T;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    reader.deserialize_map(AnObject(PhantomData))
}

/// The expectation of a serde message (`invalid type: string "…", expected a map`) without the sent value, which
/// may be personal data and as long as the body.
fn without_sent_value(message: &str) -> String {
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => message.chars().take(MESSAGE_CHARS_MAX).collect(),
    }
}

fn not_json(bytes: &[u8], error: &serde_json::Error) -> Problem {
    let detail = match bytes.trim_ascii().is_empty() {
        true => "the body is empty; send JSON".to_owned(),
        false => format!("the body is not JSON: {error}"),
    };
    Problem::new(StatusCode::BAD_REQUEST, "not_json", detail)
}

/// Path parameters; a malformed one is answered with 404.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|path| Path(path.0)).map_err(|_| Problem::not_found())
    }
}

/// The query string as `T`; `T` should deny unknown fields.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Query<T>, Problem> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|query| Query(query.0)).map_err(|error| {
            let text = error.body_text();
            let message = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            let message = without_sent_value(message);
            Problem::bad_request(format!("the query string is not valid: {message}; see /docs"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Wish {
        days: u32,
        words: Vec<String>,
    }

    impl Default for Wish {
        fn default() -> Wish {
            Wish { days: 1, words: Vec::new() }
        }
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_named_by_its_field() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Action {
            Cancel,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Call {
            act: Action,
        }
        let told = |body: &str| {
            let problem = parse::<Call>(body.as_bytes()).map(|call| call.act).expect_err(body);
            (problem.status, problem.problems[0].field.clone(), problem.problems[0].code.to_string())
        };
        assert!(matches!(parse::<Call>(br#"{"act": "cancel"}"#).expect("is fine").act, Action::Cancel));
        assert_eq!(told("{}"), (422, "act".to_owned(), "missing".to_owned()));
        for body in [r#"{"act": 1}"#, r#"{"act": true}"#, r#"{"act": null}"#, r#"{"act": "fly"}"#] {
            assert_eq!(told(body), (422, "act".to_owned(), "bad_value".to_owned()), "{body}");
        }
    }

    fn refused(body: &str) -> (u16, Vec<FieldProblem>) {
        let problem = parse::<Wish>(body.as_bytes()).expect_err(body);
        assert_eq!(parse_plain::<Wish>(body.as_bytes()).expect_err(body).status, problem.status, "{body}");
        (problem.status, problem.problems)
    }

    #[test]
    fn an_object_is_read_and_nothing_passes_for_one() {
        let wish = parse::<Wish>(b" {\"days\": 7, \"words\": [\"a\"]}").expect("is fine");
        assert_eq!((wish.days, wish.words), (7, vec!["a".to_owned()]));
        for body in ["[]", " [7, [\"a\"]]", "null", "7", "\"days\""] {
            assert_eq!(refused(body).0, 422, "{body}");
        }
        for body in ["", "[", "[]]", "{", "{} {}", "\"\\ud800\""] {
            assert_eq!(refused(body).0, 400, "{body}");
        }
    }

    #[test]
    fn no_problem_repeats_what_was_sent() {
        let long = "x".repeat(10_000);
        for body in [
            format!("{{\"days\": \"Jane, expected {long}\"}}"),
            format!("{{\"words\": \"Jane {long}\"}}"),
            format!("{{\"words\": {{\"Jane {long}\": 1}}}}"),
            format!("{{\"{long}\": \"Jane\"}}"),
        ] {
            let (status, problems) = refused(&body);
            let told = format!("{problems:?}");
            assert!(status == 422 && told.contains("expected"), "{told}");
            assert!(!told.contains("Jane") && told.len() < 500, "{told}");
        }
    }

    #[test]
    fn a_list_is_no_object_within_a_body_either() {
        #[derive(Debug, serde::Deserialize)]
        struct Call {
            #[serde(deserialize_with = "object")]
            wish: Wish,
        }
        let call: Call = parse(br#"{"wish": {}}"#).expect("an object");
        assert_eq!(call.wish.days, 1);
        let problem = parse::<Call>(br#"{"wish": []}"#).expect_err("a list");
        assert_eq!(problem.problems[0].field, "wish");
    }
}
