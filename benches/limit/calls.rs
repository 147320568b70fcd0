//! The calls to the provider, over connections that are kept, and what they came to, written in batches.
//!
//! One task makes all calls, so that a job costs no wake-up of a task of its own; each connection's reading
//! and writing is a task of hyper's.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use futures_util::{StreamExt, stream::FuturesUnordered};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::mpsc};

use crate::{
    batch,
    journal::{Job, Journal},
    settings::Settings,
    wire,
};

const CALLS_MAX: usize = 256;
const LINGER: Duration = Duration::from_millis(25);

type Line = http1::SendRequest<Full<Bytes>>;
/// Key and provider's id.
type Sent = (String, String);

pub async fn make(
    settings: Arc<Settings>,
    mut jobs: mpsc::Receiver<Job>,
    to_settle: mpsc::Sender<Sent>,
) -> anyhow::Result<()> {
    let mut idle: Vec<Line> = Vec::new();
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            job = jobs.recv(), if under_way.len() < CALLS_MAX => {
                let job = job.context("jobs come")?;
                // The provider closes connections that were idle for long.
                while idle.last().is_some_and(Line::is_closed) {
                    idle.pop();
                }
                under_way.push(call(&settings, idle.pop(), job));
            }
            Some(called) = under_way.next(), if !under_way.is_empty() => {
                let (line, sent) = called?;
                idle.push(line);
                to_settle.send(sent).await.context("answers are written")?;
            }
        }
    }
}

async fn call(settings: &Settings, line: Option<Line>, job: Job) -> anyhow::Result<(Line, Sent)> {
    let mut line = match line {
        Some(line) => line,
        None => connect(&settings.provider).await?,
    };
    line.ready().await?;
    let answer = line.send_request(wire::request(settings, &job)?).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    ensure!(status.is_success(), "the provider answered {status}: {}", String::from_utf8_lossy(&body));
    Ok((line, (job.key, wire::provider_id(&body)?)))
}

async fn connect(provider: &str) -> anyhow::Result<Line> {
    let stream = TcpStream::connect(provider).await.context("connect to the provider")?;
    stream.set_nodelay(true)?;
    let (line, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(line)
}

pub async fn settle(journal: Journal, mut answers: mpsc::Receiver<Sent>) -> anyhow::Result<()> {
    loop {
        let mut batch = batch::next(&mut answers, LINGER).await;
        ensure!(!batch.is_empty(), "no answer can come any more");
        batch.sort_unstable();
        journal.sent(&batch).await?;
    }
}
