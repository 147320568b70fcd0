//! One run: a full queue, a row's programs started on it, and everything counted until it is done.
//!
//! The rate is that of the steady part, from a tenth to nine tenths of what the provider took (to *sent*) or
//! of the webhooks that were answered (to *delivered*). CPU is counted until the row's own tables say that all
//! is written: the servers' from the start of the programs, the programs' from the last look before the first
//! call, so that nobody's start-up counts.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use postrider::clock;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::sleep;

use crate::{
    arguments::Medium,
    books::Books,
    children::Program,
    cpu,
    figures::Figures,
    provider::{Counts, Provider},
    publish::Publisher,
    relay::Relay,
    rows::Row,
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
    /// Round trips to Postgres are counted, by a relay in between; the rate is then none.
    pub relayed: bool,
}

/// Looks are rare while it runs: each walks the provider's whole book.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const FIRST_LOOKS_EVERY: Duration = Duration::from_millis(5);
/// Nothing moved for so long: it never will.
const PATIENCE: Duration = Duration::from_secs(60);
const STEADY: (f64, f64) = (0.1, 0.9);

/// Takes away what the run made, also where it failed: other rows use the same servers.
pub async fn measure(servers: &Servers, row: &Row, task: Task) -> anyhow::Result<Figures> {
    let mut site = Site::make(servers, task.medium).await?;
    let provider = Provider::start(&site, task.goal).await?;
    site.provider.clone_from(&provider.address);
    let publisher = Publisher::connect(&site.amqp_url).await?;
    let measured = at(servers, row, task, (&mut site, &provider, &publisher)).await;
    let cleaned = async {
        provider.end().await?;
        publisher.clean_up(&site, &row.envelope()).await.context("clean the broker up")?;
        site.remove(servers).await
    };
    let cleaned = cleaned.await;
    let figures = measured?;
    cleaned?;
    Ok(figures)
}

async fn at(
    servers: &Servers,
    row: &Row,
    task: Task,
    (site, provider, publisher): (&mut Site, &Provider, &Publisher),
) -> anyhow::Result<Figures> {
    row.prepare(site).await.context("prepare the row")?;
    publisher.fill(site, &row.envelope(), task.medium, task.requests).await.context("publish")?;
    let mut relay = None;
    if task.relayed {
        let started = Relay::start(&site.database_url).await?;
        site.database_url.clone_from(&started.database_url);
        relay = Some(started);
    }

    let site = &*site;
    let mut watch = Watch { servers, row, task, site, provider, looks: Vec::new() };
    let books = Books::open(servers, site).await?;
    let idle = [servers.postgres_cpu(), servers.broker_cpu()];
    let mut programs = start(row, site).await?;
    let done = match watch.until_taken(&mut programs).await {
        Ok(()) => watch.until_written().await,
        Err(error) => Err(error),
    };
    if done.is_err() {
        programs.iter().for_each(|program| println!("{} said:\n{}", program.name, program.last_lines()));
    }
    done?;
    let asked = relay.as_ref().map(Relay::asked);
    let (wal_bytes, statements) = books.close(site).await?;
    watch.look(&programs).await?;
    // The peers are killed: Celery takes 5 to 9 s to end with nothing in hand, and all is written.
    if row.external().is_none() {
        for program in programs {
            program.end().await?;
        }
    }

    let taken = provider.times().await?;
    ensure!(taken.len() == task.requests, "{} of {} were sent", taken.len(), task.requests);
    let each = 1.0 / task.requests as f64;
    let [worker_micros, postgres_micros, broker_micros] = watch.micros_per_request(idle);
    Ok(Figures {
        per_sec: match task.goal {
            Goal::Sent => steady_rate(&taken.iter().copied().zip(1..).collect::<Vec<_>>(), 1.0),
            Goal::Delivered => watch.delivered_per_sec(),
        },
        worker_micros,
        postgres_micros,
        broker_micros,
        wal_bytes: wal_bytes * each,
        statements: statements * each,
        round_trips: asked.map(|asked| asked as f64 * each),
        peak_rss_mib: watch.looks.iter().map(|look| look.rss_mib).fold(0.0, f64::max),
    })
}

/// What listens for webhooks beside the worker starts before it and is waited for: its start is nobody's work.
async fn start(row: &Row, site: &Site) -> anyhow::Result<Vec<Program>> {
    let mut programs = Vec::new();
    let mut commands = row.programs(site)?.into_iter().peekable();
    while let Some((name, command)) = commands.next() {
        let mut program = Program::start(&name, command, &site.folder)?;
        if commands.peek().is_some() {
            program.must_listen(site.port).await?;
        }
        programs.push(program);
    }
    Ok(programs)
}

/// One look at everything that moves.
struct Look {
    at: Instant,
    counts: Counts,
    /// CPU seconds of the row's programs, of Postgres, of RabbitMQ.
    cpu: [f64; 3],
    /// What the row's processes that live held at their highest.
    rss_mib: f64,
}

/// Looks from the last one before the first call to the end.
struct Watch<'a> {
    servers: &'a Servers,
    row: &'a Row,
    task: Task,
    site: &'a Site,
    provider: &'a Provider,
    looks: Vec<Look>,
}

impl Watch<'_> {
    async fn until_taken(&mut self, programs: &mut [Program]) -> anyhow::Result<()> {
        let mut moved = clock::monotonic();
        loop {
            for program in programs.iter_mut() {
                program.must_run()?;
            }
            let before = self.looks.last().map(|look| (look.counts.taken, look.counts.posted));
            let Counts { taken, refused, posted, pending } = self.look(programs).await?;
            ensure!(refused == 0, "the provider refused {refused} calls");
            if before != Some((taken, posted)) {
                moved = clock::monotonic();
            }
            let told = self.task.goal == Goal::Sent || pending == 0;
            if taken >= self.task.requests && told {
                return Ok(());
            }
            let stuck = clock::monotonic() - moved > PATIENCE;
            ensure!(!stuck, "nothing moved for {PATIENCE:?}: {taken} taken, {posted} posts");
            if taken == 0 {
                let last = self.looks.len() - 1;
                self.looks.drain(..last);
            }
            sleep(if taken > 0 { LOOK_EVERY } else { FIRST_LOOKS_EVERY }).await;
        }
    }

    async fn look(&mut self, programs: &[Program]) -> anyhow::Result<Counts> {
        let sum = |of: fn(u32) -> f64| programs.iter().map(|program| of(program.id())).sum();
        let (worker, rss_mib) = (sum(cpu::of_tree), sum(cpu::peak_mib));
        let counts = self.provider.counts().await?;
        let cpu = [worker, self.servers.postgres_cpu(), self.servers.broker_cpu()];
        self.looks.push(Look { at: clock::monotonic(), counts, cpu, rss_mib });
        Ok(counts)
    }

    /// Waits until the row's own table says that every request has come to its goal.
    async fn until_written(&self) -> anyhow::Result<()> {
        let (requests, goal) = (self.task.requests, self.task.goal);
        let mut connection = PgConnection::connect(&self.servers.database(&self.site.name)?).await?;
        let since = clock::monotonic();
        loop {
            let query = AssertSqlSafe(self.row.count(goal));
            let count: i64 = sqlx::query_scalar(query).fetch_one(&mut connection).await?;
            if usize::try_from(count)? == requests {
                return Ok(());
            }
            if clock::monotonic() - since > PATIENCE {
                bail!("the table says that {count} of {requests} are {}", goal.word());
            }
            sleep(FIRST_LOOKS_EVERY).await;
        }
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
