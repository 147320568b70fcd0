//! A pool on which every statement ends in time, because a connection can die without a word.
//!
//! When the database's machine is gone, or a firewall has forgotten a connection, neither an answer nor an
//! error ever comes, and the statement timeout is the server's to keep. Whoever waits longer than that gives
//! the connection up, with an I/O error: what became of the statement is as open as with any lost answer.
//! `startup::pool` sees to it that such a connection is not used again.

use std::{io, ops::Deref, time::Duration};

use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Describe, Either, Error, Execute, Executor, PgPool, Postgres, SqlStr,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

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
}

/// For what is no statement: transactions of people's commands, the pool's own numbers.
impl Deref for Bounded {
    type Target = PgPool;

    fn deref(&self) -> &PgPool {
        &self.pool
    }
}

fn given_up() -> Error {
    Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database did not answer in time"))
}

async fn in_time<T>(within: Duration, asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(within, asked).await.unwrap_or_else(|_| Err(given_up()))
}

impl<'p> Executor<'p> for &'_ Bounded {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        // One deadline for all rows together.
        let deadline = (clock::monotonic() + self.within).into();
        let rows = self.pool.fetch_many(query);
        Box::pin(stream::unfold(Some(rows), move |rows| async move {
            let mut rows = rows?;
            match tokio::time::timeout_at(deadline, rows.next()).await {
                Ok(row) => row.map(|row| (row, Some(rows))),
                Err(_) => Some((Err(given_up()), None)),
            }
        }))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(in_time(self.within, self.pool.fetch_optional(query)))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        Box::pin(in_time(self.within, self.pool.prepare_with(sql, parameters)))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        Box::pin(in_time(self.within, self.pool.describe(sql)))
    }
}
