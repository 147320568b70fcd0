//! The provider's wire: a text for Twilio or a finished message for Mailgun, and the id in the answer.
//!
//! The text is as long as Postrider's, and the message has as many bytes as Postrider's own for the same job;
//! neither is rendered.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::Full;
use hyper::{Request, body::Bytes, header};
use serde::Deserialize;

use crate::{
    journal::Job,
    settings::{Medium, Settings},
};

/// Bytes of Postrider's message for a job of `make bench`, headers included.
const EMAIL_BYTES: usize = 2_469;
const BOUNDARY: &str = "the-limit-has-one-boundary";

/// A message without a Message-ID, which Mailgun then makes.
static EMAIL: LazyLock<String> = LazyLock::new(|| {
    let head = "From: Blanca Peak <feedback@blancapeak.example>\r\nTo: customer@example.com\r\n\
        Subject: How did we do?\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n";
    let line = "<p>Thank you for talking to us. Would you tell us how it went? It takes a minute.</p>\r\n";
    let mut email = head.to_owned();
    while email.len() < EMAIL_BYTES {
        email.push_str(line);
    }
    email.truncate(EMAIL_BYTES);
    email
});

pub fn request(settings: &Settings, job: &Job) -> hyper::http::Result<Request<Full<Bytes>>> {
    let (path, user, content_type, body) = match settings.medium {
        Medium::Sms => (
            format!("/2010-04-01/Accounts/{}/Messages.json", settings.account_sid),
            settings.account_sid.as_str(),
            "application/x-www-form-urlencoded".to_owned(),
            text(settings, job),
        ),
        Medium::Email => (
            format!("/v3/{}/messages.mime", settings.mail_domain),
            "api",
            format!("multipart/form-data; boundary={BOUNDARY}"),
            email(job),
        ),
    };
    let basic = STANDARD.encode(format!("{user}:{}", settings.auth_token));
    Request::post(path)
        .header(header::HOST, settings.provider.as_str())
        .header(header::AUTHORIZATION, format!("Basic {basic}"))
        .header(header::CONTENT_TYPE, content_type)
        .body(Full::from(body))
}

fn text(settings: &Settings, job: &Job) -> String {
    let words = format!(
        "Hi {}, how did Blanca Peak do? Tell us in a minute: https://survey.example.com/s/{} \
         Reply STOP to opt out",
        job.name, job.key
    );
    form_urlencoded::Serializer::new(String::new())
        .append_pair("To", &job.address)
        .append_pair("Body", &words)
        .append_pair("From", &settings.from_number)
        .append_pair("StatusCallback", &format!("{}/status?m={}", settings.public_url, job.key))
        .finish()
}

fn email(job: &Job) -> String {
    let field = |name: &str, value: &str| {
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let mut body = field("to", &job.address);
    body.push_str(&field("v:m", &job.key));
    body.push_str(&format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"message\"; filename=\"message.mime\"\r\n\
         Content-Type: message/rfc822\r\n\r\n{}\r\n--{BOUNDARY}--\r\n",
        *EMAIL
    ));
    body
}

#[derive(Deserialize)]
struct Reply {
    #[serde(alias = "sid")]
    id: String,
}

pub fn provider_id(body: &[u8]) -> serde_json::Result<String> {
    serde_json::from_slice(body).map(|reply: Reply| reply.id)
}
