//! The supervisor: one generation of connection, channel and consumer after another.
//!
//! lapin's own recovery is not used: its consumer stream hangs on a dead channel, and a connection that is
//! dropped while it reconnects goes on consuming (docs/dependency-hazards.md#f3 and #f4). Every generation is
//! built from nothing and torn down whole; between two of them, full-jitter backoff without an end. While the
//! database is away, no generation is started.

use std::time::Duration;

use anyhow::{Context, anyhow};
use backoff::{BackoffBuilder, ExponentialBuilder};
use lapin::{Connection, ConnectionProperties, uri::AMQPUri};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use crate::{
    config::Amqp,
    telemetry::{log, names},
    worker::stages::stopped,
};
use postrider_ledger::LedgerError;

use crate::{
    amqp::{
        consumer::{self, End, Unwritten},
        probe, response_consumer,
        topology::Topology,
    },
    intake::Acceptor,
};

const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// A generation that lived so long was a good one: the next starts without delay.
const GOOD_GENERATION: Duration = Duration::from_secs(10);
/// Number of leaked lapin I/O threads at which the process exits to be restarted, before it runs out of
/// threads and sockets (docs/dependency-hazards.md#f5).
const LEAKED_THREADS_MAX: usize = 16;

/// What a supervisor has consumed, on a connection of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerSession {
    Requests,
    /// What customers answered.
    Responses,
}

impl ConsumerSession {
    fn connection_name(self) -> &'static str {
        match self {
            ConsumerSession::Requests => "postrider-intake",
            ConsumerSession::Responses => "postrider-responses",
        }
    }
}

/// Consumes until told to stop. `may_exit`: this process is ours to end when lapin has leaked too much.
pub async fn run(
    acceptor: Acceptor,
    config: Amqp,
    line: ConsumerSession,
    mut stop: watch::Receiver<bool>,
    may_exit: bool,
) {
    let delays = || {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(Duration::from_secs(15))
            .without_max_times()
            .build()
    };
    let mut backoff = delays();
    while !*stop.borrow() {
        let since = postrider_clock::monotonic();
        metrics::counter!(names::BROKER_GENERATIONS).increment(1);
        match generation(&acceptor, &config, line, stop.clone()).await {
            Ok(End::Stopped) => return,
            Ok(End::DatabaseAway(unwritten)) => {
                tracing::warn!("the database is away; deliveries are handed back until it takes them");
                tokio::select! {
                    () = stopped(&mut stop) => return,
                    () = wait_for_database(&acceptor, line, &unwritten) => {}
                }
                backoff = delays();
                continue;
            }
            Ok(End::Broken(why)) => tracing::warn!(why, "consuming ended; it will be resumed"),
            Err(error) => tracing::warn!(error = %format!("{error:#}"), "the broker cannot be consumed yet"),
        }
        if may_exit && probe::io_threads() > LEAKED_THREADS_MAX {
            tracing::error!(
                "too many broker connections could not be ended; this process gives way to a new one"
            );
            log::flush();
            std::process::exit(1);
        }
        if postrider_clock::monotonic() - since > GOOD_GENERATION {
            backoff = delays();
        }
        let delay =
            backoff.next().unwrap_or(Duration::from_secs(15)).mul_f64(0.2 + 0.8 * postrider_clock::jitter());
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

/// A connection with its heartbeat, checked by a preflight and bounded in time.
pub async fn connect(config: &Amqp, name: &str) -> anyhow::Result<Connection> {
    let uri = parse(&config.url, config.heartbeat_secs)?;
    probe::ask(&uri).await?;
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let within = Duration::from_secs(config.connect_timeout_secs);
    let connection = tokio::time::timeout(within, Connection::connect_uri(uri, properties)).await;
    connection.context("the broker does not complete the handshake")?.context("connect to the broker")
}

/// Closes a connection within `CLOSE_WITHIN`: `close` never returns on a connection that the broker blocked
/// (docs/dependency-hazards.md#f10).
pub async fn close(connection: &Connection) {
    let closed = tokio::time::timeout(CLOSE_WITHIN, connection.close(200, "bye".into())).await;
    if !matches!(closed, Ok(Ok(()))) {
        tracing::debug!("the broker connection was not closed politely");
    }
}

fn parse(url: &SecretString, heartbeat_secs: u16) -> anyhow::Result<AMQPUri> {
    if url.expose_secret().is_empty() {
        return Err(anyhow!("amqp.url is empty; set AMQP_URL"));
    }
    // The parser's error would quote the URL, password included.
    let mut uri: AMQPUri = url
        .expose_secret()
        .parse()
        .map_err(|_| anyhow!("amqp.url is not of the form amqp://user:password@host:port/vhost"))?;
    uri.query.heartbeat.get_or_insert(heartbeat_secs);
    Ok(uri)
}

async fn generation(
    acceptor: &Acceptor,
    config: &Amqp,
    line: ConsumerSession,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<End> {
    // Whatever this worker was trying alone when the generation before ended: it lived through that.
    if line == ConsumerSession::Requests
        && let Err(error) = acceptor.ledger.clear_trials_of(acceptor.fast_path.worker).await
    {
        tracing::debug!(%error, "notes about suspects cannot be taken back yet");
        return Ok(End::DatabaseAway(Unwritten(Vec::new())));
    }
    // A broker that does not answer must not use up the time in which the other stages end.
    let mut stopping = stop.clone();
    let connection = tokio::select! {
        () = stopped(&mut stopping) => return Ok(End::Stopped),
        connected = connect(config, line.connection_name()) => connected?,
    };
    let consumed = async {
        let opened = async {
            let topology = Topology::new(&config.name);
            match line {
                ConsumerSession::Requests => topology.declare(&connection).await?,
                ConsumerSession::Responses => topology.declare_responses(&connection).await?,
            }
            connection.create_channel().await.context("open a channel")
        };
        let channel = tokio::select! {
            () = stopped(&mut stopping) => return Ok(End::Stopped),
            opened = opened => opened?,
        };
        let end = match line {
            ConsumerSession::Requests => {
                tracing::info!("consuming");
                consumer::consume(acceptor, config, &channel, stop).await
            }
            ConsumerSession::Responses => response_consumer::consume(acceptor, config, &channel, stop).await,
        };
        // Buffered deliveries go back only when the channel closes.
        let closed = tokio::time::timeout(CLOSE_WITHIN, channel.close(200, "end of generation".into())).await;
        if !matches!(closed, Ok(Ok(()))) {
            tracing::debug!("the channel was not closed politely");
        }
        anyhow::Ok(end)
    };
    let end = consumed.await;
    close(&connection).await;
    end
}

/// Waits until the database takes the batch that it could not. To answer is not enough: a read-only or full
/// database does too, and each time that we took deliveries and handed them back would bring them nearer to
/// their delivery limit, where they count as poison. What is written here comes again as its own twin.
async fn wait_for_database(acceptor: &Acceptor, line: ConsumerSession, unwritten: &Unwritten) {
    loop {
        tokio::time::sleep(Duration::from_secs_f64(0.3 + 0.4 * postrider_clock::jitter())).await;
        // Of a suspect nothing is tried here: whether the database answers is all that can be asked.
        let taken = match (unwritten.0.as_slice(), line) {
            ([], _) => acceptor.ledger.ping().await,
            (arrivals, ConsumerSession::Requests) => acceptor.accept(arrivals).await.map(drop),
            (arrivals, ConsumerSession::Responses) => response_consumer::take(acceptor, arrivals).await,
        };
        match taken {
            Err(LedgerError::Unavailable(_) | LedgerError::Contended(_)) => {}
            // Any other error is about these jobs; the delivery limit is for them.
            Ok(()) | Err(_) => {
                tracing::info!("the database answers again");
                return;
            }
        }
    }
}
