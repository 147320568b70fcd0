//! Many sends while somebody holds an old snapshot, so that no dead row can be cleaned away; and without.
//!
//! Jobs are published while the worker consumes, never further ahead than `AHEAD_MAX`, so the rate is less
//! than that of `throughput`, but alike in both. One run each.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;
use sqlx::{Connection, FromRow, PgConnection};
use tokio::time::sleep;

use crate::{
    arguments::Medium,
    figures::{self, Figures},
    report::Table,
    rows::Row,
    scene::Scene,
    servers::Servers,
    throughput::{self, Goal, Task},
};

const AHEAD_MAX: usize = 100_000;
const PUBLISHED_AT_ONCE: usize = 5_000;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Backends that have ended have told their counts by then.
const COUNTS_AFTER: Duration = Duration::from_secs(2);

const SNAPSHOT: &str = "begin isolation level repeatable read; select count(*) from message";
const SIZES: &str = "select relname as table, pg_total_relation_size(relid) / 1048576.0::float8 as mib, \
    n_dead_tup as dead, n_tup_upd as updates, n_tup_hot_upd as hot, autovacuum_count as vacuums \
    from pg_stat_user_tables \
    where relname in ('request', 'message', 'contact', 'lease', 'due', 'watch') order by 1";

/// What is left of all the sends.
#[derive(Debug, Serialize)]
pub struct Bloat {
    snapshot: bool,
    figures: Figures,
    tables: Vec<Size>,
}

#[derive(Debug, Serialize, FromRow)]
struct Size {
    table: String,
    /// Indexes and all.
    mib: f64,
    dead: i64,
    updates: i64,
    /// Of them those that changed no index.
    hot: i64,
    vacuums: i64,
}

pub async fn measure(servers: &Servers, row: &Row, sends: usize, snapshot: bool) -> anyhow::Result<Bloat> {
    let scene = Scene::make(servers, row, (Medium::Sms, Goal::Sent), None).await?;
    let mut holder = PgConnection::connect(&scene.site.database_url).await?;
    if snapshot {
        sqlx::raw_sql(SNAPSHOT).execute(&mut holder).await?;
    }
    let task = Task { medium: Medium::Sms, goal: Goal::Sent, requests: sends };
    let figures = throughput::run(servers, row, task, &scene, feed(&scene, sends)).await?;
    sleep(COUNTS_AFTER).await;
    let mut looking = PgConnection::connect(&scene.site.database_url).await?;
    let tables: Vec<Size> = sqlx::query_as(SIZES).fetch_all(&mut looking).await?;
    if snapshot {
        let seen: i64 = sqlx::query_scalar("select count(*) from message").fetch_one(&mut holder).await?;
        ensure!(seen == 0, "the snapshot was not held: it sees {seen} messages");
    }
    holder.close().await?;
    looking.close().await?;
    scene.take_down(servers).await?;
    println!("{sends} sends, snapshot {snapshot}  {figures}");
    Ok(Bloat { snapshot, figures, tables })
}

/// Publishes as the provider takes.
async fn feed(scene: &Scene, jobs: usize) -> anyhow::Result<()> {
    for first in (0..jobs).step_by(PUBLISHED_AT_ONCE) {
        while first.saturating_sub(scene.provider.seen()) > AHEAD_MAX {
            sleep(LOOK_EVERY).await;
        }
        let some = first..(first + PUBLISHED_AT_ONCE).min(jobs);
        scene.publisher.fill(&scene.site, &scene.envelope, some).await?;
    }
    Ok(())
}

/// What it cost, and what is left; a line, or a column, for each of the two.
pub fn tables(all: &[Bloat], sends: usize) -> Vec<Table> {
    let cost = std::iter::once(figures::head("old snapshot"));
    let cost = cost.chain(all.iter().map(|bloat| figures::line(bloat.word(), &[&bloat.figures])));
    let head = std::iter::once("after it".to_owned()).chain(all.iter().flat_map(|bloat| {
        let word = bloat.word();
        ["MiB", "dead rows", "HOT of updates", "vacuums"].map(|title| format!("{title} ({word})"))
    }));
    let mut left = vec![head.collect::<Vec<String>>()];
    for (number, Size { table, .. }) in all.first().map_or(&[][..], |bloat| &bloat.tables).iter().enumerate()
    {
        let sizes = all.iter().flat_map(|bloat| bloat.tables[number].cells());
        left.push(std::iter::once(table.clone()).chain(sizes).collect());
    }
    let table = |title: String, lines| Table { title, lines, rates: Vec::new() };
    vec![
        table(
            format!("SMS, to *sent*: {sends} jobs published meanwhile, beside an old snapshot"),
            cost.collect(),
        ),
        table(format!("Tables after these {sends}"), left),
    ]
}

impl Bloat {
    fn word(&self) -> &'static str {
        if self.snapshot { "held" } else { "none" }
    }
}

impl Size {
    fn cells(&self) -> [String; 4] {
        let Size { mib, dead, updates, hot, vacuums, .. } = self;
        let share =
            if *updates == 0 { "–".to_owned() } else { format!("{:.2}", *hot as f64 / *updates as f64) };
        [format!("{mib:.1}"), dead.to_string(), share, vacuums.to_string()]
    }
}
