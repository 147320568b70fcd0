//! A relay before Postgres that counts the questions to it, for runs where speed does not count.
//!
//! Postgres counts statements, but a driver also asks without one: a ping is a bare `Sync`, preparing is a
//! `Parse` with one. Every question ends with `Sync` or is a `Query`, so those are counted, by the frame.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    task::JoinHandle,
};
use url::Url;

const BUFFER_BYTES: usize = 256 * 1024;
/// Of the protocol; what comes first under another number asks for encryption, and is refused.
const MAJOR_VERSION: u32 = 3;
/// Length and version of a first frame; kind and length of all others.
const FIRST_HEAD_BYTES: usize = 8;
const HEAD_BYTES: usize = 5;

pub struct Relay {
    /// As the programs find it.
    pub database_url: String,
    asked: Arc<AtomicU64>,
    listening: JoinHandle<()>,
}

impl Relay {
    pub async fn start(database_url: &str) -> anyhow::Result<Relay> {
        let mut url = Url::parse(database_url).context("read the database's address")?;
        let host = url.host_str().context("the database has a host")?.to_owned();
        let port = url.port().context("the database has a port")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let ours = listener.local_addr()?.port();
        url.set_port(Some(ours)).ok().context("name the relay's port")?;
        let asked = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&asked);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // An error is the end of one connection, which both sides notice.
                tokio::spawn(serve(client, (host.clone(), port), Arc::clone(&counter)));
            }
        });
        Ok(Relay { database_url: url.to_string(), asked, listening })
    }

    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(client: TcpStream, server: (String, u16), asked: Arc<AtomicU64>) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let answers = tokio::spawn(async move {
        let copied = tokio::io::copy(&mut from_server, &mut to_client).await;
        to_client.shutdown().await.and(copied)
    });
    questions(from_client, to_server, &asked).await?;
    answers.await.map_err(io::Error::other)?.map(drop)
}

async fn questions(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asked: &AtomicU64) -> io::Result<()> {
    let mut frames = Frames { started: false, head: Vec::new(), left: 0 };
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        asked.fetch_add(frames.count(&buffer[..count]), Ordering::Relaxed);
        to.write_all(&buffer[..count]).await?;
    }
}

/// Where in the client's stream of frames it is; frames and reads have nothing to do with one another.
struct Frames {
    started: bool,
    head: Vec<u8>,
    /// Bytes of the current frame that are still to come.
    left: usize,
}

impl Frames {
    /// Questions that begin in these bytes.
    fn count(&mut self, mut bytes: &[u8]) -> u64 {
        let mut asked = 0;
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            let head_bytes = if self.started { HEAD_BYTES } else { FIRST_HEAD_BYTES };
            let taken = (head_bytes - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.head.len() == head_bytes {
                asked += u64::from(self.begin());
            }
        }
        asked
    }

    /// A frame's head is complete; true if it is a question.
    fn begin(&mut self) -> bool {
        let head = std::mem::take(&mut self.head);
        let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if self.started {
            self.left = (number(1) as usize).saturating_sub(HEAD_BYTES - 1);
            return matches!(head[0], b'S' | b'Q');
        }
        self.left = (number(0) as usize).saturating_sub(head.len());
        self.started = number(4) >> 16 == MAJOR_VERSION;
        false
    }
}
