//! Many sends while another transaction holds an old snapshot, so that no dead row can be cleaned away; and
//! without.
//!
//! Jobs are published while the worker consumes, never further ahead than `AHEAD_MAX`, so the rate is less
//! than that of `throughput`, but alike in both. One run each.

use std::time::Duration;

use anyhow::{Context, ensure};
use sqlx::{Connection, PgConnection, Row as _, postgres::PgRow};
use tokio::time::sleep;

use crate::{
    fixture::Fixture,
    report::{Bloat, Goal, Medium, Size},
    rows::Row,
    servers::Servers,
    throughput::{self, Task},
};

use super::Grower;

const AHEAD_MAX: usize = 100_000;
const PUBLISHED_AT_ONCE: usize = 5_000;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Backends that have ended have told their counts by then.
const COUNTS_AFTER: Duration = Duration::from_secs(2);

const SNAPSHOT: &str = "begin isolation level repeatable read; select count(*) from message";
const SIZES: &str = "select relname as table, pg_total_relation_size(relid) / 1048576.0::float8 as mib, \
    n_dead_tup as dead, n_tup_upd as updates, n_tup_hot_upd as hot, autovacuum_count as vacuums \
    from pg_stat_user_tables \
    where relname in ('request', 'message', 'reservation', 'lease', 'due', 'receipt_poll') order by 1";

/// Once without a snapshot, once with one.
pub async fn bloat(grower: &Grower<'_>) -> anyhow::Result<Vec<Bloat>> {
    let mut all = Vec::new();
    for snapshot in [false, true] {
        println!("growth: {} sends, snapshot {snapshot}", grower.arguments.bloat_sends);
        all.push(measure(grower, snapshot).await.with_context(|| format!("snapshot {snapshot}"))?);
    }
    Ok(all)
}

async fn measure(grower: &Grower<'_>, snapshot: bool) -> anyhow::Result<Bloat> {
    let Grower { arguments, servers, row } = *grower;
    let scene = Fixture::make(servers, row, (Medium::Sms, Goal::Sent), None).await?;
    let bloat = at(servers, row, &scene, (arguments.bloat_sends, snapshot)).await;
    scene.take_down(servers, bloat).await
}

async fn at(
    servers: &Servers,
    row: &Row,
    scene: &Fixture,
    (sends, snapshot): (usize, bool),
) -> anyhow::Result<Bloat> {
    let mut holder = PgConnection::connect(&scene.site.database_url).await?;
    if snapshot {
        sqlx::raw_sql(SNAPSHOT).execute(&mut holder).await?;
    }
    let task = Task { medium: Medium::Sms, goal: Goal::Sent, requests: sends, relayed: false };
    let figures = throughput::run(servers, row, task, scene, feed(scene, sends)).await?;
    sleep(COUNTS_AFTER).await;
    let mut looking = PgConnection::connect(&scene.site.database_url).await?;
    let tables = sizes(&mut looking).await?;
    if snapshot {
        let seen: i64 = sqlx::query_scalar("select count(*) from message").fetch_one(&mut holder).await?;
        ensure!(seen == 0, "the snapshot was not held: it sees {seen} messages");
    }
    holder.close().await?;
    looking.close().await?;
    println!("{sends} sends, snapshot {snapshot}  {figures}");
    Ok(Bloat { sends, snapshot, figures, tables })
}

async fn sizes(connection: &mut PgConnection) -> anyhow::Result<Vec<Size>> {
    let rows = sqlx::query(SIZES).fetch_all(connection).await?;
    let size = |row: &PgRow| {
        Ok(Size {
            table: row.try_get("table")?,
            mib: row.try_get("mib")?,
            dead: row.try_get("dead")?,
            updates: row.try_get("updates")?,
            hot: row.try_get("hot")?,
            vacuums: row.try_get("vacuums")?,
        })
    };
    rows.iter().map(size).collect()
}

/// Publishes as the provider takes.
async fn feed(scene: &Fixture, jobs: usize) -> anyhow::Result<()> {
    for first in (0..jobs).step_by(PUBLISHED_AT_ONCE) {
        while first.saturating_sub(scene.provider.seen()) > AHEAD_MAX {
            sleep(LOOK_EVERY).await;
        }
        let some = first..(first + PUBLISHED_AT_ONCE).min(jobs);
        scene.publisher.fill(&scene.site, &scene.envelope, some).await?;
    }
    Ok(())
}
