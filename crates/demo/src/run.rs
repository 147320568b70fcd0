//! The demo's story: build the world, publish, watch, do the sums, take everything down.
//!
//! Ctrl-C ends it at any time and leaves nothing behind; a second one ends it at once. The exit status is
//! 0 only where every number added up.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use uuid::Uuid;

use super::{
    checks::{self, Fate, Sums},
    environment::World,
    jobs::{self, Wish},
    live_table::{Glance, Paint, ROWS_MAX, Watch},
    report, seeds,
    seeds::Seed,
};
use postrider::{
    config::{Config, LogFormat},
    telemetry, worker,
};
use postrider_domain::{ids::CompanyId, lifecycle::Status};
use postrider_ledger::counts::{RejectedEnd, RequestEnd};

const INTERRUPTED: u8 = 130;
const RECEIPTS_WITHIN: Duration = Duration::from_secs(10);

/// Show Postrider at work, from jobs to receipts, and check that every number adds up.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// End after the sums instead of keeping everything running.
    #[arg(long, env = "DEMO_EXIT", value_parser = clap::builder::BoolishValueParser::new())]
    exit: bool,
    /// Say what is stuck and fail when not everything has ended within so many seconds.
    #[arg(long, default_value_t = 90)]
    deadline_secs: u64,
}

impl Demo {
    pub async fn run(self, server: Config) -> anyhow::Result<ExitCode> {
        let mut signals = Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        };
        println!("Postrider's demo: simulated providers, a worker and a database of its own; one moment");
        let mut world = World::start(server).await?;
        // The table stays readable: only errors are logged.
        let log = &world.config.log;
        telemetry::log::install(log.format == LogFormat::Json, &log.level)?;
        let told = tokio::select! {
            told = tell(&mut world, Duration::from_secs(self.deadline_secs), !self.exit) => Some(told),
            () = signals.asked() => None,
        };
        let code = match told {
            Some(Ok(good)) => {
                if !self.exit {
                    signals.asked().await;
                }
                if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Some(Err(error)) => {
                eprintln!("postrider: {error:#}");
                ExitCode::FAILURE
            }
            None => ExitCode::from(INTERRUPTED),
        };
        let name = world.name().to_owned();
        println!("\nstopping; a second Ctrl-C ends at once and leaves database and queues {name} behind");
        let stopped = tokio::select! {
            stopped = world.stop() => stopped?,
            () = signals.asked() => return Ok(ExitCode::FAILURE),
        };
        println!(
            "stopped; database {name} is {}",
            if stopped.dropped { "dropped" } else { "still being dropped" }
        );
        Ok(if stopped.in_time { code } else { ExitCode::FAILURE })
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Publishes and watches all of it; gives whether every number added up. `invite`: it keeps running, so
/// say what to try.
async fn tell(world: &mut World, deadline: Duration, invite: bool) -> anyhow::Result<bool> {
    let paint = Paint::of_stdout();
    let plan = jobs::plan();
    let (first, second) = (seeds::first_wave(), seeds::second_wave());
    let total = (first.len() + second.len() + plan.wishes.len()) as u64;
    introduce(world, first.len() + second.len(), plan.wishes.len(), plan.order.len());
    world.prepare(&plan).await?;
    let mut watch = Watch::new(paint, deadline);
    publish(world, first.iter().map(|seed| &seed.wish)).await?;
    watch.until_ended(world, first.len() as u64, total).await?;
    publish(world, second.iter().map(|seed| &seed.wish)).await?;
    watch.until_ended(world, (first.len() + second.len()) as u64, total).await?;
    publish(world, plan.order.iter().map(|place| &plan.wishes[*place])).await?;
    watch.until_ended(world, total, total).await?;
    // Late receipts change nothing, and must have arrived for the sums to say so.
    drop(tokio::time::timeout(RECEIPTS_WITHIN, world.simulator.webhooks_settled()).await);

    let seeds: Vec<Seed> = first.into_iter().chain(second).collect();
    let wishes = seeds.iter().map(|seed| seed.wish.clone()).chain(plan.wishes);
    let sums = add_up(world, wishes.collect()).await?;
    let checks = checks::checks(&sums);
    let good = checks.iter().all(checks::Check::holds);
    print!("{}", report::seeds(paint, &seeds, &sums.fates[..seeds.len()]));
    print!("{}", report::totals(paint, &Glance::take(world).await?.counts, &by_code(&sums.rejected)));
    print!("{}{}", report::sums(paint, &checks), report::surprises(&sums.fates));
    println!(
        "\n{} after {:.0} s",
        if good { "Every number adds up" } else { "The numbers do not add up" },
        watch.secs()
    );
    if invite {
        let failed = sums.requests.iter().find(|row| row.state.status() == Status::Failed);
        print!("{}", report::invitation(world, failed.map(|row| row.id)));
    }
    Ok(good)
}

fn introduce(world: &World, seeds: usize, jobs: usize, published: usize) {
    println!("  database and broker name  {}", world.name());
    println!(
        "  simulated providers       Mailgun and Twilio at http://{}, a relay at {}",
        world.simulator.http_addr, world.simulator.smtp_addr
    );
    if let (Some(public), Some(private)) = (world.worker.public_addr, world.worker.private_addr) {
        println!(
            "  worker                    webhooks at http://{public}, metrics at http://{private}/metrics"
        );
    }
    println!(
        "  jobs                      {seeds} from the seeds, {jobs} generated ones published {published} times"
    );
}

async fn publish(world: &mut World, wishes: impl Iterator<Item = &Wish>) -> anyhow::Result<()> {
    for wish in wishes {
        world.publisher.publish(wish).await?;
    }
    world.publisher.settle().await
}

/// Reads all three ledgers.
async fn add_up(world: &World, wishes: Vec<Wish>) -> anyhow::Result<Sums> {
    let requests = world.ledger.request_ends(ROWS_MAX).await?;
    let rejected = world.ledger.rejected_ends(ROWS_MAX).await?;
    let fates = fates(world, wishes, &requests, &rejected).await?;
    let accepted = world.simulator.accepted();
    let message = |text: &Option<String>| text.as_deref().and_then(|text| Uuid::parse_str(text).ok());
    Ok(Sums {
        confirmed: world.publisher.confirmed.clone(),
        accepted: accepted.iter().map(|accepted| message(&accepted.correlation)).collect(),
        twins: twins(world),
        left: world.ledger.leftovers().await?,
        left_in_queues: world.publisher.left_in_queues().await?,
        requests,
        rejected,
        fates,
    })
}

/// Finds what became of each job by its key: as a request by the key's hash, else among the rejected.
async fn fates(
    world: &World,
    wishes: Vec<Wish>,
    requests: &[RequestEnd],
    rejected: &[RejectedEnd],
) -> anyhow::Result<Vec<Fate>> {
    let keys = worker::keys(&world.config)?;
    let companies = world.ledger.companies().await?;
    let ids: BTreeMap<&str, CompanyId> =
        companies.iter().map(|company| (company.policy.slug.as_str(), company.id)).collect();
    let requests: BTreeMap<Uuid, &RequestEnd> =
        requests.iter().map(|row| (row.idempotency_hash, row)).collect();
    let rejected: BTreeMap<(Option<&str>, Option<&str>), &RejectedEnd> =
        rejected.iter().map(|row| ((row.company.as_deref(), row.key.as_deref()), row)).collect();
    let fate = |wish: Wish| {
        let idem = ids.get(wish.company.as_str()).map(|id| keys.identity.idempotency_hash(*id, &wish.key));
        if let Some(row) = idem.and_then(|idem| requests.get(&idem)) {
            let status = row.state.status().as_str();
            let end = row.reason.as_ref().map_or(status.to_owned(), |reason| format!("{status}: {reason}"));
            return Fate { wish, request: Some(row.id), end: Some(end), detail: String::new() };
        }
        let row = rejected.get(&(Some(wish.company.as_str()), Some(wish.key.as_str())));
        let problem = row.and_then(|row| row.problems.first());
        let end = problem.map(|problem| format!("rejected: {}", problem.code));
        Fate {
            wish,
            request: None,
            end,
            detail: problem.map_or_else(String::new, |problem| problem.message.clone()),
        }
    };
    Ok(wishes.into_iter().map(fate).collect())
}

/// What the worker counted as somebody's twin.
fn twins(world: &World) -> u64 {
    let rendered = world.worker.render_metrics();
    let name = telemetry::names::DUPLICATES;
    let value = rendered.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or(0)
}

fn by_code(rejected: &[RejectedEnd]) -> Vec<(String, String, u64)> {
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in rejected {
        let code = row.problems.first().map_or("-", |problem| &problem.code);
        *counts.entry((row.company.clone().unwrap_or_default(), code.to_owned())).or_default() += 1;
    }
    counts.into_iter().map(|((company, code), count)| (company, code, count)).collect()
}
