//! AMQP sessions: one connection, channel and consumer after another, until the worker stops.
//!
//! lapin's own recovery is not used: its consumer stream hangs on a dead channel, and a connection that is dropped while
//! it reconnects goes on consuming (docs/dependency-hazards.md#f3 and #f4). Each session is built from nothing and
//! closed as a whole; between two sessions the wait grows up to 15 s. While the database is away no session is opened.

use std::time::Duration;

use anyhow::{Context, anyhow};
use backoff::{BackoffBuilder, ExponentialBuilder};
use lapin::{Connection, ConnectionProperties, uri::AMQPUri};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use crate::{
    amqp::{
        consumer::{self, SessionEnd, Unwritten},
        probe, response_consumer,
        topology::Topology,
    },
    config::Amqp,
    intake::Acceptor,
    retry::{Backoff, retry_until},
    telemetry::{log, names},
};
use postrider_ledger::LedgerError;

const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const RECONNECT_MIN: Duration = Duration::from_millis(500);
const RECONNECT_MAX: Duration = Duration::from_secs(15);
/// Age from which on a session counts as stable: the wait after it starts from `RECONNECT_MIN` again.
const STABLE_AFTER: Duration = Duration::from_secs(10);
const DATABASE_PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// Number of leaked lapin I/O threads at which the process exits to be restarted, before it runs out of threads and
/// sockets (docs/dependency-hazards.md#f5).
const LEAKED_THREADS_MAX: usize = 16;

/// The queue that a session consumes; each has a connection of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerSession {
    /// Jobs.
    Requests,
    /// Customers' responses.
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

/// Consumes a queue until `stop` is cancelled. `may_exit`: the process may exit after lapin has leaked too many threads.
pub async fn run(
    acceptor: Acceptor,
    config: Amqp,
    session: ConsumerSession,
    stop: CancellationToken,
    may_exit: bool,
) {
    let reconnect_delays = || {
        ExponentialBuilder::default()
            .with_min_delay(RECONNECT_MIN)
            .with_max_delay(RECONNECT_MAX)
            .without_max_times()
            .build()
    };
    let mut delays = reconnect_delays();
    while !stop.is_cancelled() {
        let opened_at = postrider_clock::monotonic();
        metrics::counter!(names::BROKER_GENERATIONS).increment(1);
        let cause = match run_once(&acceptor, &config, session, &stop).await {
            Ok(SessionEnd::Stopped) => return,
            Ok(SessionEnd::DatabaseAway(unwritten)) => {
                tracing::warn!(
                    ?session,
                    "the database is away: deliveries return to the broker, and consuming resumes once it answers"
                );
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = wait_for_database(&acceptor, session, &unwritten) => {}
                }
                delays = reconnect_delays();
                continue;
            }
            Ok(SessionEnd::Broken(cause)) => cause,
            Err(error) => format!("{error:#}"),
        };
        if may_exit && probe::io_threads() > LEAKED_THREADS_MAX {
            tracing::error!(
                cause,
                "failed AMQP connections left too many threads behind; the process exits to be restarted"
            );
            log::flush();
            std::process::exit(1);
        }
        if postrider_clock::monotonic() - opened_at > STABLE_AFTER {
            delays = reconnect_delays();
        }
        let delay = delays.next().unwrap_or(RECONNECT_MAX).mul_f64(0.2 + 0.8 * postrider_clock::jitter());
        tracing::warn!(
            ?session,
            cause,
            retry_secs = delay.as_secs_f64(),
            "AMQP session failed, retrying; check the broker and amqp.url"
        );
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

/// Opens a connection with its heartbeat, after a probe, within `amqp.connect_timeout_secs`.
///
/// # Errors
/// The URL is wrong, or the broker does not answer or refuses the login.
pub async fn connect(config: &Amqp, name: &str) -> anyhow::Result<Connection> {
    let uri = parse(&config.url, config.heartbeat_secs)?;
    probe::probe(&uri).await?;
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let timeout = Duration::from_secs(config.connect_timeout_secs);
    let connection = tokio::time::timeout(timeout, Connection::connect_uri(uri, properties)).await;
    connection.context("the broker does not complete the handshake")?.context("connect to the broker")
}

/// Closes a connection within `CLOSE_TIMEOUT`: `close` never returns on a connection that the broker blocked
/// (docs/dependency-hazards.md#f10).
pub async fn close(connection: &Connection) {
    let closed = tokio::time::timeout(CLOSE_TIMEOUT, connection.close(200, "bye".into())).await;
    if !matches!(closed, Ok(Ok(()))) {
        tracing::debug!("closing the broker connection failed; it is dropped");
    }
}

fn parse(url: &SecretString, heartbeat_secs: u16) -> anyhow::Result<AMQPUri> {
    if url.expose_secret().is_empty() {
        return Err(anyhow!("amqp.url is empty; set AMQP_URL"));
    }
    // The parser's error could quote the URL, password included.
    let mut uri: AMQPUri = url
        .expose_secret()
        .parse()
        .map_err(|_| anyhow!("amqp.url is not of the form amqp://user:password@host:port/vhost"))?;
    uri.query.heartbeat.get_or_insert(heartbeat_secs);
    Ok(uri)
}

/// Runs one session to its end.
async fn run_once(
    acceptor: &Acceptor,
    config: &Amqp,
    session: ConsumerSession,
    stop: &CancellationToken,
) -> anyhow::Result<SessionEnd> {
    // This worker survived the trials of its earlier session: their records are no crashes.
    if session == ConsumerSession::Requests
        && let Err(error) = acceptor.ledger.clear_trials_of(acceptor.fast_path.worker).await
    {
        tracing::debug!(%error, "removing this worker's trial records failed; the session waits for the database");
        return Ok(SessionEnd::DatabaseAway(Unwritten(Vec::new())));
    }
    // Stopping ends the wait for a broker that does not answer: the other stages need the rest of the deadline.
    let connection = tokio::select! {
        () = stop.cancelled() => return Ok(SessionEnd::Stopped),
        connected = connect(config, session.connection_name()) => connected?,
    };
    let end = consume(acceptor, config, session, &connection, stop).await;
    close(&connection).await;
    end
}

async fn consume(
    acceptor: &Acceptor,
    config: &Amqp,
    session: ConsumerSession,
    connection: &Connection,
    stop: &CancellationToken,
) -> anyhow::Result<SessionEnd> {
    let opening = async {
        let topology = Topology::new(&config.name);
        match session {
            ConsumerSession::Requests => topology.declare(connection).await?,
            ConsumerSession::Responses => topology.declare_responses(connection).await?,
        }
        connection.create_channel().await.context("open a channel")
    };
    let channel = tokio::select! {
        () = stop.cancelled() => return Ok(SessionEnd::Stopped),
        opened = opening => opened?,
    };
    let end = match session {
        ConsumerSession::Requests => {
            tracing::info!("consuming");
            consumer::consume(acceptor, config, &channel, stop.clone()).await
        }
        ConsumerSession::Responses => {
            response_consumer::consume(acceptor, config, &channel, stop.clone()).await
        }
    };
    // Deliveries in lapin's buffer return to the queue only when the channel closes.
    let closed = tokio::time::timeout(CLOSE_TIMEOUT, channel.close(200, "end of session".into())).await;
    if !matches!(closed, Ok(Ok(()))) {
        tracing::debug!("closing the channel failed; the connection is closed with it");
    }
    Ok(end)
}

/// Waits until the database takes the batch that it did not take. A ping is not enough: a read-only or full database
/// answers it, and each delivery that returns to the broker once more comes nearer to its delivery limit, where it
/// counts as poison. The broker delivers a batch written here again, as duplicates.
async fn wait_for_database(acceptor: &Acceptor, session: ConsumerSession, unwritten: &Unwritten) {
    let write = async || match (unwritten.0.as_slice(), session) {
        // A suspect cannot be tried outside of a session: only the database's answer is tested.
        ([], _) => acceptor.ledger.ping().await,
        (jobs, ConsumerSession::Requests) => acceptor.accept(jobs).await.map(drop),
        (responses, ConsumerSession::Responses) => response_consumer::write(acceptor, responses).await,
    };
    tokio::time::sleep(DATABASE_PROBE_INTERVAL).await;
    // Any other error is about these jobs, and the broker's delivery limit handles it.
    let is_away =
        |error: &LedgerError| matches!(error, LedgerError::Unavailable(_) | LedgerError::Contended(_));
    drop(retry_until(Backoff::constant(DATABASE_PROBE_INTERVAL), write, is_away).await);
    tracing::info!(?session, "the database answers again; consuming resumes");
}
