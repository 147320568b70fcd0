//! `postrider rejected`: jobs that were refused, why, and another try.
//!
//! A replay takes the same way as a delivery, spoken by an operator: same rules, same key, so that a job
//! that got in meanwhile is not asked twice. Bodies are personal data and shown only when asked for.

use std::path::PathBuf;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::cli::{publish::read, requests::company_named};
use crate::{
    cli::output::{self, Table, fields, moment, time},
    company_cache::CompanyCache,
    config::Config,
    crash_isolation::IsolationGate,
    dispatch::fast_path::FastPath,
    intake::{
        AcceptOutcome, Acceptor, InboundJob,
        replay::{self, NotReplayable, Replayed},
    },
    worker,
};
use postrider_domain::{document::Problem, lifecycle::State};
use postrider_ledger::{
    Ledger,
    audit::Actor,
    rejected::{RejectedJob, RejectedRow},
};

/// Look at jobs that were refused, and replay one.
#[derive(Debug, clap::Subcommand)]
pub enum Rejected {
    /// List refused jobs, the latest first.
    List {
        /// Only this company's.
        #[arg(long, value_name = "SLUG")]
        company: Option<String>,
        /// Also those that were replayed.
        #[arg(long)]
        all: bool,
        /// Most jobs shown.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one refused job with all its problems.
    Show {
        /// The id of the refusal.
        id: Uuid,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Print the job's body: alone and as it came, or within the JSON.
        #[arg(long)]
        body: bool,
    },
    /// Hand a refused job in again.
    Replay {
        /// The id of the refusal.
        id: Uuid,
        /// A corrected body to hand in instead, or `-` for standard input.
        #[arg(long, value_name = "FILE")]
        body: Option<PathBuf>,
        /// The company whose job it is, where nothing says so yet.
        #[arg(long, value_name = "SLUG")]
        company: Option<String>,
    },
}

impl Rejected {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = worker::admin_ledger(&config)?;
        ledger.check_schema().await?;
        match self {
            Rejected::List { company, all, limit, json } => {
                let company = company_named(&ledger, company.as_deref()).await?;
                let rows = ledger.rejected_jobs(company, all, limit).await?;
                if json { output::json(&rows) } else { table(&rows).print() }
            }
            Rejected::Show { id, json, body } => show(&find(&ledger, id).await?, json, body),
            Rejected::Replay { id, body, company } => {
                let job = find(&ledger, id).await?;
                of_its_company(&job, company.as_deref())?;
                let corrected = body.as_ref().map(read).transpose()?;
                let is_corrected = corrected.is_some();
                let arrival = arrival(&job, corrected, company)?;
                replay(&config, &ledger, &job, arrival, is_corrected).await
            }
        }
    }
}

/// A refused job as programs read it.
#[derive(Debug, Serialize)]
struct RejectedJobOutput<'a> {
    #[serde(flatten)]
    row: &'a RejectedRow,
    message_key: Option<&'a str>,
    body_sha256: String,
    /// Only where asked for; what is no UTF-8 in it is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

async fn find(ledger: &Ledger, id: Uuid) -> anyhow::Result<RejectedJob> {
    let job = ledger.rejected_job(id, None).await?;
    job.with_context(|| format!("no rejected job has the id {id}; `postrider rejected list` shows them"))
}

fn table(rows: &[RejectedRow]) -> Table<8> {
    let mut table = Table::new([
        "Rejected",
        "Company",
        "Routing",
        "Last seen",
        "Times",
        "Bytes",
        "Replayed as",
        "Problems",
    ]);
    for row in rows {
        table.row([
            row.id.to_string(),
            row.company.clone().unwrap_or_default(),
            row.routing.clone(),
            time(row.last_seen_at),
            row.times.to_string(),
            row.body_bytes.to_string(),
            replayed(row),
            briefly(&row.problems),
        ]);
    }
    table
}

fn replayed(row: &RejectedRow) -> String {
    match (row.replayed_as, row.replayed_at) {
        (Some(request), _) => request.to_string(),
        (None, Some(at)) => time(at),
        (None, None) => String::new(),
    }
}

/// The first problem, and how many more there are.
fn briefly(problems: &[Problem]) -> String {
    match problems {
        [] => String::new(),
        [only] => sentence(only),
        [first, more @ ..] => format!("{} (and {} more)", sentence(first), more.len()),
    }
}

fn sentence(problem: &Problem) -> String {
    match problem.path.as_str() {
        "" => format!("{}: {}", problem.code, problem.message),
        path => format!("{path}: {}: {}", problem.code, problem.message),
    }
}

fn show(job: &RejectedJob, json: bool, body: bool) -> anyhow::Result<()> {
    let absent = "its body was too large to keep; only its length and hash are known";
    if json {
        let text = job.body.as_ref().filter(|_| body).map(|body| String::from_utf8_lossy(body).into_owned());
        let sha256 = hex::encode(&job.body_sha256);
        let key = job.message_key.as_deref();
        return output::json(&RejectedJobOutput {
            row: &job.row,
            message_key: key,
            body_sha256: sha256,
            body: text,
        });
    }
    match (&job.body, body) {
        (Some(body), true) if std::io::IsTerminal::is_terminal(&std::io::stdout()) => {
            let lines: Vec<String> = String::from_utf8_lossy(body).lines().map(output::clean).collect();
            output::put(&format!("{}\n", lines.join("\n")))
        }
        (Some(body), true) => output::put_bytes(body),
        (None, true) => bail!(absent),
        (_, false) => output::put(&facts(job, postrider_clock::wall())),
    }
}

fn facts(job: &RejectedJob, now: DateTime<Utc>) -> String {
    let row = &job.row;
    let mut text = fields(&[
        ("Rejected", row.id.to_string()),
        ("Company", row.company.clone().unwrap_or_default()),
        ("Routing", row.routing.clone()),
        ("Through", row.source.clone()),
        ("Message key", job.message_key.clone().unwrap_or_default()),
        ("First seen", moment(row.received_at, now)),
        ("Last seen", moment(row.last_seen_at, now)),
        ("Times", row.times.to_string()),
        ("Bytes", row.body_bytes.to_string()),
        ("SHA-256", hex::encode(&job.body_sha256)),
        ("Replayed", row.replayed_at.map(|at| moment(at, now)).unwrap_or_default()),
        ("Replayed as", row.replayed_as.map(|request| request.to_string()).unwrap_or_default()),
    ]);
    let mut problems = Table::new(["Field", "Problem", "What to do"]);
    for problem in &row.problems {
        problems.row([problem.path.clone(), problem.code.clone(), problem.message.clone()]);
    }
    text.push('\n');
    text.push_str(&problems.render(output::colour()));
    text
}

async fn replay(
    config: &Config,
    ledger: &Ledger,
    job: &RejectedJob,
    arrival: InboundJob,
    corrected: bool,
) -> anyhow::Result<()> {
    let acceptor = Acceptor {
        ledger: ledger.clone(),
        company_cache: CompanyCache::load(ledger.clone()).await?,
        keys: worker::keys(config)?,
        fast_path: FastPath { lanes: None, worker: postrider_clock::random_id(), lease: config.lease() },
        trust_routing_key: config.amqp.trust_routing_key,
        isolation_gate: IsolationGate::default(),
    };
    let actor = Actor::at_the_command_line();
    match replay::replay(&acceptor, job, arrival, corrected, &actor).await? {
        Replayed::Answered(answer) => output::put(&told(answer)?),
        Replayed::ResponseOutcome(requests) if requests.is_empty() => {
            output::put("taken; it waits for its request\n")
        }
        Replayed::ResponseOutcome(requests) => {
            output::put(&format!("taken; it completes {} requests\n", requests.len()))
        }
        Replayed::Refused(problems) => still_rejected(&problems),
        Replayed::UnderWay => bail!("somebody else replays it just now, or has; look at it again"),
    }
}

/// The job as its operator hands it in; what is missing is told by its option.
fn arrival(
    job: &RejectedJob,
    corrected: Option<Vec<u8>>,
    company: Option<String>,
) -> anyhow::Result<InboundJob> {
    replay::arrival(job, corrected, company).map_err(|why| match why {
        NotReplayable::Done(request) => anyhow::anyhow!("it was replayed before, as request {request}"),
        NotReplayable::NoCompany => anyhow::anyhow!(
            "its routing key {:?} names no company; say whose job it is with --company",
            job.row.routing
        ),
        NotReplayable::NoBody => {
            anyhow::anyhow!("its body was too large to keep; hand in a smaller one with --body")
        }
    })
}

/// A job whose company is known is never handed in for another one.
fn of_its_company(job: &RejectedJob, named: Option<&str>) -> anyhow::Result<()> {
    match (named, job.row.company.as_deref()) {
        (Some(named), Some(known)) if named != known => {
            bail!("it is a job of {known}, not of {named}; leave --company out")
        }
        _ => Ok(()),
    }
}

fn still_rejected(problems: &[Problem]) -> anyhow::Result<()> {
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("  {}", output::clean(&sentence(problem)))).collect();
    bail!("still rejected:\n{}", lines.join("\n"))
}

fn told(answer: AcceptOutcome) -> anyhow::Result<String> {
    let status = |state: State| state.status().as_str();
    // The id of a refusal seen before is not this one's, so it is not told.
    match answer {
        AcceptOutcome::Accepted { id, state, .. } => {
            Ok(format!("accepted as request {id}: {}\n", status(state)))
        }
        AcceptOutcome::Duplicate { id, state, .. } => {
            Ok(format!("it was accepted before, as request {id}: {}\n", status(state)))
        }
        AcceptOutcome::Rejected { problems, .. } => {
            still_rejected(&problems)?;
            Ok(String::new())
        }
    }
}

#[cfg(test)]
#[path = "rejected_tests.rs"]
mod tests;
