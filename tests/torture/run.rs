//! One run from the first job to the verdict: load and faults, then calm, then the audit.
//!
//! The load keeps pace with the faults, so that none of them hits an idle system; both go on until every
//! kind of fault had its turns and every job is out. Read `faults`, `calm`, `audit` in that order.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, bail};
use postrider::failpoint;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    arguments::Arguments,
    audit::audit,
    calm, collect,
    facts::Facts,
    faults::{Tally, process, providers, servers, webhooks},
    fleet::Deaths,
    people::{self, Acts},
    publish::{self, Entries, Published},
    report::Report,
    support::wait::elapse,
    trial,
    world::World,
};

const LOOK_EVERY: Duration = Duration::from_millis(250);
const TELL_EVERY: Duration = Duration::from_secs(5);
/// The load may be so far ahead of the faults, and of what has arrived.
const AHEAD_SHARE: f64 = 0.03;
const AHEAD_MAX: usize = 2_000;
/// So much of the load waits for the faults that only a load can meet.
const KEPT_BACK: f64 = 0.2;
const KEPT_BACK_MAX: f64 = 2_000.0;
const TRICKLE_A_SECOND: f64 = 25.0;
const LAST_FAULTS_WITHIN: Duration = Duration::from_secs(5);
/// Attempts that can be lost with one worker: its call slots, and outcomes not written yet.
const LOST_AT_ONCE: u64 = 3 * 24 + 256;

/// Runs, prints the report, and gives whether everything adds up.
pub async fn run(arguments: Arguments, seed: u64) -> anyhow::Result<bool> {
    let world = World::build(arguments, seed).await?;
    world.env.consuming().await;
    let (tally, acts) = (Arc::new(Tally::default()), Arc::new(Acts::default()));
    let published = Arc::new(Published::new(&world.plan));
    let ledgers = torment(&world, &tally, &acts, &published).await?;
    let faults_took = postrider_clock::monotonic() - world.started;
    println!("{:>5} s  calm: waiting until everything has ended", faults_took.as_secs());
    let replayed = calm::settle(&world).await?;
    let unclean = world.fleet.end().await;
    let deaths = world.fleet.deaths();
    let facts = facts(&world, &tally, &acts, &published, (&deaths, unclean)).await?;
    let findings = audit(&facts);
    let trials = if findings.is_empty() { trial::run(&world, &facts).await? } else { Vec::new() };
    let report = Report {
        world: &world,
        facts: &facts,
        findings: &findings,
        trials: &trials,
        ledgers: &ledgers,
        deaths: &deaths,
        tally: &tally,
        missing: missing(&world, &tally),
        replayed,
        faults_took,
        took: postrider_clock::monotonic() - world.started,
    };
    report.print();
    if let Some(path) = &world.arguments.json {
        std::fs::write(path, report.json().to_string()).context("write the report")?;
    }
    if !report.adds_up() || world.arguments.keep_logs {
        world.keep_logs();
        println!("the workers' logs are in {}", world.folder.display());
    }
    Ok(report.adds_up())
}

/// Load and faults, until both are through; the workers are healthy again afterwards.
async fn torment(
    world: &Arc<World>,
    tally: &Arc<Tally>,
    acts: &Arc<Acts>,
    published: &Arc<Published>,
) -> anyhow::Result<Vec<Entries>> {
    let (calm, quiet) = (watch::Sender::new(false), watch::Sender::new(false));
    let mut publishing = JoinSet::new();
    for number in 0..world.arguments.publishers {
        publishing.spawn(publish::run(Arc::clone(world), Arc::clone(published), number));
    }
    let mut overtaking = JoinSet::new();
    for number in 0..people::OVERTAKING {
        overtaking.spawn(people::overtake(Arc::clone(world), Arc::clone(published), number));
    }
    world.fleet.arm(true);
    let mut hands = JoinSet::new();
    let (shared, told) = (|| Arc::clone(world), || Arc::clone(tally));
    hands.spawn(servers::run(shared(), told(), quiet.subscribe()));
    hands.spawn(fine(process::kill(shared(), calm.subscribe())));
    hands.spawn(fine(process::roll(shared(), told(), calm.subscribe())));
    hands.spawn(fine(process::freeze(shared(), told(), calm.subscribe())));
    hands.spawn(fine(providers::run(shared(), told(), quiet.subscribe())));
    hands.spawn(fine(webhooks::run(shared(), told(), calm.subscribe())));
    hands.spawn(fine(people::run(shared(), Arc::clone(acts), calm.subscribe())));
    let through = pace(world, tally, published, (&mut hands, &quiet)).await;
    quiet.send_replace(true);
    calm.send_replace(true);
    while let Some(ended) = hands.join_next().await {
        ended.context("a hand that does faults broke")??;
    }
    through?;
    calm::heal(world).await?;
    let mut ledgers = Vec::new();
    while let Some(entries) = publishing.join_next().await {
        ledgers.push(entries.context("a publisher broke")?);
    }
    while let Some(ended) = overtaking.join_next().await {
        ended.context("an overtaking publisher broke")?;
    }
    Ok(ledgers)
}

async fn fine(doing: impl Future<Output = ()>) -> anyhow::Result<()> {
    doing.await;
    Ok(())
}

/// Lets the load out at the faults' pace until both are through. `quiet` ends what keeps the load itself away
/// when only faults are due that need one.
async fn pace(
    world: &World,
    tally: &Tally,
    published: &Published,
    (hands, quiet): (&mut JoinSet<anyhow::Result<()>>, &watch::Sender<bool>),
) -> anyhow::Result<()> {
    let count = world.plan.jobs.len();
    let limit = Duration::from_secs(300 + u64::from(world.arguments.requests) / 20);
    let (mut told, mut struck, mut out) = (postrider_clock::monotonic(), None, None);
    loop {
        let progress = Progress::of(world, tally);
        let (arrived,): (i64,) =
            world.ask("select (select count(*) from request) + (select count(*) from rejected_job)").await?;
        let now = postrider_clock::monotonic();
        let most = usize::try_from(arrived)? + AHEAD_MAX;
        if progress.struck >= 1.0 && published.tried_count() >= count - kept_back(count) {
            struck.get_or_insert(now);
            quiet.send_replace(true);
        }
        let allowed = progress.allowed(count, struck.map(|since| now - since)).min(most) as u32;
        published.allowed.fetch_max(allowed, Ordering::Relaxed);
        if now - told >= TELL_EVERY {
            told = now;
            tell(world, tally, published, (arrived, &progress)).await;
        }
        if published.tried_count() >= count {
            let since = *out.get_or_insert(now);
            // With the last job the last visit of a crash point may be over.
            if progress.all() >= 1.0 || now - since > LAST_FAULTS_WITHIN {
                return Ok(());
            }
        }
        if let Some(ended) = hands.try_join_next() {
            // Tasks without anything to do in this run end at once; a task that fails ends the run.
            ended.context("a hand that does faults broke")??;
        }
        if now - world.started > limit {
            bail!("after {limit:?} the faults and the load are not through: {:.0} %", progress.all() * 100.0);
        }
        elapse(LOOK_EVERY).await;
    }
}

/// The faults that came less often than they should have.
fn missing(world: &World, tally: &Tally) -> Vec<String> {
    let (arguments, counts) = (&world.arguments, tally.counts());
    let mut due: Vec<(String, u64)> = servers::kinds(arguments.emphasis)
        .iter()
        .chain(providers::kinds(arguments.emphasis))
        .chain(&webhooks::KINDS)
        .chain(&[process::FREEZE, process::ROLLING])
        .map(|kind| ((*kind).to_owned(), counts.get(kind).copied().unwrap_or(0)))
        .collect();
    if arguments.emphasis.is_none() {
        let kills = world.fleet.deaths().kills;
        let points = failpoint::POINTS.iter().map(|name| format!("crash_{name}"));
        due.extend(points.map(|name| (name.clone(), kills.get(&name).copied().unwrap_or(0))));
    }
    due.into_iter().filter(|(_, count)| *count < arguments.each.into()).map(|(kind, _)| kind).collect()
}

fn kept_back(count: usize) -> usize {
    (count as f64 * KEPT_BACK).min(KEPT_BACK_MAX) as usize
}

/// How much of what is due was done, each between 0 and 1.
struct Progress {
    /// Of the faults that come by themselves.
    struck: f64,
    /// Of those that need a load to happen at all.
    met: f64,
}

impl Progress {
    fn of(world: &World, tally: &Tally) -> Progress {
        let (arguments, deaths) = (&world.arguments, world.fleet.deaths());
        let (each, emphasis) = (arguments.each, arguments.emphasis);
        let points = if emphasis.is_none() { failpoint::POINTS.len() } else { 0 };
        let died_at = |name: &&str| deaths.kills.get(&format!("crash_{name}")).copied().unwrap_or(0);
        let crashed: u64 = failpoint::POINTS.iter().map(|name| died_at(name).min(each.into())).sum();
        let part = |done: u64, due: f64| if due > 0.0 { (done as f64 / due).min(1.0) } else { 1.0 };
        let struck = [
            part(deaths.kills_count(), f64::from(arguments.kills)),
            tally.share(servers::kinds(emphasis), each),
            tally.share(providers::kinds(emphasis), each),
            tally.share(&[process::FREEZE, process::ROLLING], each),
        ];
        let met = [part(crashed, points as f64 * f64::from(each)), tally.share(&webhooks::KINDS, each)];
        let least = |parts: &[f64]| parts.iter().copied().fold(1.0, f64::min);
        Progress { struck: least(&struck), met: least(&met) }
    }

    fn all(&self) -> f64 {
        self.struck.min(self.met)
    }

    /// How many jobs may be out. Some are kept back for the faults that need them, and trickle out when all
    /// others are done, whether they are met or not.
    fn allowed(&self, count: usize, done_for: Option<Duration>) -> usize {
        let (all, sooner) = (count as f64, (count - kept_back(count)) as f64);
        let jobs = match done_for {
            _ if self.all() >= 1.0 => all,
            Some(since) => sooner + since.as_secs_f64() * TRICKLE_A_SECOND,
            None => (all * (self.struck + AHEAD_SHARE)).min(sooner),
        };
        (jobs.ceil() as usize).min(count)
    }
}

async fn tell(world: &World, tally: &Tally, published: &Published, (arrived, progress): (i64, &Progress)) {
    println!(
        "{:>5} s  published {}/{}, arrived {arrived}, accepted by providers {}, kills {}/{}, faults {:.0} %, now: {}",
        (postrider_clock::monotonic() - world.started).as_secs(),
        published.tried_count(),
        world.plan.jobs.len(),
        world.accepted_count().await,
        world.fleet.deaths().kills_count(),
        world.arguments.kills,
        progress.all() * 100.0,
        tally.now().join(", "),
    );
}

async fn facts(
    world: &World,
    tally: &Tally,
    acts: &Acts,
    published: &Published,
    (deaths, unclean): (&Deaths, u64),
) -> anyhow::Result<Facts> {
    let counts = tally.counts();
    let outages = counts.get("postgres_stopped_at_once").copied().unwrap_or(0) * world.fleet.len() as u64;
    let frozen = counts.get(process::FREEZE).copied().unwrap_or(0);
    let mut facts = Facts {
        jobs: collect::jobs(world, published),
        acts: acts.all(),
        sends_max: if world.arguments.resend_if_absent { 2 } else { 1 },
        slots: LOST_AT_ONCE,
        worker_losses: deaths.kills_count() + deaths.unclean_ends + frozen + outages,
        complaints: complaints(world, deaths, unclean),
        ..Facts::default()
    };
    collect::providers(world, &mut facts);
    facts.queued = collect::queues(world).await?;
    let mut connection = world.env.pool.acquire().await?;
    collect::ledger(&mut connection, &mut facts).await?;
    Ok(facts)
}

/// Deaths without a cause, panics, and workers that did not end in order when everything was well.
fn complaints(world: &World, deaths: &Deaths, unclean: u64) -> Vec<String> {
    let mut complaints = deaths.odd.clone();
    if unclean > 0 {
        complaints.push(format!("{unclean} workers did not end in order although nothing was wrong"));
    }
    for place in 0..world.fleet.len() {
        let log = std::fs::read(world.folder.join(format!("{place}.log"))).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        complaints.extend(log.lines().filter(|line| line.contains("panicked at")).map(str::to_owned));
    }
    complaints
}
