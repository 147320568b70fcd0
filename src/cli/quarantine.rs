//! `postrider quarantine`: lists messages that crashed their workers, and replays one.
//!
//! A replay is a resume: the rules are evaluated again, and the message goes back as a poison suspect, so that one more
//! crash quarantines it again. Jobs that were quarantined before they became requests are stored with the rejected
//! ones; here they are only counted.

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    cli::output::{self, Table, fields, moment, time},
    config::Config,
};
use postrider_domain::{
    ids::{Medium, MessageId},
    lifecycle::{State, Status},
};
use postrider_ledger::{Ledger, quarantine::Quarantined};

use crate::cli::{lookup, requests::resume};

/// List quarantined messages, which crashed their workers, and replay one.
#[derive(Debug, clap::Subcommand)]
pub enum Quarantine {
    /// List quarantined messages, newest first.
    List {
        /// Only messages of the company with this slug.
        #[arg(long, value_name = "SLUG")]
        company: Option<String>,
        /// Most messages to list.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one message that is or was quarantined.
    Show {
        /// The message's id.
        id: Uuid,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Release a quarantined message if the rules still allow it; it is tried alone.
    Replay {
        /// The message's id.
        id: Uuid,
    },
}

impl Quarantine {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = lookup::ledger(&config).await?;
        match self {
            Quarantine::List { company, limit, json } => list(&ledger, company, limit, json).await,
            Quarantine::Show { id, json } => {
                let held = find(&ledger, id).await?;
                if json { output::json(&QuarantinedView::from(held)) } else { output::put(&facts(&held)) }
            }
            Quarantine::Replay { id } => {
                let held = find(&ledger, id).await?;
                if let Some(message) = not_held(&held) {
                    bail!("{message}");
                }
                resume(&config, &ledger, held.request).await
            }
        }
    }
}

/// A quarantined message as programs read it.
#[derive(Debug, Serialize)]
struct QuarantinedView {
    message_id: Uuid,
    request_id: Uuid,
    company: String,
    account: Option<String>,
    medium: Option<Medium>,
    quarantined_at: DateTime<Utc>,
    deaths: i32,
    attempts: i16,
    workers: Vec<Uuid>,
    released_at: Option<DateTime<Utc>>,
    status: Status,
    expires_at: DateTime<Utc>,
}

/// All quarantined messages.
#[derive(Debug, Serialize)]
struct QuarantineList {
    messages: Vec<QuarantinedView>,
    /// Number of quarantined jobs in `postrider rejected list`, without replayed ones.
    jobs: i64,
}

impl From<Quarantined> for QuarantinedView {
    fn from(held: Quarantined) -> QuarantinedView {
        QuarantinedView {
            message_id: held.message.0,
            request_id: held.request,
            company: held.company,
            account: held.account,
            medium: held.medium,
            quarantined_at: held.at,
            deaths: held.crashes,
            attempts: held.attempts,
            workers: held.workers,
            released_at: held.released_at,
            status: held.state.status(),
            expires_at: held.expires_at,
        }
    }
}

async fn list(ledger: &Ledger, company: Option<String>, limit: i64, json: bool) -> anyhow::Result<()> {
    let company = lookup::optional_company_id(ledger, company.as_deref()).await?;
    let messages = ledger.quarantined_messages(company, limit).await?;
    let jobs = ledger.quarantined_job_count(company).await?;
    if json {
        return output::json(&QuarantineList {
            messages: messages.into_iter().map(QuarantinedView::from).collect(),
            jobs,
        });
    }
    if messages.is_empty() {
        eprintln!("no message is quarantined");
    } else {
        table(&messages).print()?;
    }
    if messages.len() as i64 == limit {
        eprintln!("there may be more; raise --limit");
    }
    if jobs > 0 {
        eprintln!("{}", quarantined_jobs_hint(jobs));
    }
    Ok(())
}

fn quarantined_jobs_hint(jobs: i64) -> String {
    let jobs = if jobs == 1 { "1 job is".to_owned() } else { format!("{jobs} jobs are") };
    format!(
        "{jobs} quarantined, too; `postrider rejected list` shows them, `postrider rejected replay` submits one again"
    )
}

async fn find(ledger: &Ledger, id: Uuid) -> anyhow::Result<Quarantined> {
    let held = ledger.quarantined_message(MessageId(id)).await?;
    held.with_context(|| {
        format!(
            "no message with the id {id} was ever quarantined; `postrider quarantine list` shows the messages, \
             `postrider rejected list` the jobs"
        )
    })
}

fn table(held: &[Quarantined]) -> Table<8> {
    let mut table = Table::new([
        "Message",
        "Company",
        "Medium",
        "Account",
        "Quarantined",
        "Crashes",
        "Attempts",
        "Expires",
    ]);
    for one in held {
        table.row([
            one.message.0.to_string(),
            one.company.clone(),
            one.medium.map(Medium::as_str).unwrap_or_default().to_owned(),
            one.account.clone().unwrap_or_default(),
            time(one.at),
            one.crashes.to_string(),
            one.attempts.to_string(),
            time(one.expires_at),
        ]);
    }
    table
}

fn facts(held: &Quarantined) -> String {
    let workers: Vec<String> = held.workers.iter().map(Uuid::to_string).collect();
    let next = not_held(held).unwrap_or_else(|| {
        "find the cause in the logs of the last workers; then replay the message, or cancel its request"
            .to_owned()
    });
    fields(&[
        ("Message", held.message.0.to_string()),
        ("Request", held.request.to_string()),
        ("Company", held.company.clone()),
        ("Medium", held.medium.map(Medium::as_str).unwrap_or_default().to_owned()),
        ("Account", held.account.clone().unwrap_or_default()),
        ("Status", held.state.status().as_str().to_owned()),
        ("Quarantined", moment(held.at, held.now)),
        ("Crashes", held.crashes.to_string()),
        ("Last workers", workers.join(", ")),
        ("Attempts", held.attempts.to_string()),
        ("Released", held.released_at.map(|at| moment(at, held.now)).unwrap_or_default()),
        ("Expires", moment(held.expires_at, held.now)),
        ("Next", next),
    ])
}

/// The reason why there is nothing to replay; `None` if the message is held.
fn not_held(held: &Quarantined) -> Option<String> {
    if let Some(at) = held.released_at {
        return Some(format!("the message is not quarantined any more: it was replayed at {}", time(at)));
    }
    let has_ended = held.state != State::Waiting;
    has_ended
        .then(|| format!("the message is not quarantined any more: it is {}", held.state.status().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Quarantined {
        let at = |secs| DateTime::from_timestamp(secs, 0).expect("within range");
        Quarantined {
            message: MessageId(Uuid::from_u128(7)),
            request: Uuid::from_u128(7),
            company: "acme".into(),
            account: Some("acme-mail".into()),
            medium: Some(Medium::Email),
            at: at(60),
            crashes: 3,
            attempts: 0,
            workers: vec![Uuid::from_u128(9)],
            released_at: None,
            state: State::Waiting,
            expires_at: at(259_200),
            now: at(120),
        }
    }

    #[test]
    fn the_list_counts_the_crashes() {
        insta::assert_snapshot!(table(&[held()]).render(false), @r#"
        Message                               Company  Medium  Account    Quarantined           Crashes  Attempts  Expires
        00000000-0000-0000-0000-000000000007  acme     email   acme-mail  1970-01-01T00:01:00Z        3         0  1970-01-04T00:00:00Z
        "#);
    }

    #[test]
    fn show_names_the_workers_and_the_next_step() {
        insta::assert_snapshot!(facts(&held()), @r#"
        Message       00000000-0000-0000-0000-000000000007
        Request       00000000-0000-0000-0000-000000000007
        Company       acme
        Medium        email
        Account       acme-mail
        Status        queued
        Quarantined   1970-01-01T00:01:00Z (1 min ago)
        Crashes       3
        Last workers  00000000-0000-0000-0000-000000000009
        Attempts      0
        Expires       1970-01-04T00:00:00Z (in 2 d)
        Next          find the cause in the logs of the last workers; then replay the message, or cancel its request
        "#);
    }

    #[test]
    fn a_released_message_says_why_it_is_not_held() {
        let replayed = Quarantined { released_at: Some(held().now), ..held() };
        assert_eq!(
            not_held(&replayed).as_deref(),
            Some("the message is not quarantined any more: it was replayed at 1970-01-01T00:02:00Z")
        );
        let canceled = Quarantined { state: State::Canceled, ..held() };
        assert_eq!(
            not_held(&canceled).as_deref(),
            Some("the message is not quarantined any more: it is canceled")
        );
        assert_eq!(not_held(&held()), None);
    }

    #[test]
    fn quarantined_jobs_are_counted_with_the_command_that_shows_them() {
        assert!(quarantined_jobs_hint(1).starts_with("1 job is quarantined, too; `postrider rejected list`"));
        assert!(quarantined_jobs_hint(2).starts_with("2 jobs are quarantined"));
    }
}
