//! Twilio's status callbacks: the signature is checked, and what was delivered is written in batches.
//!
//! A callback is answered after the commit. Statuses other than `delivered` say nothing that the row does not
//! say.

use std::{convert::Infallible, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use sha1::Sha1;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use crate::{batch, journal::Journal, settings::Settings};

const QUEUE_MAX: usize = 2_000;
const LINGER: Duration = Duration::from_millis(2);

type Delivered = (String, oneshot::Sender<()>);

pub async fn serve(settings: Arc<Settings>, journal: Journal) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", settings.listen_port)).await?;
    let (to_write, delivered) = mpsc::channel(QUEUE_MAX);
    let writer = tokio::spawn(write(journal, delivered));
    tokio::select! {
        ended = accept(settings, listener, to_write) => ended,
        ended = writer => ended?,
    }
}

async fn accept(
    settings: Arc<Settings>,
    listener: TcpListener,
    to_write: mpsc::Sender<Delivered>,
) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (settings, to_write) = (Arc::clone(&settings), to_write.clone());
        let service = service_fn(move |request| {
            let (settings, to_write) = (Arc::clone(&settings), to_write.clone());
            async move {
                let status = match receive(&settings, &to_write, request).await {
                    Ok(status) => status,
                    Err(_) => StatusCode::SERVICE_UNAVAILABLE,
                };
                let mut response = Response::new(Empty::<Bytes>::new());
                *response.status_mut() = status;
                Ok::<_, Infallible>(response)
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn receive(
    settings: &Settings,
    to_write: &mpsc::Sender<Delivered>,
    request: Request<Incoming>,
) -> anyhow::Result<StatusCode> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path_and_query().context("a request has a path")?.as_str();
    let mut form: Vec<_> = form_urlencoded::parse(&body).collect();
    form.sort_unstable();
    let mut mac = Hmac::<Sha1>::new_from_slice(settings.auth_token.as_bytes())?;
    mac.update(settings.public_url.as_bytes());
    mac.update(path.as_bytes());
    for (name, value) in &form {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    let signature = head.headers.get("x-twilio-signature").context("a callback is signed")?;
    if mac.verify_slice(&STANDARD.decode(signature)?).is_err() {
        return Ok(StatusCode::FORBIDDEN);
    }
    if form.iter().any(|(name, value)| name == "MessageStatus" && value == "delivered") {
        let (_, key) = path.split_once("?m=").context("a callback names its message")?;
        let (written, commit) = oneshot::channel();
        to_write.send((key.to_owned(), written)).await?;
        commit.await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn write(journal: Journal, mut delivered: mpsc::Receiver<Delivered>) -> anyhow::Result<()> {
    loop {
        let mut batch = batch::next(&mut delivered, LINGER).await;
        ensure!(!batch.is_empty(), "no callback can come any more");
        batch.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let keys: Vec<&str> = batch.iter().map(|(key, _)| key.as_str()).collect();
        journal.delivered(&keys).await?;
        for (_, written) in batch {
            let _ = written.send(());
        }
    }
}
