//! One run: a full queue, a row's programs started on it, and everything counted until it is done.
//!
//! `measure` is the ordinary run; `run` is its middle, on a scene that somebody else has set.
//!
//! The rate is that of the steady part, from a tenth to nine tenths of what the provider took (to *sent*) or
//! of the webhooks that were answered (to *delivered*). CPU is counted until the row's own tables say that all
//! is written: the servers' from the start of the programs, the programs' from the last look before the first
//! call, so that nobody's start-up counts.

use std::{
    future::{Future, ready},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use postrider::clock;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::sleep;

use crate::{
    arguments::Medium,
    children::Program,
    cpu,
    figures::Figures,
    growth::fill::Filled,
    progress::Progress,
    provider::{Counts, Provider},
    rows::Row,
    scene::Scene,
    servers::Servers,
    site::Site,
};

/// How far a request must have come to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The provider took it, and the row's table says so. No webhook is posted.
    Sent,
    /// The provider's signed webhook says that the customer has it, and the table says so.
    Delivered,
}

impl Goal {
    /// The webhooks of both providers cost alike, so email is measured to *sent* only.
    pub fn of(medium: Medium) -> &'static [Goal] {
        match medium {
            Medium::Sms => &[Goal::Sent, Goal::Delivered],
            Medium::Email => &[Goal::Sent],
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Goal::Sent => "sent",
            Goal::Delivered => "delivered",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Task {
    pub medium: Medium,
    pub goal: Goal,
    pub requests: usize,
}

/// Looks are rare while it runs: each walks the provider's whole book.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS_REQUESTS: f64 = 30_000.0;
const FIRST_LOOKS_EVERY: Duration = Duration::from_millis(5);
/// Nothing moved for so long: it never will.
const PATIENCE: Duration = Duration::from_secs(60);
const STEADY: (f64, f64) = (0.1, 0.9);

/// `filled`: what waits in the ledger besides.
pub async fn measure(
    servers: &Servers,
    row: &Row,
    task: Task,
    filled: Option<&Filled>,
) -> anyhow::Result<Figures> {
    let scene = Scene::make(servers, row, (task.medium, task.goal), filled).await?;
    scene.publisher.fill(&scene.site, &scene.envelope, 0..task.requests).await.context("publish")?;
    let figures = run(servers, row, task, &scene, ready(Ok(()))).await?;
    scene.take_down(servers).await?;
    Ok(figures)
}

/// Starts the row's programs, counts until everything has come to its goal, and ends them. `feed` brings
/// what is not there yet meanwhile.
pub async fn run(
    servers: &Servers,
    row: &Row,
    task: Task,
    scene: &Scene,
    feed: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Figures> {
    let books = Books::open(servers, &scene.site).await?;
    let idle = [servers.postgres_cpu(), servers.broker_cpu()];
    let mut programs = scene.programs(row)?;
    let (watched, ()) = tokio::try_join!(watch(servers, row, task, scene, &mut programs), feed)?;
    let (wal_bytes, calls) = books.close(servers, &scene.site).await?;
    let peak_rss_mib = programs.iter().map(|program| cpu::peak_mib(program.id())).sum();
    for program in programs {
        program.end().await?;
    }

    let taken = scene.provider.times().await?;
    ensure!(taken.len() == task.requests, "{} of {} were sent", taken.len(), task.requests);
    let per_sec = match task.goal {
        Goal::Sent => steady_rate(&taken.iter().copied().zip(1..).collect::<Vec<_>>(), 1.0),
        Goal::Delivered => watched.delivered_per_sec(task.requests),
    };
    let each = 1.0 / task.requests as f64;
    let [worker_micros, postgres_micros, broker_micros] = watched.micros_per_request(task.requests, idle);
    let (wal_bytes, round_trips) = (wal_bytes * each, calls * each);
    Ok(Figures {
        per_sec,
        worker_micros,
        postgres_micros,
        broker_micros,
        wal_bytes,
        round_trips,
        peak_rss_mib,
    })
}

/// One look at everything that moves.
struct Look {
    at: Instant,
    counts: Counts,
    /// CPU seconds of the row's programs, of Postgres, of RabbitMQ.
    cpu: [f64; 3],
}

/// From the last look before the first call to the end.
struct Watched(Vec<Look>);

async fn watch(
    servers: &Servers,
    row: &Row,
    task: Task,
    scene: &Scene,
    programs: &mut [Program],
) -> anyhow::Result<Watched> {
    let mut looks: Vec<Look> = Vec::new();
    let mut moved = clock::monotonic();
    let mut progress = Progress::of(task.requests);
    loop {
        for program in programs.iter_mut() {
            program.must_run()?;
        }
        let look = look(servers, &scene.provider, programs).await?;
        progress.show(look.counts.taken);
        ensure!(look.counts.refused == 0, "the provider refused {} calls", look.counts.refused);
        if look.counts.taken == 0 {
            looks.clear();
        }
        let before = looks.last().map(|look| (look.counts.taken, look.counts.posted));
        if before != Some((look.counts.taken, look.counts.posted)) {
            moved = look.at;
        }
        let told = task.goal == Goal::Sent || look.counts.pending == 0;
        let all = look.counts.taken >= task.requests && told;
        let started = look.counts.taken > 0;
        looks.push(look);
        if all {
            break;
        }
        let stuck = clock::monotonic() - moved > PATIENCE && started;
        ensure!(!stuck, "nothing moved for {PATIENCE:?}: {:?}", looks.last().map(|look| look.counts));
        sleep(if started { look_every(task.requests) } else { FIRST_LOOKS_EVERY }).await;
    }
    written(row, task, scene).await?;
    looks.push(look(servers, &scene.provider, programs).await?);
    Ok(Watched(looks))
}

async fn look(servers: &Servers, provider: &Provider, programs: &[Program]) -> anyhow::Result<Look> {
    let worker = programs.iter().map(|program| cpu::of_tree(program.id())).sum();
    let counts = provider.counts().await?;
    Ok(Look { at: clock::monotonic(), counts, cpu: [worker, servers.postgres_cpu(), servers.broker_cpu()] })
}

/// A look at a large book costs more, so there are fewer.
fn look_every(requests: usize) -> Duration {
    LOOK_EVERY.mul_f64((requests as f64 / LOOKS_REQUESTS).max(1.0))
}

/// Waits until the row's own table says that every request has come to its goal.
async fn written(row: &Row, task: Task, scene: &Scene) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(&scene.site.database_url).await?;
    let since = clock::monotonic();
    loop {
        let query = AssertSqlSafe(scene.count(row, task.goal));
        let count: i64 = sqlx::query_scalar(query).fetch_one(&mut connection).await?;
        if usize::try_from(count)? == task.requests {
            return Ok(());
        }
        if clock::monotonic() - since > PATIENCE {
            bail!("the table says that {count} of {} are {}", task.requests, task.goal.word());
        }
        sleep(look_every(task.requests) / 20).await;
    }
}

impl Watched {
    /// `idle`: what the servers had used before.
    fn micros_per_request(&self, requests: usize, [postgres, broker]: [f64; 2]) -> [f64; 3] {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else { return [0.0; 3] };
        let before = [first.cpu[0], postgres, broker];
        [0, 1, 2].map(|whose| (last.cpu[whose] - before[whose]) * 1e6 / requests as f64)
    }

    fn delivered_per_sec(&self, requests: usize) -> f64 {
        let Some(first) = self.0.first() else { return 0.0 };
        let points: Vec<(f64, usize)> =
            self.0.iter().map(|look| ((look.at - first.at).as_secs_f64(), look.counts.posted)).collect();
        let posts = self.0.last().map_or(0, |look| look.counts.posted);
        steady_rate(&points, posts as f64 / requests as f64)
    }
}

/// Requests per second over the steady part of a growing count; `each`: how much of it one request is.
fn steady_rate(points: &[(f64, usize)], each: f64) -> f64 {
    let Some(&(_, end)) = points.last() else { return 0.0 };
    let (low, high) = (end as f64 * STEADY.0, end as f64 * STEADY.1);
    let time = when(points, high) - when(points, low);
    (high - low) / each / time
}

/// When the count came to this much, on straight lines between the points.
fn when(points: &[(f64, usize)], much: f64) -> f64 {
    let after = points.partition_point(|(_, count)| (*count as f64) < much);
    let Some(&(later, above)) = points.get(after) else { return f64::NAN };
    let Some(&(sooner, below)) = after.checked_sub(1).and_then(|before| points.get(before)) else {
        return later;
    };
    sooner + (later - sooner) * (much - below as f64) / (above - below) as f64
}

/// WAL and statements of one run.
struct Books {
    wal: i64,
}

/// Where the write-ahead log ends, in bytes.
const WAL: &str = "select (pg_current_wal_insert_lsn() - '0/0')::int8";
/// The harness's own questions are none of the row's.
const CALLS: &str = "select coalesce(sum(calls), 0)::int8 from pg_stat_statements s join pg_database d \
    on d.oid = s.dbid where d.datname = $1 and s.query not like '%/* bench */%'";

impl Books {
    async fn open(servers: &Servers, site: &Site) -> anyhow::Result<Books> {
        let mut connection = servers.connect().await?;
        sqlx::query("checkpoint").execute(&mut connection).await.with_context(|| site.name.clone())?;
        sqlx::query("select pg_stat_statements_reset()").execute(&mut connection).await?;
        Ok(Books { wal: sqlx::query_scalar(WAL).fetch_one(&mut connection).await? })
    }

    async fn close(self, servers: &Servers, site: &Site) -> anyhow::Result<(f64, f64)> {
        let mut connection = servers.connect().await?;
        let wal: i64 = sqlx::query_scalar(WAL).fetch_one(&mut connection).await?;
        let calls: i64 = sqlx::query_scalar(CALLS).bind(&site.name).fetch_one(&mut connection).await?;
        Ok(((wal - self.wal) as f64, calls as f64))
    }
}
