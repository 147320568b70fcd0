//! Postgres' own statistics of one run: its log's growth, and the calls of statements.
//!
//! `pg_stat_statements` counts every executed statement, `begin` and `rollback` too, and no ping: `relay`
//! counts those. Opened just before the programs start, closed as soon as the row's table says done.

use anyhow::Context;
use sqlx::PgConnection;

use crate::{servers::Servers, workspace::Workspace};

/// Where the write-ahead log ends, in bytes.
const WAL: &str = "select (pg_current_wal_insert_lsn() - '0/0')::int8";
/// The harness's own questions are none of the row's.
const CALLS: &str = "select coalesce(sum(calls), 0)::int8 from pg_stat_statements s join pg_database d \
    on d.oid = s.dbid where d.datname = $1 and s.query not like '%/* bench */%'";

pub struct DbStats {
    connection: PgConnection,
    wal: i64,
}

impl DbStats {
    pub async fn open(servers: &Servers, site: &Workspace) -> anyhow::Result<DbStats> {
        let mut connection = servers.connect().await?;
        sqlx::query("checkpoint").execute(&mut connection).await.with_context(|| site.name.clone())?;
        sqlx::query("select pg_stat_statements_reset()").execute(&mut connection).await?;
        let wal = sqlx::query_scalar(WAL).fetch_one(&mut connection).await?;
        Ok(DbStats { connection, wal })
    }

    /// Bytes and calls since.
    pub async fn close(mut self, site: &Workspace) -> anyhow::Result<(f64, f64)> {
        let wal: i64 = sqlx::query_scalar(WAL).fetch_one(&mut self.connection).await?;
        let calls: i64 = sqlx::query_scalar(CALLS).bind(&site.name).fetch_one(&mut self.connection).await?;
        Ok(((wal - self.wal) as f64, calls as f64))
    }
}
