//! Reads lines and messages and writes replies, with bounds on length, size and time.
//!
//! Knows no commands. Dot-unstuffing (RFC 5321 §4.5.2) is part of reading a message.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

const LINE_BYTES_MAX: u64 = 8 * 1024;
pub(super) const MESSAGE_BYTES_MAX: usize = 25 * 1024 * 1024;
/// A message above `MESSAGE_BYTES_MAX` is still read up to here, so that it gets a proper reply.
const DRAINED_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;
const LINE_TIMEOUT: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct LineStream {
    stream: BufReader<TcpStream>,
}

impl LineStream {
    pub(super) fn new(stream: TcpStream) -> LineStream {
        LineStream { stream: BufReader::new(stream) }
    }

    pub(super) async fn reply(&mut self, text: &str) -> io::Result<()> {
        self.raw(format!("{text}\r\n").as_bytes()).await
    }

    pub(super) async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// A command line without its line end; `None` if the client disconnected.
    pub(super) async fn command(&mut self) -> io::Result<Option<String>> {
        let line = self.line().await?;
        Ok(line.map(|line| String::from_utf8_lossy(&line).trim_end().to_owned()))
    }

    /// The message up to its final dot, unstuffed; `None` if it is larger than `MESSAGE_BYTES_MAX`.
    pub(super) async fn message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (mut message, mut read) = (Vec::new(), 0);
        loop {
            let Some(line) = self.line().await? else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            if line == b".\r\n" || line == b".\n" {
                return Ok((read <= MESSAGE_BYTES_MAX).then_some(message));
            }
            read += line.len();
            if read > DRAINED_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if read <= MESSAGE_BYTES_MAX {
                message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            }
        }
    }

    /// Returns when the client disconnects.
    pub(super) async fn disconnected(&mut self) {
        let mut byte = [0];
        while matches!(self.stream.read(&mut byte).await, Ok(1..)) {}
    }

    pub(super) async fn close(mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Drops the connection so that the client sees a reset.
    pub(super) fn reset(self) {
        let _ = self.stream.get_ref().set_zero_linger();
    }

    async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(LINE_BYTES_MAX);
        let reading = bounded.read_until(b'\n', &mut line);
        let read =
            tokio::time::timeout(LINE_TIMEOUT, reading).await.map_err(|_| io::ErrorKind::TimedOut)??;
        match (read, line.last()) {
            (0, _) => Ok(None),
            (_, Some(b'\n')) => Ok(Some(line)),
            // Cut off by the client, or longer than `LINE_BYTES_MAX`.
            (_, _) => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
