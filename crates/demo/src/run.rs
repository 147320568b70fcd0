//! The sequence of the demo: build the environment, publish, show the progress, check the numbers, remove everything.
//!
//! Ctrl-C ends it at any time and leaves nothing behind; a second one ends it at once. The exit status is 0 only if
//! every number adds up.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use uuid::Uuid;

use super::{
    checks::{self, CollectedRecords, JobResult},
    environment::Environment,
    jobs::{self, DemoJob},
    live_table::{LiveTable, Paint, ProgressCounts, ROWS_MAX},
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
const RECEIPTS_TIMEOUT: Duration = Duration::from_secs(10);

/// Show Postrider at work, from jobs to receipts, and check that every number adds up.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// End after the checks instead of keeping everything running.
    #[arg(long, env = "DEMO_EXIT", value_parser = clap::builder::BoolishValueParser::new())]
    exit: bool,
    /// Print the unfinished requests and fail if not everything has ended within so many seconds.
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
        let mut environment = Environment::start(server).await?;
        // Only errors are logged, so that the table stays readable.
        let log = &environment.config.log;
        telemetry::log::install(log.format == LogFormat::Json, &log.level)?;
        let done = tokio::select! {
            done = publish_and_check(&mut environment, Duration::from_secs(self.deadline_secs), !self.exit) => Some(done),
            () = signals.asked() => None,
        };
        let code = match done {
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
        let name = environment.name().to_owned();
        println!("\nstopping; a second Ctrl-C ends at once and leaves database and queues {name} behind");
        let stopped = tokio::select! {
            stopped = environment.stop() => stopped?,
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

/// Publishes everything and shows the progress; returns whether every number adds up. `keeps_running`: the report
/// ends with commands to try.
async fn publish_and_check(
    environment: &mut Environment,
    deadline: Duration,
    keeps_running: bool,
) -> anyhow::Result<bool> {
    let paint = Paint::of_stdout();
    let plan = jobs::plan();
    let (first, second) = (seeds::first_wave(), seeds::second_wave());
    let total = (first.len() + second.len() + plan.jobs.len()) as u64;
    introduce(environment, first.len() + second.len(), plan.jobs.len(), plan.order.len());
    environment.prepare(&plan).await?;
    let mut table_view = LiveTable::new(paint, deadline);
    publish(environment, first.iter().map(|seed| &seed.job)).await?;
    table_view.until_ended(environment, first.len() as u64, total).await?;
    publish(environment, second.iter().map(|seed| &seed.job)).await?;
    table_view.until_ended(environment, (first.len() + second.len()) as u64, total).await?;
    publish(environment, plan.order.iter().map(|place| &plan.jobs[*place])).await?;
    table_view.until_ended(environment, total, total).await?;
    // Late receipts change no result; the checks prove it only if they have arrived.
    drop(tokio::time::timeout(RECEIPTS_TIMEOUT, environment.simulator.webhooks_settled()).await);

    let seeds: Vec<Seed> = first.into_iter().chain(second).collect();
    let jobs = seeds.iter().map(|seed| seed.job.clone()).chain(plan.jobs);
    let sums = add_up(environment, jobs.collect()).await?;
    let checks = checks::checks(&sums);
    let good = checks.iter().all(checks::Check::holds);
    print!("{}", report::seeds(paint, &seeds, &sums.results[..seeds.len()]));
    print!(
        "{}",
        report::totals(paint, &ProgressCounts::take(environment).await?.counts, &by_code(&sums.rejected))
    );
    print!("{}{}", report::sums(paint, &checks), report::unexpected_results(&sums.results));
    println!(
        "\n{} after {:.0} s",
        if good { "Every number adds up" } else { "The numbers do not add up" },
        table_view.secs()
    );
    if keeps_running {
        let failed = sums.requests.iter().find(|row| row.state.status() == Status::Failed);
        print!("{}", report::next_commands(environment, failed.map(|row| row.id)));
    }
    Ok(good)
}

fn introduce(environment: &Environment, seeds: usize, jobs: usize, published: usize) {
    println!("  database and broker name  {}", environment.name());
    println!(
        "  simulated providers       Mailgun and Twilio at http://{}, a relay at {}",
        environment.simulator.http_addr, environment.simulator.smtp_addr
    );
    if let (Some(public), Some(private)) = (environment.worker.public_addr, environment.worker.private_addr) {
        println!(
            "  worker                    webhooks at http://{public}, metrics at http://{private}/metrics"
        );
    }
    println!(
        "  jobs                      {seeds} from the seeds, {jobs} generated ones published {published} times"
    );
}

async fn publish(environment: &mut Environment, jobs: impl Iterator<Item = &DemoJob>) -> anyhow::Result<()> {
    for job in jobs {
        environment.publisher.publish(job).await?;
    }
    environment.publisher.settle().await
}

/// Reads the records of publisher, providers and Postgres.
async fn add_up(environment: &Environment, jobs: Vec<DemoJob>) -> anyhow::Result<CollectedRecords> {
    let requests = environment.ledger.request_ends(ROWS_MAX).await?;
    let rejected = environment.ledger.rejected_ends(ROWS_MAX).await?;
    let results = results(environment, jobs, &requests, &rejected).await?;
    let accepted = environment.simulator.accepted();
    let message = |text: &Option<String>| text.as_deref().and_then(|text| Uuid::parse_str(text).ok());
    Ok(CollectedRecords {
        confirmed: environment.publisher.confirmed.clone(),
        accepted: accepted.iter().map(|accepted| message(&accepted.correlation)).collect(),
        duplicates: duplicates(environment),
        left: environment.ledger.leftovers().await?,
        left_in_queues: environment.publisher.left_in_queues().await?,
        requests,
        rejected,
        results,
    })
}

/// The result of each job by its key: a request by the key's hash, or a rejected job.
async fn results(
    environment: &Environment,
    jobs: Vec<DemoJob>,
    requests: &[RequestEnd],
    rejected: &[RejectedEnd],
) -> anyhow::Result<Vec<JobResult>> {
    let keys = worker::keys(&environment.config)?;
    let companies = environment.ledger.companies().await?;
    let ids: BTreeMap<&str, CompanyId> =
        companies.iter().map(|company| (company.policy.slug.as_str(), company.id)).collect();
    let requests: BTreeMap<Uuid, &RequestEnd> =
        requests.iter().map(|row| (row.idempotency_hash, row)).collect();
    let rejected: BTreeMap<(Option<&str>, Option<&str>), &RejectedEnd> =
        rejected.iter().map(|row| ((row.company.as_deref(), row.key.as_deref()), row)).collect();
    let result = |job: DemoJob| {
        let idem = ids.get(job.company.as_str()).map(|id| keys.identity.idempotency_hash(*id, &job.key));
        if let Some(row) = idem.and_then(|idem| requests.get(&idem)) {
            let status = row.state.status().as_str();
            let end = row.reason.as_ref().map_or(status.to_owned(), |reason| format!("{status}: {reason}"));
            return JobResult { job, request: Some(row.id), end: Some(end), detail: String::new() };
        }
        let row = rejected.get(&(Some(job.company.as_str()), Some(job.key.as_str())));
        let problem = row.and_then(|row| row.problems.first());
        let end = problem.map(|problem| format!("rejected: {}", problem.code));
        JobResult {
            job,
            request: None,
            end,
            detail: problem.map_or_else(String::new, |problem| problem.message.clone()),
        }
    };
    Ok(jobs.into_iter().map(result).collect())
}

/// The worker's count of duplicates.
fn duplicates(environment: &Environment) -> u64 {
    let rendered = environment.worker.render_metrics();
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
