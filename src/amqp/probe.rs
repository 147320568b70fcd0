//! The probe of the broker's address before lapin connects.
//!
//! A connect that times out inside lapin leaks a thread and a socket (docs/dependency-hazards.md#f5), so a plain socket
//! tests the address first. `io_threads` counts leaked threads nevertheless. Over TLS only the TCP connect is tested.

use std::time::Duration;

use anyhow::{Context, bail};
use lapin::uri::{AMQPScheme, AMQPUri};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";

/// Waits for the first byte of the broker's `connection.start`.
///
/// # Errors
/// The address cannot be reached, or no AMQP 0-9-1 broker answers within 3 s.
pub async fn probe(uri: &AMQPUri) -> anyhow::Result<()> {
    let address = (uri.authority.host.as_str(), uri.authority.port);
    let answered = tokio::time::timeout(ANSWER_TIMEOUT, async {
        let mut socket = TcpStream::connect(address).await.context("connect to the broker")?;
        if uri.scheme == AMQPScheme::AMQPS {
            return Ok(());
        }
        socket.write_all(PROTOCOL_HEADER).await.context("greet the broker")?;
        let mut first = [0u8; 1];
        socket.read_exact(&mut first).await.context("wait for the broker's greeting")?;
        // Frame type 1 is a method; another byte is another protocol or version.
        if first[0] != 1 {
            bail!("the server at this address does not speak AMQP 0-9-1");
        }
        Ok(())
    });
    answered.await.context("the broker accepts connections but does not answer")?
}

/// Number of lapin's I/O threads in this process, one for each connection in use; the others are leaked. 0 without
/// procfs.
#[must_use]
pub fn io_threads() -> usize {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    tasks
        .filter_map(Result::ok)
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .filter(|name| name.starts_with("lapin-io-loop"))
        .count()
}
