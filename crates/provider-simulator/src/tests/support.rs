//! A caller of the simulated providers, and a receiver of their webhooks.
//!
//! Calls have the form of Postrider's, with plain clients and no code of the product. Nothing here asserts.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::Uri, routing::post};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use uuid::Uuid;

use crate::{Behaviour, Simulator, SimulatorConfig};

pub(super) const DEADLINE: Duration = Duration::from_secs(10);
pub(super) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(super) const OUR_NUMBER: &str = "+14155550100";

pub(super) async fn simulator() -> Simulator {
    Simulator::start(SimulatorConfig::default()).await.expect("loopback has free ports")
}

pub(super) async fn simulator_with(change: impl FnOnce(&mut SimulatorConfig)) -> Simulator {
    let mut config = SimulatorConfig::default();
    config.behaviour = Behaviour { slow: Duration::from_millis(20), ..config.behaviour };
    change(&mut config);
    Simulator::start(config).await.expect("loopback has free ports")
}

pub(super) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().expect("a plain client builds")
}

pub(super) fn message_id() -> Uuid {
    Uuid::from_u128(0x0190_f6e2_7c1a_7b3e_8f00_1234_5678_90ab)
}

pub(super) fn mime(to: &str) -> Vec<u8> {
    format!(
        "From: Shop <ask@shop.test>\r\nTo: {to}\r\nSubject: How was it?\r\nMessage-ID: <{}.2@shop.test>\r\n\r\nHi\r\n",
        message_id().simple()
    )
    .into_bytes()
}

/// One call to the simulated Mailgun in the form of Postrider's.
pub(super) fn mail(simulator: &Simulator, to: &str) -> reqwest::RequestBuilder {
    let file = reqwest::multipart::Part::bytes(mime(to)).file_name("message.eml");
    let form = reqwest::multipart::Form::new()
        .text("to", to.to_owned())
        .text("v:m", message_id().to_string())
        .text("v:a", "2")
        .text("v:t", "00112233445566778899aabbccddeeff")
        .part("message", file);
    client()
        .post(format!("http://{}/v3/shop.test/messages.mime", simulator.http_addr))
        .basic_auth("api", Some("simulated-mailgun-api-key"))
        .multipart(form)
}

/// One call to the simulated Twilio in the form of Postrider's.
pub(super) fn text(simulator: &Simulator, to: &str, callback: Option<&str>) -> reqwest::RequestBuilder {
    let mut form = vec![("To", to.to_owned()), ("From", OUR_NUMBER.to_owned()), ("Body", "Hi".to_owned())];
    form.extend(callback.map(|url| ("StatusCallback", url.to_owned())));
    client()
        .post(format!("http://{}/2010-04-01/Accounts/{ACCOUNT}/Messages.json", simulator.http_addr))
        .basic_auth(ACCOUNT, Some("simulated-twilio-auth-token"))
        .form(&form)
}

/// The relay's replies to one whole submission, without line ends; stops at the first negative reply.
pub(super) async fn submit(simulator: &Simulator, to: &str, before: &[&str]) -> std::io::Result<Vec<String>> {
    let mut stream = TcpStream::connect(simulator.smtp_addr).await?;
    let mut replies = vec![reply(&mut stream).await?];
    let mut commands: Vec<String> = vec!["EHLO client.test".to_owned()];
    commands.extend(before.iter().map(|command| (*command).to_owned()));
    commands.push("MAIL FROM:<ask@shop.test>".to_owned());
    commands.push(format!("RCPT TO:<{to}>"));
    commands.push("DATA".to_owned());
    for command in commands {
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        replies.push(reply(&mut stream).await?);
        if replies.last().is_some_and(|reply| reply.starts_with(['4', '5'])) {
            return Ok(replies);
        }
    }
    stream.write_all(&[&mime(to)[..], b"..stuffed\r\n.\r\n"].concat()).await?;
    replies.push(reply(&mut stream).await?);
    Ok(replies)
}

async fn reply(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await?;
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // A whole reply's last line has a space after its code.
        let last = text.trim_end().rsplit("\r\n").next().unwrap_or_default().to_owned();
        if read == 0 || (text.ends_with("\r\n") && last.as_bytes().get(3) != Some(&b'-')) {
            return Ok(text.trim_end().to_owned());
        }
    }
}

/// A received webhook.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    pub path_and_query: String,
    pub signature: Option<String>,
    pub body: Vec<u8>,
}

impl Hook {
    pub(super) fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    pub(super) fn field(&self, name: &str) -> String {
        self.form().into_iter().find(|(found, _)| found == name).map(|(_, value)| value).unwrap_or_default()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("Mailgun posts JSON")
    }
}

/// Receives webhooks and answers each with the next of its statuses, the last one repeatedly.
pub(super) struct Receiver {
    pub base: String,
    hooks: Arc<watch::Sender<Vec<Hook>>>,
}

impl Receiver {
    pub(super) async fn start(statuses: &'static [u16]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let hooks = Arc::new(watch::Sender::new(Vec::new()));
        let router =
            Router::new().route("/{*path}", post(receive)).with_state((Arc::clone(&hooks), statuses));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Receiver { base, hooks }
    }

    pub(super) fn hooks(&self) -> Vec<Hook> {
        self.hooks.borrow().clone()
    }
}

type Receiving = (Arc<watch::Sender<Vec<Hook>>>, &'static [u16]);

async fn receive(
    State((hooks, statuses)): State<Receiving>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> axum::http::StatusCode {
    let signature =
        headers.get("x-twilio-signature").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut place = 0;
    hooks.send_modify(|hooks| {
        place = hooks.len();
        hooks.push(Hook { path_and_query: uri.to_string(), signature, body: body.to_vec() });
    });
    let status = statuses[place.min(statuses.len() - 1)];
    axum::http::StatusCode::from_u16(status).expect("tests name proper statuses")
}
