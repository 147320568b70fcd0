//! `postrider publish`: publishes jobs, or responses of customers, to the broker as a producer does.
//!
//! For trying out a configuration, for a backlog in a file, and for the demo. The command does not validate the jobs:
//! rejected ones appear in `postrider rejected list`. It prints the message ids that the broker confirmed.

use std::path::PathBuf;

use anyhow::{bail, ensure};

use crate::{
    amqp::{
        publisher::{OutgoingJob, PublishOutcome, PublishReport, Publisher},
        session,
        topology::{REQUESTS, RESPONSES, Topology},
    },
    cli::{input, output},
    config::Config,
};

const SLUG_BYTES_MAX: usize = 63;
const PROBLEMS_SHOWN: usize = 10;

/// Publish jobs, or responses of customers, to the broker.
#[derive(Debug, clap::Args)]
pub struct Publish {
    /// The company's slug.
    #[arg(long, value_name = "SLUG")]
    company: String,
    /// Message id, which is also the idempotency key; random by default.
    #[arg(long, value_name = "ID", conflicts_with = "lines")]
    message_id: Option<String>,
    /// Number of copies, each with its own message id, or all with the given one.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// Publish each line of the file as one job or response.
    #[arg(long)]
    lines: bool,
    /// Publish responses of customers instead of jobs.
    #[arg(long)]
    responses: bool,
    /// Broker user to name as the publisher; the broker accepts only the user of the connection.
    #[arg(long, value_name = "USER")]
    user_id: Option<String>,
    /// File with the job or the response in JSON, or `-` for standard input.
    file: PathBuf,
}

impl Publish {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let (prefix, noun) = if self.responses { (RESPONSES, "responses") } else { (REQUESTS, "jobs") };
        let routing = routing_key(prefix, &self.company)?;
        let bodies = bodies(input::read_file(&self.file)?, self.lines)?;
        let jobs = (0..self.count).flat_map(|_| &bodies).map(|body| OutgoingJob {
            message_id: self.message_id.clone().unwrap_or_else(|| postrider_clock::random_id().to_string()),
            user_id: self.user_id.clone(),
            body: body.clone(),
        });
        let wanted = u64::from(self.count) * bodies.len() as u64;
        let connection = session::connect(&config.amqp, "postrider-publish").await?;
        let published = async {
            let producer = Publisher::open(&connection, Topology::new(&config.amqp.name).exchange()).await?;
            anyhow::Ok(producer.publish(&routing, jobs).await)
        };
        let published = published.await;
        session::close(&connection).await;
        let published = published?;
        output::put(&confirmed(&published))?;
        check_published(published, wanted, noun)
    }
}

fn routing_key(prefix: &str, slug: &str) -> anyhow::Result<String> {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        (1..=SLUG_BYTES_MAX).contains(&slug.len()) && slug.bytes().all(letters),
        "{slug:?} is not a slug; give 1 to {SLUG_BYTES_MAX} of the characters a-z, 0-9 and -"
    );
    Ok(format!("{prefix}{slug}"))
}

/// The jobs or responses of an input, without blank lines.
fn bodies(input: Vec<u8>, lines: bool) -> anyhow::Result<Vec<Vec<u8>>> {
    let bodies: Vec<Vec<u8>> = match lines {
        true => input.split(|byte| *byte == b'\n').map(|line| line.trim_ascii().to_vec()).collect(),
        false => vec![input],
    };
    let bodies: Vec<Vec<u8>> = bodies.into_iter().filter(|body| !body.trim_ascii().is_empty()).collect();
    ensure!(!bodies.is_empty(), "the input is empty; give a job or a response in JSON");
    Ok(bodies)
}

fn confirmed(published: &PublishReport) -> String {
    let ids = published.outcomes.iter().filter(|(_, outcome)| *outcome == PublishOutcome::Confirmed);
    ids.map(|(message_id, _)| format!("{}\n", output::clean(message_id))).collect()
}

/// An error with the bodies that the broker did not confirm, if any.
fn check_published(published: PublishReport, wanted: u64, noun: &str) -> anyhow::Result<()> {
    let failed: Vec<_> =
        published.outcomes.iter().filter(|(_, outcome)| *outcome != PublishOutcome::Confirmed).collect();
    for (message_id, outcome) in failed.iter().take(PROBLEMS_SHOWN) {
        eprintln!("{}: {}", output::clean(message_id), outcome.as_str());
    }
    if failed.len() > PROBLEMS_SHOWN {
        eprintln!("and {} more", failed.len() - PROBLEMS_SHOWN);
    }
    let good = published.outcomes.len() - failed.len();
    let summary = format!("the broker confirmed {good} of {wanted} {noun}");
    match published.broken {
        Some(error) => Err(error.context(summary)),
        None if failed.is_empty() => Ok(()),
        None => bail!(summary),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_slug_becomes_a_routing_key() {
        assert_eq!(routing_key(REQUESTS, "acme-2").expect("a slug"), "requests.acme-2");
        assert_eq!(routing_key(RESPONSES, "acme-2").expect("a slug"), "responses.acme-2");
        for wrong in ["", "Acme", "a.b", "#", &"a".repeat(64)] {
            assert!(routing_key(REQUESTS, wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn one_file_is_one_job_unless_it_is_read_by_lines() {
        let input = b"{\n \"a\": 1 }\n".to_vec();
        assert_eq!(bodies(input.clone(), false).expect("one"), [input]);
        let lines = bodies(b"{\"a\":1}\r\n\n  {\"a\":2}".to_vec(), true).expect("two");
        assert_eq!(lines, [b"{\"a\":1}".to_vec(), b"{\"a\":2}".to_vec()]);
        assert!(bodies(b" \n".to_vec(), true).is_err() && bodies(Vec::new(), false).is_err());
    }

    #[test]
    fn what_the_broker_does_not_have_makes_the_command_fail() {
        let outcomes = |fate| vec![("m-1".to_owned(), PublishOutcome::Confirmed), ("m-2".to_owned(), fate)];
        let published = |fate| PublishReport { outcomes: outcomes(fate), broken: None };
        assert_eq!(confirmed(&published(PublishOutcome::Unroutable)), "m-1\n");
        assert!(check_published(published(PublishOutcome::Confirmed), 2, "jobs").is_ok());
        for fate in [PublishOutcome::Refused, PublishOutcome::Unroutable, PublishOutcome::Unconfirmed] {
            let error = check_published(published(fate), 2, "jobs").expect_err("one is missing");
            assert_eq!(error.to_string(), "the broker confirmed 1 of 2 jobs");
        }
        let broken = PublishReport { outcomes: Vec::new(), broken: Some(anyhow::anyhow!("gone")) };
        assert_eq!(
            format!("{:#}", check_published(broken, 9, "responses").expect_err("none")),
            "the broker confirmed 0 of 9 responses: gone"
        );
    }
}
