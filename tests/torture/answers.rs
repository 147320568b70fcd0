//! The way from the workers to Postgres, on which answers get lost.
//!
//! While cutting is on, some answers are held back until they are complete (`ReadyForQuery`: the statement is
//! committed by then), and instead of passing one on both sides are reset. That is a commit with an unknown
//! outcome. Nothing else is touched.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    task::JoinHandle,
};

/// How `ReadyForQuery` begins, the end of every complete answer; one byte of state follows.
const READY: &[u8] = b"Z\x00\x00\x00\x05";
/// A simple query: what pools say when a connection comes back. Losing that answer loses nothing.
const SIMPLE: u8 = b'Q';
const CHUNK: usize = 16 * 1024;

#[derive(Debug, Default)]
struct Cutting {
    /// Answers of a thousand that are lost now.
    per_mille: AtomicU32,
    draws: AtomicU64,
    lost: AtomicU64,
}

/// A forwarding listener; ends when dropped.
pub struct Answers {
    pub address: SocketAddr,
    cutting: Arc<Cutting>,
    task: JoinHandle<()>,
}

impl Answers {
    pub async fn start(to: SocketAddr) -> std::io::Result<Answers> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let cutting = Arc::new(Cutting::default());
        let shared = Arc::clone(&cutting);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let cutting = Arc::clone(&shared);
                tokio::spawn(async move {
                    if let Ok(far) = TcpStream::connect(to).await {
                        drop(carry(near, far, &cutting).await);
                    }
                });
            }
        });
        Ok(Answers { address, cutting, task })
    }

    /// From now on so many answers of a thousand are lost.
    pub fn cut(&self, per_mille: u32) {
        self.cutting.per_mille.store(per_mille, Ordering::Relaxed);
    }

    /// How many were lost so far.
    pub fn lost(&self) -> u64 {
        self.cutting.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cutting {
    fn falls(&self) -> bool {
        let per_mille = self.per_mille.load(Ordering::Relaxed);
        if per_mille == 0 {
            return false;
        }
        let draw = self.draws.fetch_add(1, Ordering::Relaxed);
        let falls = crate::dice::Dice::new(draw, "answers").below(1_000) < per_mille as usize;
        self.lost.fetch_add(u64::from(falls), Ordering::Relaxed);
        falls
    }
}

async fn carry(near: TcpStream, far: TcpStream, cutting: &Cutting) -> std::io::Result<()> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let last = AtomicU8::new(SIMPLE);
    let lost = tokio::select! {
        _ = asks(near_read, far_write, &last) => None,
        lost = answers(far_read, near_write, &last, cutting) => lost?,
    };
    if let Some(near) = lost {
        near.as_ref().set_zero_linger()?;
    }
    Ok(())
}

async fn asks(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, last: &AtomicU8) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        last.store(chunk[0], Ordering::Relaxed);
        to.write_all(&chunk[..read]).await?;
    }
}

/// Gives the side to be reset where an answer was lost.
async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    last: &AtomicU8,
    cutting: &Cutting,
) -> std::io::Result<Option<OwnedWriteHalf>> {
    let (mut chunk, mut held) = (vec![0; CHUNK], Vec::new());
    let mut ready_before = false;
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(None);
        }
        held.extend_from_slice(&chunk[..read]);
        // Not in the greeting: losing that is a failed connect.
        let may_hold = ready_before
            && last.load(Ordering::Relaxed) != SIMPLE
            && cutting.per_mille.load(Ordering::Relaxed) > 0;
        let complete = held.len() > READY.len() && held[..held.len() - 1].ends_with(READY);
        if may_hold && !complete {
            continue;
        }
        if may_hold && cutting.falls() {
            return Ok(Some(to));
        }
        ready_before |= complete;
        to.write_all(&held).await?;
        held.clear();
    }
}
