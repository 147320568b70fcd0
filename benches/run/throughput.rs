//! One run: a full queue, a row's programs started on it, and everything counted until it is done.
//!
//! `measure` is the ordinary run; `run` is its middle, on a fixture that the caller has made.
//!
//! The rate is that of the steady part, of accepted messages (to *sent*) or of answered webhooks (to
//! *delivered*). CPU is counted until the row's own tables say that all is written: the servers' from the start
//! of the programs, the programs' from the last look before the first call, so that no start-up counts.

use std::{
    future::{Future, ready},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::sleep;

use crate::{
    children::Program,
    cpu,
    db_stats::DbStats,
    fixture::{Fixture, Template},
    progress::Progress,
    provider::Counts,
    report::{Figures, Goal, Medium, steady_rate},
    rows::Row,
    servers::Servers,
};

#[derive(Debug, Clone, Copy)]
pub struct Task {
    pub medium: Medium,
    pub goal: Goal,
    pub requests: usize,
    /// Round trips to Postgres are counted, by a relay in between; the rate is then none.
    pub relayed: bool,
}

/// Looks are rare while it runs: each walks the provider's whole journal.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Of a run of so many; of larger ones they are rarer.
const LOOKS_REQUESTS: f64 = 30_000.0;
const FIRST_LOOKS_EVERY: Duration = Duration::from_millis(5);
/// The table's count walks it all, so it has a twentieth of the looks' time.
const COUNTS_TO_A_LOOK: u32 = 20;
/// Nothing moved for so long: it never will.
const TIMEOUT: Duration = Duration::from_secs(60);

/// `template`: a database with waiting requests to begin with. Takes away what the run made, also where it failed.
pub async fn measure(
    servers: &Servers,
    row: &Row,
    task: Task,
    template: Option<&Template>,
) -> anyhow::Result<Figures> {
    let mut scene = Fixture::make(servers, row, (task.medium, task.goal), template).await?;
    let figures = queued(servers, row, task, &mut scene).await;
    scene.take_down(servers, figures).await
}

async fn queued(servers: &Servers, row: &Row, task: Task, scene: &mut Fixture) -> anyhow::Result<Figures> {
    scene.publisher.fill(&scene.site, &scene.envelope, 0..task.requests).await.context("publish")?;
    if task.relayed {
        scene.put_relay().await?;
    }
    run(servers, row, task, scene, ready(Ok(()))).await
}

/// Starts the row's programs, counts until everything has come to its goal, and ends them. `feed` brings
/// what is not there yet meanwhile.
pub async fn run(
    servers: &Servers,
    row: &Row,
    task: Task,
    scene: &Fixture,
    feed: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Figures> {
    let mut watch = Watch { servers, row, task, scene, looks: Vec::new() };
    let db_stats = DbStats::open(servers, &scene.site).await?;
    let idle = [servers.postgres_cpu(), servers.broker_cpu()];
    let mut programs = scene.programs(row).await?;
    let done = match tokio::try_join!(watch.until_taken(&mut programs), feed) {
        Ok(((), ())) => watch.until_written().await,
        Err(error) => Err(error),
    };
    if done.is_err() {
        programs.iter().for_each(|program| println!("{} said:\n{}", program.name, program.last_lines()));
    }
    done?;
    let asked = scene.asked();
    let (wal_bytes, statements) = db_stats.close(&scene.site).await?;
    watch.look(&programs).await?;
    end(row, programs).await?;

    let taken = scene.provider.times().await?;
    ensure!(taken.len() == task.requests, "{} of {} were sent", taken.len(), task.requests);
    let per_sec = match task.goal {
        Goal::Sent => steady_rate(&taken.iter().copied().zip(1..).collect::<Vec<_>>(), 1.0),
        Goal::Delivered => watch.delivered_per_sec(),
    };
    ensure!(per_sec.is_finite(), "{} requests are too few to have a rate", task.requests);
    let each = 1.0 / task.requests as f64;
    let [worker_micros, postgres_micros, broker_micros] = watch.micros_per_request(idle);
    Ok(Figures {
        per_sec,
        worker_micros,
        postgres_micros,
        broker_micros,
        wal_bytes: wal_bytes * each,
        statements: statements * each,
        round_trips: asked.map(|asked| asked as f64 * each),
        peak_rss_mib: watch.looks.iter().map(|look| look.rss_mib).fold(0.0, f64::max),
    })
}

/// The peers are killed: Celery takes 5 to 9 s to end with nothing in hand, and all is written.
pub async fn end(row: &Row, programs: Vec<Program>) -> anyhow::Result<()> {
    for program in programs {
        if row.external().is_none() {
            program.end().await?;
        }
    }
    Ok(())
}

/// One look at everything that moves.
struct Look {
    at: Instant,
    counts: Counts,
    /// CPU seconds of the row's programs, of Postgres, of RabbitMQ.
    cpu: [f64; 3],
    /// Peak memory of the row's living processes.
    rss_mib: f64,
}

/// Looks from the last one before the first call to the end.
struct Watch<'a> {
    servers: &'a Servers,
    row: &'a Row,
    task: Task,
    scene: &'a Fixture,
    looks: Vec<Look>,
}

impl Watch<'_> {
    async fn until_taken(&mut self, programs: &mut [Program]) -> anyhow::Result<()> {
        let mut moved = postrider_clock::monotonic();
        let mut progress = Progress::of(self.task.requests);
        loop {
            for program in programs.iter_mut() {
                program.must_run()?;
            }
            let before = self.looks.last().map(|look| (look.counts.taken, look.counts.posted));
            let Counts { taken, refused, posted, pending } = self.look(programs).await?;
            progress.show(taken);
            ensure!(refused == 0, "the provider refused {refused} calls");
            if before != Some((taken, posted)) {
                moved = postrider_clock::monotonic();
            }
            let told = self.task.goal == Goal::Sent || pending == 0;
            if taken >= self.task.requests && told {
                return Ok(());
            }
            let stuck = postrider_clock::monotonic() - moved > TIMEOUT;
            ensure!(!stuck, "nothing moved for {TIMEOUT:?}: {taken} taken, {posted} posts");
            if taken == 0 {
                let last = self.looks.len() - 1;
                self.looks.drain(..last);
            }
            sleep(if taken > 0 { self.look_every() } else { FIRST_LOOKS_EVERY }).await;
        }
    }

    async fn look(&mut self, programs: &[Program]) -> anyhow::Result<Counts> {
        let sum = |of: fn(u32) -> f64| programs.iter().map(|program| of(program.id())).sum();
        let (worker, rss_mib) = (sum(cpu::of_tree), sum(cpu::peak_mib));
        let counts = self.scene.provider.counts().await?;
        let cpu = [worker, self.servers.postgres_cpu(), self.servers.broker_cpu()];
        self.looks.push(Look { at: postrider_clock::monotonic(), counts, cpu, rss_mib });
        Ok(counts)
    }

    /// Waits until the row's own table says that every request has come to its goal.
    async fn until_written(&self) -> anyhow::Result<()> {
        let (requests, goal) = (self.task.requests, self.task.goal);
        // Not through the relay.
        let database = self.servers.database(&self.scene.site.name)?;
        let mut connection = PgConnection::connect(&database).await?;
        let since = postrider_clock::monotonic();
        loop {
            let query = AssertSqlSafe(self.scene.count(self.row, goal));
            let count: i64 = sqlx::query_scalar(query).fetch_one(&mut connection).await?;
            if usize::try_from(count)? == requests {
                return Ok(());
            }
            if postrider_clock::monotonic() - since > TIMEOUT {
                bail!("the table says that {count} of {requests} are {}", goal.as_str());
            }
            sleep(self.look_every() / COUNTS_TO_A_LOOK).await;
        }
    }

    /// A look at a large journal costs more, so there are fewer.
    fn look_every(&self) -> Duration {
        LOOK_EVERY.mul_f64((self.task.requests as f64 / LOOKS_REQUESTS).max(1.0))
    }

    /// `idle`: what the servers had used before.
    fn micros_per_request(&self, [postgres, broker]: [f64; 2]) -> [f64; 3] {
        let (Some(first), Some(last)) = (self.looks.first(), self.looks.last()) else { return [0.0; 3] };
        let before = [first.cpu[0], postgres, broker];
        [0, 1, 2].map(|whose| (last.cpu[whose] - before[whose]) * 1e6 / self.task.requests as f64)
    }

    fn delivered_per_sec(&self) -> f64 {
        let Some(first) = self.looks.first() else { return 0.0 };
        let point = |look: &Look| ((look.at - first.at).as_secs_f64(), look.counts.posted);
        let points: Vec<(f64, usize)> = self.looks.iter().map(point).collect();
        let posts = points.last().map_or(0, |(_, posts)| *posts);
        steady_rate(&points, posts as f64 / self.task.requests as f64)
    }
}
