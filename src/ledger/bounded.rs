//! A pool on which every statement ends in time, because a connection can die without a word.
//!
//! When the database's machine is gone, or a firewall has forgotten a connection, neither an answer nor an
//! error ever comes, and the statement timeout is the server's to keep. Whoever waits longer than that gives
//! the connection up, with an I/O error: what became of the statement is as open as with any lost answer.
//! A connection goes back to the pool only after a whole answer; one that was given up, by us or by whoever
//! dropped the question, is closed. Invariant: no transaction is opened on a connection of the pool, so none
//! can be left open on one (trap F1): `alone` gives a connection that never comes back.

use std::{io, time::Duration};

use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Describe, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr,
    pool::PoolConnection,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::time::{Instant, timeout_at};

use crate::clock;

/// A pool and the longest time that a statement may take, its wait for a connection included.
#[derive(Clone, Debug)]
pub struct Bounded {
    pool: PgPool,
    within: Duration,
}

impl Bounded {
    #[must_use]
    pub fn new(pool: PgPool, within: Duration) -> Bounded {
        Bounded { pool, within }
    }

    /// For sqlx's migrator, whose transactions nobody interrupts: its command does nothing else.
    #[must_use]
    pub fn for_migrations(&self) -> &PgPool {
        &self.pool
    }

    /// A connection of its own, for a transaction; its end closes it.
    ///
    /// # Errors
    /// Where none comes in time.
    pub async fn alone(&self) -> Result<PgConnection, Error> {
        in_time(self.deadline(), self.pool.acquire()).await.map(PoolConnection::detach)
    }

    /// Connections in use and open.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        let open = self.pool.size() as usize;
        (open.saturating_sub(self.pool.num_idle()), open)
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    fn deadline(&self) -> Instant {
        (clock::monotonic() + self.within).into()
    }

    async fn lend(&self, deadline: Instant) -> Result<Lent, Error> {
        in_time(deadline, self.pool.acquire()).await.map(|connection| Lent(Some(connection)))
    }
}

/// A connection that is asked something.
struct Lent(Option<PoolConnection<Postgres>>);

impl Lent {
    fn connection(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("it is given back only by `answered`")
    }

    /// Gives it back: the answer came whole, even if it is the server's refusal.
    fn answered<T>(mut self, answer: Result<T, Error>) -> Result<T, Error> {
        if matches!(answer, Ok(_) | Err(Error::Database(_))) {
            drop(self.0.take());
        }
        answer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
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
            let answer = in_time(deadline, futures_util::TryStreamExt::try_collect::<Vec<_>>(rows)).await;
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
