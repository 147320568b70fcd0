//! `postrider parked`: lists the dead letters of the broker and replays them.
//!
//! Arguments and output only: `amqp::dead_letters` does the work. A listing changes nothing but the broker's count of
//! deliveries.

use anyhow::bail;

use crate::{
    amqp::{
        dead_letters::{self, DeadLetter, Replay, ReplayQuery, ReplayReport},
        publisher::PublishOutcome,
        session,
        topology::Topology,
    },
    cli::output::{self, Table, time},
    config::{Amqp, Config},
};

/// Deliveries after which a listing warns: a queue with a delivery limit drops the letter at the limit.
const DELIVERIES_WARNED: i64 = 10;

/// List dead letters of the broker and replay them.
#[derive(Debug, clap::Subcommand)]
pub enum DeadLetters {
    /// List dead letters, oldest first, and leave them in their queue.
    List {
        /// Most letters to list.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
        limit: u16,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Publish dead letters again, oldest first; a repeated replay makes no second request.
    Replay {
        /// Most letters to replay.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "id")]
        limit: u16,
        /// Replay only the letter with this message id.
        #[arg(long, value_name = "MESSAGE_ID")]
        id: Option<String>,
    },
}

impl DeadLetters {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        match self {
            DeadLetters::List { limit, json } => list(&config.amqp, usize::from(limit), json).await,
            DeadLetters::Replay { limit, id } => replay(&config.amqp, usize::from(limit), id).await,
        }
    }
}

async fn list(amqp: &Amqp, max: usize, json: bool) -> anyhow::Result<()> {
    let connection = session::connect(amqp, "postrider-parked").await?;
    let listed = dead_letters::list(&connection, &Topology::new(&amqp.name), max).await;
    session::close(&connection).await;
    let (letters, more) = listed?;
    if letters.iter().any(|letter| letter.deliveries >= DELIVERIES_WARNED) {
        eprintln!(
            "some letters were delivered {DELIVERIES_WARNED} times or more; a queue with a delivery limit drops them at the limit"
        );
    }
    if json {
        return output::json(&letters);
    }
    table(&letters).print()?;
    if more > 0 {
        eprintln!("{more} more letters; raise --limit");
    }
    Ok(())
}

async fn replay(amqp: &Amqp, max: usize, id: Option<String>) -> anyhow::Result<()> {
    let connection = session::connect(amqp, "postrider-parked").await?;
    let max = if id.is_some() { usize::MAX } else { max };
    let query = ReplayQuery { max, message_id: id, broker_user: dead_letters::broker_user(&amqp.url) };
    let replayed = dead_letters::replay(&connection, &Topology::new(&amqp.name), &query).await;
    session::close(&connection).await;
    let ReplayReport { replays, broken } = replayed?;
    output::put(&replay_lines(&replays))?;
    if replays.iter().any(|replay| replay.user_dropped) {
        eprintln!(
            "some letters were published without their user-id, which only that broker user may set; if the bindings of \
             a company reject them, see `postrider rejected list`"
        );
    }
    if let Some(error) = broken {
        return Err(error.context("the remaining letters stay in the queue"));
    }
    match (replays.last(), &query.message_id) {
        (Some(last), _) if last.outcome != PublishOutcome::Confirmed => {
            bail!("the last letter stays in the queue: {}", last.outcome.as_str())
        }
        (Some(_), _) => Ok(()),
        (None, Some(id)) => {
            bail!("no dead letter has the message id {id:?}; `postrider parked list` shows them")
        }
        (None, None) => {
            eprintln!("there are no dead letters");
            Ok(())
        }
    }
}

fn table(letters: &[DeadLetter]) -> Table<7> {
    let mut table =
        Table::new(["Message id", "Routing key", "Bytes", "Reason", "Deaths", "Deliveries", "Died at"]);
    for letter in letters {
        table.row([
            letter.message_id.clone().unwrap_or_default(),
            letter.routing_key.clone(),
            letter.body_bytes.to_string(),
            letter.reason.clone().unwrap_or_default(),
            letter.deaths.map(|deaths| deaths.to_string()).unwrap_or_default(),
            letter.deliveries.to_string(),
            letter.died_at.map(time).unwrap_or_default(),
        ]);
    }
    table
}

fn replay_lines(replayed: &[Replay]) -> String {
    let line = |replay: &Replay| {
        let id = replay.letter.message_id.as_deref().unwrap_or("(no message id)");
        let word = if replay.outcome == PublishOutcome::Confirmed { "replayed" } else { "not replayed" };
        format!("{word} {} to {}\n", output::clean(id), output::clean(&replay.letter.routing_key))
    };
    replayed.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(message_id: Option<&str>) -> DeadLetter {
        DeadLetter {
            message_id: message_id.map(str::to_owned),
            routing_key: "requests.acme".into(),
            body_bytes: 512,
            reason: Some("delivery_limit".into()),
            deaths: Some(1),
            died_at: chrono::DateTime::from_timestamp(0, 0),
            deliveries: 3,
        }
    }

    #[test]
    fn the_table_shows_the_reason_of_each_dead_letter() {
        assert_eq!(
            table(&[letter(Some("m-1")), letter(None)]).render(false),
            "Message id  Routing key    Bytes  Reason          Deaths  Deliveries  Died at\n\
             m-1         requests.acme    512  delivery_limit       1           3  1970-01-01T00:00:00Z\n\
             -           requests.acme    512  delivery_limit       1           3  1970-01-01T00:00:00Z\n"
        );
    }

    #[test]
    fn a_replay_prints_each_letter_with_its_result() {
        let replay = |outcome| Replay { letter: letter(Some("m-1")), outcome, user_dropped: false };
        assert_eq!(
            replay_lines(&[replay(PublishOutcome::Confirmed), replay(PublishOutcome::Refused)]),
            "replayed m-1 to requests.acme\nnot replayed m-1 to requests.acme\n"
        );
    }
}
