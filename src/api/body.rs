//! What was sent, read strictly: JSON bodies, path ids and query strings.
//!
//! Bodies are bounded in size and time. `application/json` in UTF-8 and nothing else; a key twice, a NUL,
//! half a surrogate pair, an unknown field or a wrong type is refused by its path. An id that is none is
//! answered like one that is nobody's.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;

use super::{Api, Problem, problem::FieldProblem};
use crate::{
    message::{node::Node, strict},
    webhooks::serve::read_body,
};

/// Longest body of a call that says nothing else, in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// A JSON body as `T`; `T` should deny unknown fields.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Json<T>, Problem> {
        let bytes = read(request, api, BODY_BYTES_MAX).await?;
        parse(&bytes).map(Json)
    }
}

/// A JSON body of at most `bytes_max`, unparsed.
pub async fn read(request: Request, api: &Api, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    read_as(&["application/json"], request, api, bytes_max).await
}

/// A body of at most `bytes_max` that says it is one of these, in UTF-8.
pub async fn read_as(
    kinds: &[&str],
    request: Request,
    api: &Api,
    bytes_max: usize,
) -> Result<Vec<u8>, Problem> {
    let (parts, body) = request.into_parts();
    check_type(kinds, &parts.headers)?;
    bytes(body, api, bytes_max).await
}

async fn bytes(body: Body, api: &Api, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    read_body(body, bytes_max, api.body_within).await.map_err(|status| match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(status, "too_large", format!("the body has more than {bytes_max} bytes; send less"))
        }
        StatusCode::REQUEST_TIMEOUT => {
            Problem::new(status, "too_slow", "the body did not come in time; send it again")
        }
        _ => Problem::bad_request("the body ended before its time; send it again"),
    })
}

/// One of these kinds, in UTF-8 where it names a charset.
fn check_type(kinds: &[&str], headers: &HeaderMap) -> Result<(), Problem> {
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

/// Reads a document strictly.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let node: Node = serde_json::from_slice(bytes).map_err(|error| not_json(bytes, &error))?;
    let problems = strict::check(&node);
    if !problems.is_empty() {
        return Err(Problem::unprocessable(problems));
    }
    parse_plain(bytes)
}

/// Reads a document whose parts are judged by somebody else.
pub fn parse_plain<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read: Result<T, _> = serde_path_to_error::deserialize(&mut reader);
    let value = read.map_err(|error| {
        if !error.inner().is_data() {
            return not_json(bytes, error.inner());
        }
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        // Kind and position, never the text around it.
        Problem::unprocessable([FieldProblem::new(path, "bad_value", error.into_inner().to_string())])
    })?;
    reader.end().map_err(|error| not_json(bytes, &error))?;
    Ok(value)
}

fn not_json(bytes: &[u8], error: &serde_json::Error) -> Problem {
    let detail = match bytes.trim_ascii().is_empty() {
        true => "the body is empty; send JSON".to_owned(),
        false => format!("the body is not JSON: {error}"),
    };
    Problem::new(StatusCode::BAD_REQUEST, "not_json", detail)
}

/// Path parameters; what is malformed names nothing that is there.
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
        query.map(|query| Query(query.0)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}
