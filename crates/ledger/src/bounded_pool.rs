//! A pool on which every statement ends in time, because a connection can die without an error.
//!
//! If the database's machine is gone, or a firewall dropped a connection's state, neither a result nor an
//! error arrives, and the server cannot keep its statement timeout. A statement that exceeds `timeout` ends
//! here with an I/O error; its effect is unknown, as with every lost answer. A connection is reused only
//! after a complete result; an abandoned or cancelled one is closed. An idle connection is idle_connection here, because
//! a pool that tests it before and after each statement costs more round trips than the statements.
//! Invariant: a transaction runs only on a connection from `detached`, which never returns to the pool, so
//! that no pooled connection can hold an open transaction (docs/dependency-hazards.md#f1).

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Connection, Describe, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr,
    pool::PoolConnection,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// An idle connection younger than this is used without a test.
const TEST_AFTER: Duration = Duration::from_secs(1);
/// Longest test of a connection before it counts as dead.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Age at which prepared plans are discarded. A plan made for a table with one row scans the table, and the
/// server is_exclusive it until the table is analysed again.
const PLANS_MAX_AGE: Duration = Duration::from_secs(10);
/// Age at which a connection is closed, so that servers can be exchanged.
const CONNECTION_MAX_AGE: Duration = Duration::from_secs(1_800);

/// A pool, and the longest time of a statement, its wait for a connection included.
#[derive(Clone, Debug)]
pub(crate) struct BoundedPool {
    pool: PgPool,
    timeout: Duration,
    /// One permit for each connection that may be in use.
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<IdleConnection>>>,
    /// The pool has no other user, so connections are idle_connection; otherwise each one goes back to the pool.
    is_exclusive: bool,
}

/// A connection between two statements.
#[derive(Debug)]
struct IdleConnection {
    connection: PoolConnection<Postgres>,
    opened_at: Instant,
    used_at: Instant,
    planned_at: Instant,
}

impl BoundedPool {
    /// Over a pool that other code uses as well.
    #[must_use]
    pub(crate) fn shared(pool: PgPool, timeout: Duration) -> BoundedPool {
        let permits = Arc::new(Semaphore::new(pool.options().get_max_connections() as usize));
        BoundedPool { pool, timeout, permits, idle: Arc::default(), is_exclusive: false }
    }

    /// Over a pool without another user.
    #[must_use]
    pub(crate) fn own(pool: PgPool, timeout: Duration) -> BoundedPool {
        BoundedPool { is_exclusive: true, ..BoundedPool::shared(pool, timeout) }
    }

    /// For sqlx's migrator, which is never cancelled: its command does nothing else.
    #[must_use]
    pub(crate) fn for_migrations(&self) -> &PgPool {
        self.idle().clear();
        &self.pool
    }

    /// A connection for a transaction; it is closed at its end.
    ///
    /// # Errors
    /// I/O error if none is available in time.
    pub(crate) async fn detached(&self) -> Result<PgConnection, Error> {
        let mut borrowed = self.acquire(self.deadline()).await?;
        borrowed
            .connection
            .take()
            .map(|idle_connection| idle_connection.connection.detach())
            .ok_or_else(timed_out)
    }

    /// Connections in use and open.
    #[must_use]
    pub(crate) fn connections(&self) -> (usize, usize) {
        let open = self.pool.size() as usize;
        (open.saturating_sub(self.pool.num_idle() + self.idle().len()), open)
    }

    pub(crate) async fn close(&self) {
        self.permits.close();
        self.idle().clear();
        self.pool.close().await;
    }

    fn deadline(&self) -> Instant {
        (postrider_clock::monotonic() + self.timeout).into()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<IdleConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn acquire(&self, deadline: Instant) -> Result<Borrowed, Error> {
        let permit = timeout_at(deadline, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| timed_out())?.map_err(|_| Error::PoolClosed)?;
        let idle = self.is_exclusive.then(|| Arc::clone(&self.idle));
        let mut borrowed = Borrowed { connection: None, idle, _permit: permit };
        loop {
            // Last in, first out: surplus connections grow old.
            let Some(idle_connection) = self.idle().pop() else { break };
            if idle_connection.opened_at.elapsed() > CONNECTION_MAX_AGE {
                drop(idle_connection);
                continue;
            }
            borrowed.connection = Some(idle_connection);
            if borrowed.passes_test(deadline).await {
                return Ok(borrowed);
            }
        }
        let connection = with_deadline(deadline, self.pool.acquire()).await?;
        let now = Instant::from(postrider_clock::monotonic());
        borrowed.connection =
            Some(IdleConnection { connection, opened_at: now, used_at: now, planned_at: now });
        Ok(borrowed)
    }
}

/// A connection in use by one statement.
struct Borrowed {
    connection: Option<IdleConnection>,
    /// The place to return it to; `None`: it goes back to the pool.
    idle: Option<Arc<Mutex<Vec<IdleConnection>>>>,
    _permit: OwnedSemaphorePermit,
}

impl Borrowed {
    fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection.as_mut().expect("the connection is taken only at the end").connection
    }

    /// Tests it if it was idle too long, and discards old plans; closes it if it does not answer.
    async fn passes_test(&mut self, deadline: Instant) -> bool {
        let Some(idle_connection) = &mut self.connection else { return false };
        let now = Instant::from(postrider_clock::monotonic());
        let test_deadline = deadline.min(now + TEST_TIMEOUT);
        let answered = if now - idle_connection.planned_at > PLANS_MAX_AGE {
            idle_connection.planned_at = now;
            with_deadline(test_deadline, idle_connection.connection.execute("discard plans")).await.is_ok()
        } else if now - idle_connection.used_at > TEST_AFTER {
            with_deadline(test_deadline, idle_connection.connection.ping()).await.is_ok()
        } else {
            true
        };
        if !answered {
            self.close();
        }
        answered
    }

    /// Returns it after a complete result, even if that is the server's refusal.
    fn finish<T>(mut self, answer: Result<T, Error>) -> Result<T, Error> {
        if matches!(answer, Ok(_) | Err(Error::Database(_)))
            && let Some(mut idle_connection) = self.connection.take()
        {
            idle_connection.used_at = postrider_clock::monotonic().into();
            if let Some(idle) = &self.idle {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle_connection);
            }
        }
        answer
    }

    /// Without the protocol's goodbye: the server may be unreachable.
    fn close(&mut self) {
        if let Some(idle_connection) = self.connection.take() {
            drop(idle_connection.connection.detach());
        }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        self.close();
    }
}

fn timed_out() -> Error {
    Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database did not answer in time"))
}

async fn with_deadline<T>(
    deadline: Instant,
    statement: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout_at(deadline, statement).await.unwrap_or_else(|_| Err(timed_out()))
}

impl<'p> Executor<'p> for &'_ BoundedPool {
    type Database = Postgres;

    /// Reads all rows before it yields the first: results fit in memory, and the connection is free at once.
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let fetched = async move {
            let deadline = pool.deadline();
            let mut borrowed = pool.acquire(deadline).await?;
            let rows = borrowed.connection().fetch_many(query);
            let answer = with_deadline(deadline, rows.try_collect::<Vec<_>>()).await;
            borrowed.finish(answer)
        };
        let rows = stream::once(fetched).map(|answer| match answer {
            Ok(rows) => stream::iter(rows.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        });
        Box::pin(rows.flatten())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        Box::pin(async move {
            let deadline = pool.deadline();
            let mut borrowed = pool.acquire(deadline).await?;
            let answer = with_deadline(deadline, borrowed.connection().fetch_optional(query)).await;
            borrowed.finish(answer)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        Box::pin(async move {
            let deadline = pool.deadline();
            let mut borrowed = pool.acquire(deadline).await?;
            let answer = with_deadline(deadline, borrowed.connection().prepare_with(sql, parameters)).await;
            borrowed.finish(answer)
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        Box::pin(async move {
            let deadline = pool.deadline();
            let mut borrowed = pool.acquire(deadline).await?;
            let answer = with_deadline(deadline, borrowed.connection().describe(sql)).await;
            borrowed.finish(answer)
        })
    }
}
