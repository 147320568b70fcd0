//! Readers of HTTP requests that several handlers need: bodies, forms, Basic credentials.
//!
//! Bodies are bounded in size and time, because hyper bounds neither (docs/dependency-hazards.md#f12).

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State, multipart::MultipartError},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;

use crate::{http_answer::json_response, state::SimulatorState};

pub(crate) type SharedState = State<Arc<SimulatorState>>;
/// Names and values in the order of the form: repeated names and empty values are kept.
pub(crate) type Fields = Vec<(String, String)>;

const BODY_BYTES_MAX: usize = 25 * 1024 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The fields of a form, and its files by field name.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub fields: Fields,
    pub files: Vec<(String, Bytes)>,
}

/// The whole body; the error is the answer to a body that is too large or too slow.
pub(crate) async fn read_body(body: Body) -> Result<Bytes, Response> {
    let reading = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(problem)) if problem.is::<LengthLimitError>() => Err(json_response(
            StatusCode::PAYLOAD_TOO_LARGE,
            &json!({ "message": "Request Entity Too Large" }),
        )),
        Ok(Err(_)) => Err(json_response(StatusCode::BAD_REQUEST, &json!({ "message": "body unreadable" }))),
        Err(_) => Err(json_response(StatusCode::REQUEST_TIMEOUT, &json!({ "message": "body too slow" }))),
    }
}

/// The form in a body, multipart or URL-encoded by its content type; `None` for a malformed multipart body.
pub(crate) async fn read_form(headers: &HeaderMap, body: &Bytes) -> Option<Form> {
    let mut request = Request::new(Body::from(body.clone()));
    request.headers_mut().clone_from(headers);
    DefaultBodyLimit::disable().apply(&mut request);
    match Multipart::from_request(request, &()).await {
        Ok(multipart) => read_parts(multipart).await.ok(),
        Err(_not_multipart) => Some(Form { fields: parse_fields(body), files: Vec::new() }),
    }
}

async fn read_parts(mut multipart: Multipart) -> Result<Form, MultipartError> {
    let mut form = Form::default();
    while let Some(part) = multipart.next_field().await? {
        let name = part.name().unwrap_or_default().to_owned();
        if part.file_name().is_some() {
            form.files.push((name, part.bytes().await?));
        } else {
            form.fields.push((name, String::from_utf8_lossy(&part.bytes().await?).into_owned()));
        }
    }
    Ok(form)
}

/// The fields of a URL-encoded form or query.
pub(crate) fn parse_fields(form: &[u8]) -> Fields {
    form_urlencoded::parse(form).into_owned().collect()
}

/// The value of the first field with this name.
pub(crate) fn value<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// User and password of HTTP Basic.
pub(crate) fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = STANDARD.decode(text.strip_prefix("Basic ")?.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    decoded.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    async fn form(content_type: &'static str, body: &'static str) -> Option<Form> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        read_form(&headers, &Bytes::from_static(body.as_bytes())).await
    }

    #[tokio::test]
    async fn fields_and_files_are_told_apart_and_a_cut_body_is_malformed() {
        let multipart = "multipart/form-data; boundary=\"b-1\"";
        let body = "--b-1\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\na@b.test\r\n--b-1\r\nContent-Disposition: form-data; name=\"message\"; filename=\"m.eml\"\r\n\r\nA: b\r\n\r\n--c\r\n\r\n--b-1--\r\n";
        let read = form(multipart, body).await.expect("a form");
        assert_eq!(read.fields, [("to".to_owned(), "a@b.test".to_owned())]);
        assert_eq!(read.files, [("message".to_owned(), Bytes::from_static(b"A: b\r\n\r\n--c\r\n"))]);
        assert!(form(multipart, &body[..60]).await.is_none());
        let read = form("application/x-www-form-urlencoded", "to=a%40b.test&to=").await.expect("a form");
        assert_eq!(read.fields.len(), 2);
    }
}
