//! `postrider rejected`: lists rejected jobs with their problems, and submits one again.
//!
//! A replay follows the path of a delivery, with the operator as its entry point: same rules, same idempotency key, so
//! that a job that was accepted meanwhile is not sent twice. A body is personal data and printed only on demand.

use std::path::PathBuf;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    cli::{
        input, lookup,
        output::{self, Table, fields, moment, time},
    },
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
use postrider_domain::document::Problem;
use postrider_ledger::{
    Ledger,
    audit::Actor,
    rejected::{RejectedJob, RejectedRow},
};

/// List rejected jobs and replay one.
#[derive(Debug, clap::Subcommand)]
pub enum Rejected {
    /// List rejected jobs, newest first.
    List {
        /// Only jobs of the company with this slug.
        #[arg(long, value_name = "SLUG")]
        company: Option<String>,
        /// Include jobs that were replayed.
        #[arg(long)]
        all: bool,
        /// Most jobs to list.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one rejected job with all its problems.
    Show {
        /// The id of the rejected job.
        id: Uuid,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Print the unchanged body of the job, alone or within the JSON.
        #[arg(long)]
        body: bool,
    },
    /// Submit a rejected job again.
    Replay {
        /// The id of the rejected job.
        id: Uuid,
        /// File with a corrected body, or `-` for standard input.
        #[arg(long, value_name = "FILE")]
        body: Option<PathBuf>,
        /// Slug of the company of the job, if its routing key names none.
        #[arg(long, value_name = "SLUG")]
        company: Option<String>,
    },
}

impl Rejected {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = lookup::ledger(&config).await?;
        match self {
            Rejected::List { company, all, limit, json } => {
                let company = lookup::optional_company_id(&ledger, company.as_deref()).await?;
                let rows = ledger.rejected_jobs(company, all, limit).await?;
                if json { output::json(&rows) } else { table(&rows).print() }
            }
            Rejected::Show { id, json, body } => show(&find(&ledger, id).await?, json, body),
            Rejected::Replay { id, body, company } => {
                let job = find(&ledger, id).await?;
                check_company(&job, company.as_deref())?;
                let corrected = body.as_deref().map(input::read_file).transpose()?;
                let is_corrected = corrected.is_some();
                let inbound = inbound_job(&job, corrected, company)?;
                replay(&config, &ledger, &job, inbound, is_corrected).await
            }
        }
    }
}

/// A rejected job as programs read it.
#[derive(Debug, Serialize)]
struct RejectedJobOutput<'a> {
    #[serde(flatten)]
    row: &'a RejectedRow,
    message_key: Option<&'a str>,
    body_sha256: String,
    /// Present with `--body`; bytes that are not UTF-8 are replaced.
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
            first_problem(&row.problems),
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

/// The first problem, and the number of further ones.
fn first_problem(problems: &[Problem]) -> String {
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
    if json {
        let body = job.body.as_ref().filter(|_| body).map(|body| String::from_utf8_lossy(body).into_owned());
        let (message_key, body_sha256) = (job.message_key.as_deref(), hex::encode(&job.body_sha256));
        return output::json(&RejectedJobOutput { row: &job.row, message_key, body_sha256, body });
    }
    match (&job.body, body) {
        (Some(body), true) if std::io::IsTerminal::is_terminal(&std::io::stdout()) => {
            let lines: Vec<String> = String::from_utf8_lossy(body).lines().map(output::clean).collect();
            output::put(&format!("{}\n", lines.join("\n")))
        }
        (Some(body), true) => output::put_bytes(body),
        (None, true) => {
            bail!("the body of the job was too large to store; only its length and hash are known")
        }
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
    let mut problems = Table::new(["Field", "Problem", "Remedy"]);
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
    inbound: InboundJob,
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
    match replay::replay(&acceptor, job, inbound, corrected, &Actor::at_the_command_line()).await? {
        Replayed::Answered(answer) => output::put(&accepted_line(answer)?),
        Replayed::ResponseOutcome(requests) if requests.is_empty() => {
            output::put("accepted; the response waits for its request\n")
        }
        Replayed::ResponseOutcome(requests) => {
            output::put(&format!("accepted; the response completes {} requests\n", requests.len()))
        }
        Replayed::Refused(problems) => Err(still_rejected(&problems)),
        Replayed::UnderWay => {
            bail!("the job is being replayed, or was; `postrider rejected show` gives the result")
        }
    }
}

/// The job as the operator submits it; the error names the option that is missing.
fn inbound_job(
    job: &RejectedJob,
    corrected: Option<Vec<u8>>,
    company: Option<String>,
) -> anyhow::Result<InboundJob> {
    replay::inbound_job(job, corrected, company).map_err(|error| match error {
        NotReplayable::Done(request) => anyhow::anyhow!("the job was replayed before, as request {request}"),
        NotReplayable::NoCompany => anyhow::anyhow!(
            "the routing key {:?} names no company; give the slug with --company",
            job.row.routing
        ),
        NotReplayable::NoBody => {
            anyhow::anyhow!("the body of the job was too large to store; give a smaller one with --body")
        }
    })
}

/// Refuses to submit the job of a known company for another one.
fn check_company(job: &RejectedJob, named: Option<&str>) -> anyhow::Result<()> {
    if let (Some(named), Some(known)) = (named, job.row.company.as_deref())
        && named != known
    {
        bail!("this is a job of {known}, not of {named}; leave --company out");
    }
    Ok(())
}

fn still_rejected(problems: &[Problem]) -> anyhow::Error {
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("  {}", output::clean(&sentence(problem)))).collect();
    anyhow::anyhow!("still rejected:\n{}", lines.join("\n"))
}

fn accepted_line(outcome: AcceptOutcome) -> anyhow::Result<String> {
    // The id of the new rejection is not printed: the job keeps its first one.
    match outcome {
        AcceptOutcome::Accepted { id, state, .. } => {
            Ok(format!("accepted as request {id}: {}\n", state.status().as_str()))
        }
        AcceptOutcome::Duplicate { id, state, .. } => {
            Ok(format!("accepted before, as request {id}: {}\n", state.status().as_str()))
        }
        AcceptOutcome::Rejected { problems, .. } => Err(still_rejected(&problems)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::inbound::EntryPoint;

    fn job(routing: &str) -> RejectedJob {
        let at = DateTime::UNIX_EPOCH;
        let row = RejectedRow {
            id: Uuid::from_u128(5),
            company: None,
            routing: routing.into(),
            source: "amqp".into(),
            received_at: at,
            last_seen_at: at,
            times: 2,
            body_bytes: 2,
            problems: vec![
                Problem::new("customer.email", "bad_email", "write it as local@domain"),
                Problem::new("", "unknown_company", "no company has that slug"),
            ],
            replayed_at: None,
            replayed_as: None,
            test: false,
        };
        RejectedJob {
            row,
            message_key: Some("m-1".into()),
            body: Some(b"{}".to_vec()),
            body_sha256: vec![0xab],
        }
    }

    #[test]
    fn a_replay_speaks_for_the_company_of_its_routing_key_under_the_same_key() {
        let inbound = inbound_job(&job("requests.acme"), None, None).expect("can be replayed");
        assert_eq!((inbound.company.as_deref(), inbound.key.as_deref()), (Some("acme"), Some("m-1")));
        assert_eq!(
            (inbound.entry_point, inbound.body.as_slice()),
            (EntryPoint::Operator { test: false }, b"{}".as_slice())
        );
    }

    #[test]
    fn the_operator_may_name_the_company_and_correct_the_body() {
        let inbound = inbound_job(&job("reqests.acme"), Some(b"{ }".to_vec()), Some("other".into()))
            .expect("replayable");
        assert_eq!((inbound.company.as_deref(), inbound.body.as_slice()), (Some("other"), b"{ }".as_slice()));
    }

    #[test]
    fn no_job_is_submitted_for_another_company_than_its_own() {
        let mut of_acme = job("requests.acme");
        of_acme.row.company = Some("acme".into());
        let error = check_company(&of_acme, Some("other")).expect_err("it is acme's");
        assert!(error.to_string().contains("a job of acme"), "{error}");
        check_company(&of_acme, Some("acme")).expect("it is acme's");
        check_company(&of_acme, None).expect("it is acme's");
        check_company(&job("reqests.acme"), Some("other")).expect("its company is unknown");
    }

    #[test]
    fn an_impossible_replay_names_the_missing_option() {
        let problem = |job: RejectedJob, company: Option<&str>| {
            inbound_job(&job, None, company.map(str::to_owned)).expect_err("cannot be replayed").to_string()
        };
        assert!(problem(job("requests.a.b"), None).contains("--company"));
        assert!(problem(RejectedJob { body: None, ..job("requests.acme") }, None).contains("--body"));
        let mut done = job("requests.acme");
        done.row.replayed_as = Some(Uuid::from_u128(9));
        assert!(problem(done, None).contains("00000000-0000-0000-0000-000000000009"));
    }

    #[test]
    fn the_list_shows_the_first_problem_and_counts_the_rest() {
        insta::assert_snapshot!(table(&[job("requests.acme").row]).render(false), @r#"
        Rejected                              Company  Routing        Last seen             Times  Bytes  Replayed as  Problems
        00000000-0000-0000-0000-000000000005  -        requests.acme  1970-01-01T00:00:00Z      2      2  -            customer.email: bad_email: write it as local@domain (and 1 more)
        "#);
    }

    #[test]
    fn show_names_every_problem_and_no_body() {
        insta::assert_snapshot!(facts(&job("requests.acme"), DateTime::UNIX_EPOCH), @r#"
        Rejected     00000000-0000-0000-0000-000000000005
        Routing      requests.acme
        Through      amqp
        Message key  m-1
        First seen   1970-01-01T00:00:00Z (now)
        Last seen    1970-01-01T00:00:00Z (now)
        Times        2
        Bytes        2
        SHA-256      ab

        Field           Problem          Remedy
        customer.email  bad_email        write it as local@domain
        -               unknown_company  no company has that slug
        "#);
    }

    #[test]
    fn a_job_still_rejected_lists_all_its_problems() {
        let problems = job("requests.acme").row.problems;
        let error = accepted_line(AcceptOutcome::Rejected { id: Uuid::from_u128(6), problems })
            .expect_err("is an error");
        insta::assert_snapshot!(error, @r#"
        still rejected:
          customer.email: bad_email: write it as local@domain
          unknown_company: no company has that slug
        "#);
    }
}
