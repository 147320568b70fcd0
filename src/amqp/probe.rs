//! Preflight: is there really a broker behind that address?
//!
//! A connect that times out inside lapin leaks a thread and a socket each time
//! (docs/dependency-hazards.md#f5). So a plain socket asks first, and leaked threads are counted all the
//! same. Over TLS only the TCP connect is tried.

use std::time::Duration;

use anyhow::{Context, bail};
use lapin::uri::{AMQPScheme, AMQPUri};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";

/// Asks for the first byte of `connection.start`.
pub async fn ask(uri: &AMQPUri) -> anyhow::Result<()> {
    let address = (uri.authority.host.as_str(), uri.authority.port);
    let asked = tokio::time::timeout(ANSWER_WITHIN, async {
        let mut socket = TcpStream::connect(address).await.context("connect to the broker")?;
        if uri.scheme == AMQPScheme::AMQPS {
            return Ok(());
        }
        socket.write_all(PROTOCOL_HEADER).await.context("greet the broker")?;
        let mut first = [0u8; 1];
        socket.read_exact(&mut first).await.context("wait for the broker's greeting")?;
        // Frame type 1: a method. Anything else is another protocol's server or version.
        if first[0] != 1 {
            bail!("what answers there does not speak AMQP 0-9-1");
        }
        Ok(())
    });
    asked.await.context("the broker accepts connections but does not answer")?
}

/// Threads of lapin in this process; more than the connections in use are leaked ones.
#[must_use]
pub fn io_threads() -> usize {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    tasks
        .filter_map(Result::ok)
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .filter(|name| name.starts_with("lapin-io-loop"))
        .count()
}
