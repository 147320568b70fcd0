//! `postrider publish`: hands jobs, or customers' responses, to the broker as an upstream system would.
//!
//! For trying out, for a backlog in a file, and for the demo. Nothing is looked at here: what is wrong
//! with it is intake's to say, in `postrider rejected list`. Prints the message ids that the broker has.

use std::{io::Read, path::PathBuf};

use anyhow::{Context, bail, ensure};

use crate::{
    amqp::{
        publisher::{OutgoingJob, PublishOutcome, PublishReport, Publisher},
        session,
        topology::{REQUESTS, RESPONSES, Topology},
    },
    cli::output,
    config::Config,
};

const INPUT_BYTES_MAX: u64 = 256 * 1024 * 1024;
const SLUG_BYTES_MAX: usize = 63;
const PROBLEMS_SHOWN: usize = 10;

/// Publish a job, or a customer's response, to the broker.
#[derive(Debug, clap::Args)]
pub struct Publish {
    /// The company whose it is.
    #[arg(long, value_name = "SLUG")]
    company: String,
    /// Message id, and with it the idempotency key; random where none is given.
    #[arg(long, value_name = "ID", conflicts_with = "lines")]
    message_id: Option<String>,
    /// How often to publish it: each with an id of its own, or all with the one given.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// One job, or response, on each line.
    #[arg(long)]
    lines: bool,
    /// What customers answered, instead of jobs.
    #[arg(long)]
    responses: bool,
    /// Broker user to name as the publisher; the broker lets only that user do so.
    #[arg(long, value_name = "USER")]
    user_id: Option<String>,
    /// File with the job or the response (JSON), or `-` for standard input.
    file: PathBuf,
}

impl Publish {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let (keys, what) = if self.responses { (RESPONSES, "responses") } else { (REQUESTS, "jobs") };
        let routing = routing_key(keys, &self.company)?;
        let bodies = bodies(read(&self.file)?, self.lines)?;
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
        complaint(published, wanted, what)
    }
}

fn routing_key(keys: &str, slug: &str) -> anyhow::Result<String> {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        (1..=SLUG_BYTES_MAX).contains(&slug.len()) && slug.bytes().all(letters),
        "{slug:?} is no company's slug; slugs are 1 to {SLUG_BYTES_MAX} of a-z, 0-9 and -"
    );
    Ok(format!("{keys}{slug}"))
}

/// A file, or standard input.
pub(super) fn read(file: &PathBuf) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut take =
        |source: &mut dyn Read| source.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes).map(|_| ());
    if file.as_os_str() == "-" {
        take(&mut std::io::stdin().lock()).context("read standard input")?;
    } else {
        let mut opened = std::fs::File::open(file).with_context(|| format!("open {}", file.display()))?;
        take(&mut opened).with_context(|| format!("read {}", file.display()))?;
    }
    ensure!(
        bytes.len() as u64 <= INPUT_BYTES_MAX,
        "the input is larger than {INPUT_BYTES_MAX} bytes; split it"
    );
    Ok(bytes)
}

/// What an input holds; blank lines are none.
fn bodies(input: Vec<u8>, lines: bool) -> anyhow::Result<Vec<Vec<u8>>> {
    let bodies: Vec<Vec<u8>> = match lines {
        true => input.split(|byte| *byte == b'\n').map(|line| line.trim_ascii().to_vec()).collect(),
        false => vec![input],
    };
    let bodies: Vec<Vec<u8>> = bodies.into_iter().filter(|body| !body.trim_ascii().is_empty()).collect();
    ensure!(!bodies.is_empty(), "the input is empty; it should be a job, or a response, in JSON");
    Ok(bodies)
}

fn confirmed(published: &PublishReport) -> String {
    let ids = published.outcomes.iter().filter(|(_, outcome)| *outcome == PublishOutcome::Confirmed);
    ids.map(|(message_id, _)| format!("{}\n", output::clean(message_id))).collect()
}

/// An error that tells which of them the broker does not have, if any.
fn complaint(published: PublishReport, wanted: u64, what: &str) -> anyhow::Result<()> {
    let failed: Vec<_> =
        published.outcomes.iter().filter(|(_, outcome)| *outcome != PublishOutcome::Confirmed).collect();
    for (message_id, outcome) in failed.iter().take(PROBLEMS_SHOWN) {
        eprintln!("{}: {}", output::clean(message_id), outcome.as_str());
    }
    if failed.len() > PROBLEMS_SHOWN {
        eprintln!("and {} more", failed.len() - PROBLEMS_SHOWN);
    }
    let good = published.outcomes.len() - failed.len();
    let told = format!("the broker has {good} of {wanted} {what}");
    match published.broken {
        Some(error) => Err(error.context(told)),
        None if failed.is_empty() => Ok(()),
        None => bail!(told),
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
        assert!(complaint(published(PublishOutcome::Confirmed), 2, "jobs").is_ok());
        for fate in [PublishOutcome::Refused, PublishOutcome::Unroutable, PublishOutcome::Unconfirmed] {
            let error = complaint(published(fate), 2, "jobs").expect_err("one is missing");
            assert_eq!(error.to_string(), "the broker has 1 of 2 jobs");
        }
        let broken = PublishReport { outcomes: Vec::new(), broken: Some(anyhow::anyhow!("gone")) };
        assert_eq!(
            format!("{:#}", complaint(broken, 9, "responses").expect_err("none")),
            "the broker has 0 of 9 responses: gone"
        );
    }
}
