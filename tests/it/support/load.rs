//! Jobs by number, each for a person of its own, and the invariants that hold for all of them in the end.
//!
//! The sum that every fault test checks: nothing lost, no customer asked twice, nothing stuck, and the requests
//! shown as sent are the messages that the provider has.

use std::{collections::HashMap, time::Duration};

use postrider_provider_simulator::{Behaviour, SimulatorConfig};

use super::{TestEnv, broker::Producer, env::Standing, job, wait};

/// Compressed further, for tests that wait until leases run out.
pub const SHORT_LEASES: &str = "dispatch.http_timeout_secs = 1.0\ndispatch.smtp_timeout_secs = 1.0\n\
    dispatch.connect_timeout_secs = 0.5\ndispatch.lease_margin_secs = 1.0\ndispatch.call_margin_secs = 0.2\n";

/// For tests in which no lease shall run out, however busy the machine.
pub const LONG_LEASES: &str = "dispatch.lease_margin_secs = 40.0\n";

/// The calls that one lane of the standard company has under way at most.
pub const SLOTS: usize = 64;

/// A provider with some latency, so that there is always something under way.
pub fn unhurried(millis: u64) -> SimulatorConfig {
    let behaviour =
        Behaviour { latency: (Duration::ZERO, Duration::from_millis(millis)), ..Behaviour::default() };
    SimulatorConfig { behaviour, ..SimulatorConfig::default() }
}

/// How many ended how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ends {
    /// Sent or delivered.
    pub sent: usize,
    /// Failed because the outcome of the call was never known.
    pub unknown: usize,
}

impl TestEnv {
    /// Publishes the jobs of these numbers, again and again until each is confirmed, whatever the broker
    /// does meanwhile: as a producer does that must not lose one.
    pub async fn publish_numbers(&self, from: usize, to: usize) {
        let jobs: Vec<(String, String)> = (from..to).map(job::message).collect();
        wait::until("the jobs are confirmed", || async {
            let Ok(producer) = Producer::try_connect(&self.amqp_url, &self.amqp_name).await else {
                return false;
            };
            producer.publish_all("requests.blanca", &jobs).await.is_ok()
        })
        .await;
    }

    /// Waits until the provider took so many.
    pub async fn taken(&self, count: usize) {
        wait::until_some_within(Duration::from_secs(60), &format!("{count} are taken"), || async {
            (self.simulator.accepted().len() >= count).then_some(())
        })
        .await;
    }

    /// Waits until `count` requests are there and settled; nothing is lost, no customer was asked twice,
    /// nothing is stuck, and the requests shown as sent are the messages that the provider has.
    pub async fn accounted_for(&self, count: usize) -> Ends {
        let settled = |one: &Standing| one.status != "queued";
        wait::until_some_within(Duration::from_secs(90), &format!("{count} are settled"), || async {
            let standings = self.standings().await;
            (standings.len() == count && standings.iter().all(settled)).then_some(())
        })
        .await;
        self.simulator.webhooks_settled().await;
        let standings = self.standings().await;
        let accepted = self.simulator.accepted();
        let mut asked: HashMap<&str, usize> = HashMap::new();
        for one in &accepted {
            *asked.entry(&one.recipient).or_default() += 1;
        }
        let twice: Vec<_> = asked.iter().filter(|(_, times)| **times > 1).map(|(to, _)| *to).collect();
        if let Some(one) = twice.first() {
            panic!("{} asked twice, such as {one}: {}", twice.len(), self.story_of(one).await);
        }
        let unknown =
            |one: &&Standing| one.status == "failed" && one.reason.as_deref() == Some("outcome_unknown");
        let ends = Ends {
            sent: standings.iter().filter(|one| matches!(one.status, "sent" | "delivered")).count(),
            unknown: standings.iter().filter(unknown).count(),
        };
        assert_eq!(ends.sent + ends.unknown, count, "every job has such an end: {standings:?}");
        assert_eq!(ends.sent, accepted.len(), "what the provider has is what we show as sent: {ends:?}");
        self.nothing_due().await;
        self.nothing_stuck().await;
        ends
    }

    /// Everything that is known of a recipient, for a test that fails.
    async fn story_of(&self, recipient: &str) -> String {
        let mut story = String::new();
        for call in self.simulator.calls().iter().filter(|call| call.recipient == recipient) {
            story.push_str(&format!("\n{call:?}"));
        }
        for table in ["message", "attempt_past"] {
            let key = if table == "message" { "id" } else { "message" };
            let query = format!(
                "select coalesce(jsonb_agg(to_jsonb(t))::text, '') from {table} t
                 where t.{key} in (select id from request where customer_phone = $1)"
            );
            let (rows,): (String,) = sqlx::query_as(sqlx::AssertSqlSafe(query))
                .bind(recipient)
                .fetch_one(&self.pool)
                .await
                .expect("the ledger answers");
            story.push_str(&format!("\n{table}: {rows}"));
        }
        story
    }

    /// The same, where the fault explains so many unknown outcomes at most: those of what was under way.
    pub async fn sent_but_for(&self, count: usize, unknown_max: usize) {
        let ends = self.accounted_for(count).await;
        assert!(ends.unknown <= unknown_max, "{unknown_max} unknown outcomes are explained: {ends:?}");
    }

    /// The same, where the fault explains no unknown outcome.
    pub async fn all_sent_once(&self, count: usize) {
        assert_eq!(self.accounted_for(count).await, Ends { sent: count, unknown: 0 });
    }

    /// Waits until the leases of dead workers have expired and are taken over.
    pub async fn no_lease(&self) {
        wait::until("no lease is left", || async {
            let (left,): (i64,) = sqlx::query_as("select count(*) from lease")
                .fetch_one(&self.pool)
                .await
                .expect("the ledger answers");
            left == 0
        })
        .await;
    }

    /// Ready messages of one of this world's queues, and its consumers; `None` where it is not there.
    pub async fn queue(&self, name: &str) -> Option<(u32, u32)> {
        let connection = lapin::Connection::connect(&self.amqp_url, Default::default()).await.ok()?;
        let channel = connection.create_channel().await.ok()?;
        let passive = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = format!("{}.{name}", self.amqp_name);
        let found = channel.queue_declare(queue.into(), passive, Default::default()).await.ok();
        drop(connection.close(200, "looked".into()).await);
        found.map(|queue| (queue.message_count(), queue.consumer_count()))
    }

    /// Nothing was thrown out of the intake queue as a poison.
    pub async fn nothing_parked(&self) {
        assert_eq!(self.queue("parked").await.map(|(ready, _)| ready), Some(0), "nothing is parked");
    }
}
