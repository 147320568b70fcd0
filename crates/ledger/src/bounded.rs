//! A pool on which every statement ends in time, because a connection can die without a word.
//!
//! When the database's machine is gone, or a firewall has forgotten a connection, neither an answer nor an
//! error ever comes, and the statement timeout is the server's to keep. Whoever waits longer than that gives
//! the connection up, with an I/O error: what became of the statement is as open as with any lost answer.
//! A connection is used again only after a whole answer; one that was given up, by us or by whoever dropped
//! the question, is closed. It stays in our hands between two statements: a pool that asks "are you there"
//! before and after each costs more round trips than the statements. Invariant: a transaction is opened only on
//! a connection from `alone`, which never returns to the pool, so that no pooled connection can hold an open
//! transaction (docs/dependency-hazards.md#f1).

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

/// A connection that answered so shortly ago is not asked again whether it is there.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Plans are made anew so often, by the tables as they are then. A plan that was made for a table with one
/// row reads it whole, and the server keeps it until somebody analyses the table again.
const PLANS_KEPT_FOR: Duration = Duration::from_secs(10);
const CONNECTION_KEPT_FOR: Duration = Duration::from_secs(1_800);

/// A pool and the longest time that a statement may take, its wait for a connection included.
#[derive(Clone, Debug)]
pub struct Bounded {
    pool: PgPool,
    within: Duration,
    /// One permit for each connection that may be in use.
    free: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Kept>>>,
    /// Whether the pool is ours alone; otherwise each connection goes back to it for others.
    keeps: bool,
}

/// A connection between two statements.
#[derive(Debug)]
struct Kept {
    connection: PoolConnection<Postgres>,
    born: Instant,
    used: Instant,
    planned: Instant,
}

impl Bounded {
    /// Over a pool that others use as well.
    #[must_use]
    pub fn shared(pool: PgPool, within: Duration) -> Bounded {
        let free = Arc::new(Semaphore::new(pool.options().get_max_connections() as usize));
        Bounded { pool, within, free, idle: Arc::default(), keeps: false }
    }

    /// Over a pool that nobody else uses.
    #[must_use]
    pub fn own(pool: PgPool, within: Duration) -> Bounded {
        Bounded { keeps: true, ..Bounded::shared(pool, within) }
    }

    /// For sqlx's migrator, whose transactions nobody interrupts: its command does nothing else.
    #[must_use]
    pub fn for_migrations(&self) -> &PgPool {
        self.idle().clear();
        &self.pool
    }

    /// A connection of its own, for a transaction; its end closes it.
    ///
    /// # Errors
    /// Where none comes in time.
    pub async fn alone(&self) -> Result<PgConnection, Error> {
        let mut lent = self.lend(self.deadline()).await?;
        lent.kept.take().map(|kept| kept.connection.detach()).ok_or_else(given_up)
    }

    /// Connections in use and open.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        let open = self.pool.size() as usize;
        (open.saturating_sub(self.pool.num_idle() + self.idle().len()), open)
    }

    pub async fn close(&self) {
        self.free.close();
        self.idle().clear();
        self.pool.close().await;
    }

    fn deadline(&self) -> Instant {
        (postrider_clock::monotonic() + self.within).into()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn lend(&self, deadline: Instant) -> Result<Lent, Error> {
        let permit = timeout_at(deadline, Arc::clone(&self.free).acquire_owned()).await;
        let permit = permit.map_err(|_| given_up())?.map_err(|_| Error::PoolClosed)?;
        let idle = self.keeps.then(|| Arc::clone(&self.idle));
        let mut lent = Lent { kept: None, idle, _permit: permit };
        loop {
            // The last one back first: what is not needed grows old.
            let Some(kept) = self.idle().pop() else { break };
            if kept.born.elapsed() > CONNECTION_KEPT_FOR {
                drop(kept);
                continue;
            }
            lent.kept = Some(kept);
            if lent.is_fit(deadline).await {
                return Ok(lent);
            }
        }
        let connection = in_time(deadline, self.pool.acquire()).await?;
        let now = Instant::from(postrider_clock::monotonic());
        lent.kept = Some(Kept { connection, born: now, used: now, planned: now });
        Ok(lent)
    }
}

/// A connection that is asked something.
struct Lent {
    kept: Option<Kept>,
    /// Where it is kept; absent: it goes back to the pool.
    idle: Option<Arc<Mutex<Vec<Kept>>>>,
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    fn connection(&mut self) -> &mut PgConnection {
        &mut self.kept.as_mut().expect("it is given back only at its end").connection
    }

    /// Whether it still answers, with plans that are not too old; closed where it does not.
    async fn is_fit(&mut self, deadline: Instant) -> bool {
        let Some(kept) = &mut self.kept else { return false };
        let now = Instant::from(postrider_clock::monotonic());
        let within = deadline.min(now + ANSWER_WITHIN);
        let answered = if now - kept.planned > PLANS_KEPT_FOR {
            kept.planned = now;
            in_time(within, kept.connection.execute("discard plans")).await.is_ok()
        } else if now - kept.used > TRUSTED_FOR {
            in_time(within, kept.connection.ping()).await.is_ok()
        } else {
            true
        };
        if !answered {
            self.close();
        }
        answered
    }

    /// Gives it back: the answer came whole, even if it is the server's refusal.
    fn answered<T>(mut self, answer: Result<T, Error>) -> Result<T, Error> {
        if matches!(answer, Ok(_) | Err(Error::Database(_)))
            && let Some(mut kept) = self.kept.take()
        {
            kept.used = postrider_clock::monotonic().into();
            if let Some(idle) = &self.idle {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
            }
        }
        answer
    }

    /// Without a good-bye, which nobody may be there to hear.
    fn close(&mut self) {
        if let Some(kept) = self.kept.take() {
            drop(kept.connection.detach());
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.close();
    }
}

fn given_up() -> Error {
    Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database did not answer in time"))
}

async fn in_time<T>(deadline: Instant, asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout_at(deadline, asked).await.unwrap_or_else(|_| Err(given_up()))
}

impl<'p> Executor<'p> for &'_ Bounded {
    type Database = Postgres;

    /// All rows are read before the first is given: no question is bigger than memory, and the connection is
    /// free for the next one at once.
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let asked = async move {
            let deadline = pool.deadline();
            let mut lent = pool.lend(deadline).await?;
            let rows = lent.connection().fetch_many(query);
            let answer = in_time(deadline, rows.try_collect::<Vec<_>>()).await;
            lent.answered(answer)
        };
        let rows = stream::once(asked).map(|answer| match answer {
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
            let mut lent = pool.lend(deadline).await?;
            let answer = in_time(deadline, lent.connection().fetch_optional(query)).await;
            lent.answered(answer)
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
            let mut lent = pool.lend(deadline).await?;
            let answer = in_time(deadline, lent.connection().prepare_with(sql, parameters)).await;
            lent.answered(answer)
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        Box::pin(async move {
            let deadline = pool.deadline();
            let mut lent = pool.lend(deadline).await?;
            let answer = in_time(deadline, lent.connection().describe(sql)).await;
            lent.answered(answer)
        })
    }
}
