//! Webhooks as the providers would post them, made by hand: to forge, to repeat, to disorder.
//!
//! Signatures come from the simulator's own code, so that one mistake cannot hide on both sides. An
//! attempt's token is what the provider was given: for Twilio it is read off the callback URL.
use postrider_domain::ids::{AccountId, MessageId};
use postrider_provider_simulator::{Accepted, sign};
use postrider_providers::TokenKey;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{TestEnv, http};

pub const TWILIO_KEY: &str = "simulated-twilio-auth-token";
pub const MAILGUN_KEY: &str = "simulated-mailgun-signing-key";
const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";

/// An attempt as its provider knows it.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub message: Uuid,
    pub attempt: i16,
    pub token: String,
    pub provider_id: String,
}

/// One webhook call, ready to go.
#[derive(Debug, Clone)]
pub struct Post {
    pub path: String,
    pub content_type: &'static str,
    pub signature: Option<String>,
    pub body: Vec<u8>,
}

impl Attempt {
    /// The attempt that reached a recipient.
    pub async fn of(env: &TestEnv, account: &str, recipient: &str) -> Attempt {
        let accepted = accepted(env, recipient);
        let message: Uuid = accepted.correlation.as_deref().expect("named").parse().expect("a message's id");
        let attempt = accepted.attempt.expect("the call named its attempt");
        let token = match callback(&accepted) {
            Some(url) => url.query_pairs().find(|(name, _)| name == "t").expect("a token").1.into_owned(),
            None => {
                let (id,): (i32,) = sqlx::query_as("select id from account where name = $1")
                    .bind(account)
                    .fetch_one(&env.pool)
                    .await
                    .expect("the account is there");
                let key = TokenKey::new(vec![env.keys.token]);
                key.sign(AccountId(id), MessageId(message), attempt).to_hex()
            }
        };
        Attempt { message, attempt, token, provider_id: accepted.provider_id }
    }

    pub fn query(&self) -> String {
        format!("m={}&a={}&t={}", self.message.simple(), self.attempt, self.token)
    }
}

/// The message that the simulated provider accepted for a recipient; waits for it.
pub fn accepted(env: &TestEnv, recipient: &str) -> Accepted {
    let found = env.simulator.accepted().into_iter().find(|one| one.recipient == recipient);
    found.expect("the recipient's message was accepted")
}

fn callback(accepted: &Accepted) -> Option<url::Url> {
    let form = form_urlencoded::parse(&accepted.raw);
    let (_, url) = form.into_owned().find(|(name, _)| name == "StatusCallback")?;
    url.parse().ok()
}

/// Twilio's status callback for an attempt, under an account's path.
pub fn twilio_status(env: &TestEnv, account: &str, of: &Attempt, status: &str, error: Option<&str>) -> Post {
    let mut form = vec![("MessageSid", of.provider_id.as_str()), ("MessageStatus", status)];
    form.extend(error.map(|code| ("ErrorCode", code)));
    twilio_form(env, &format!("/webhooks/twilio/{account}/status?{}", of.query()), &form)
}

/// A customer's text.
pub fn twilio_text(env: &TestEnv, account: &str, from: &str, body: &str) -> Post {
    let sid = format!("SM{}", postrider_clock::random_id().simple());
    let form = [("MessageSid", sid.as_str()), ("From", from), ("Body", body), ("To", "+15005550006")];
    twilio_form(env, &format!("/webhooks/twilio/{account}/inbound"), &form)
}

/// Any form to any path, signed.
pub fn twilio_form(env: &TestEnv, path: &str, form: &[(&str, &str)]) -> Post {
    let form: Vec<(String, String)> =
        form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let signature = sign::twilio(TWILIO_KEY, &format!("{}{path}", base(env)), &form);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish().into_bytes();
    Post { path: path.to_owned(), content_type: FORM, signature: Some(signature), body }
}

/// Mailgun's event about an attempt: its kind and what only that kind has.
pub fn mailgun_event(account: &str, of: &Attempt, event: &str, own: Value) -> Post {
    mailgun_post(account, &mailgun_signature(0), &mailgun_data(of, event, own))
}

/// The `event-data` alone.
pub fn mailgun_data(of: &Attempt, event: &str, own: Value) -> Value {
    let mut data = json!({
        "event": event,
        "id": postrider_clock::random_id().simple().to_string(),
        "timestamp": postrider_clock::wall().timestamp(),
        "message": { "headers": { "message-id": of.provider_id } },
        "user-variables": {
            "m": of.message.simple().to_string(), "a": of.attempt.to_string(), "t": of.token,
        },
    });
    let fields = data.as_object_mut().expect("an object");
    fields.extend(own.as_object().expect("fields of an object").clone());
    data
}

/// A fresh signature, its time moved by so many seconds.
pub fn mailgun_signature(moved_secs: i64) -> Value {
    let timestamp = (postrider_clock::wall().timestamp() + moved_secs).to_string();
    let token = format!("{}{}", postrider_clock::random_id().simple(), postrider_clock::random_id().simple())
        [..50]
        .to_owned();
    let signature = sign::mailgun(MAILGUN_KEY, &timestamp, &token);
    json!({ "timestamp": timestamp, "token": token, "signature": signature })
}

pub fn mailgun_post(account: &str, signature: &Value, data: &Value) -> Post {
    let body = json!({ "signature": signature, "event-data": data });
    Post {
        path: format!("/webhooks/mailgun/{account}/events"),
        content_type: "application/json",
        signature: None,
        body: body.to_string().into_bytes(),
    }
}

/// A permanent failure with a code that proves the address dead.
pub fn hard_bounce() -> Value {
    json!({
        "severity": "permanent", "reason": "bounce",
        "delivery-status": { "code": 550, "enhanced-code": "5.1.1", "message": "5.1.1 no such user" },
    })
}

impl Post {
    /// Posts it to the worker of this world; gives the answer's status.
    pub async fn send(&self, env: &TestEnv) -> u16 {
        let mut request =
            http().post(format!("{}{}", base(env), self.path)).header("content-type", self.content_type);
        if let Some(signature) = &self.signature {
            request = request.header("x-twilio-signature", signature);
        }
        request.body(self.body.clone()).send().await.expect("the worker answers").status().as_u16()
    }
}

/// Where customers and providers reach the worker.
pub fn base(env: &TestEnv) -> String {
    format!("http://127.0.0.1:{}", env.public_port)
}
