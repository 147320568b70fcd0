//! Faults of the broker and of the line to it: rows 13 to 30 of `FAULTS.md`.
//!
//! Faults that other tests would feel are done to a broker of its own, one after the other under one worker
//! that is never restarted. Faults of a connection alone are done to the connection.

use std::{sync::Arc, time::Duration};

use lapin::{
    Channel, Connection,
    options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use postrider::amqp::publisher::{OutgoingJob, PublishOutcome, Publisher};

use crate::support::{
    TestEnv,
    inspect::signal,
    job,
    load::unhurried,
    process::Process,
    proxy::{Cut, Fault, Proxy, Way},
    stack::Stack,
    wait,
};

/// The broker of its own, and the one worker that lives through everything.
struct World {
    stack: Arc<Stack>,
    env: TestEnv,
    worker: Process,
    /// To the database of the worker.
    line: Proxy,
    published: usize,
    since: std::time::Instant,
}

/// Jobs published for each fault.
const EACH: usize = 100;

impl World {
    async fn tell(&self, arguments: &[&str]) -> String {
        // Where a step fails, its story is printed.
        println!("{:.1?}: {} published; now {arguments:?}", self.since.elapsed(), self.published);
        let stack = Arc::clone(&self.stack);
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let told = move || stack.tell(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(told).await.expect("the stack did as told")
    }

    /// Publishes some more jobs.
    async fn publish(&mut self) {
        self.env.publish_numbers(self.published, self.published + EACH).await;
        self.published += EACH;
    }

    /// After each fault: everything went out once, by the same worker.
    async fn recovered(&mut self) {
        self.env.all_sent_once(self.published).await;
        // Jobs that were not acknowledged when the connection broke come again, after they were sent.
        wait::until("there is one consumer and no ghost, and nothing left to take", || async {
            self.env.queue("requests").await == Some((0, 1))
        })
        .await;
        println!("{:.1?}: recovered", self.since.elapsed());
        self.env.nothing_parked().await;
    }

    /// 13: killed in the middle of the work, and started again.
    async fn killed(&mut self) {
        self.publish().await;
        self.tell(&["stop-broker", "kill"]).await;
        self.worker.until_metric("postrider_broker_consuming", |consuming| consuming == 0.0).await;
        self.tell(&["start-broker"]).await;
        self.publish().await;
        self.recovered().await;
    }

    /// 15: frozen; only heartbeats can tell.
    async fn frozen(&mut self) {
        let (broker, _) = self.stack.server("rabbitmq");
        signal(broker, "STOP");
        self.worker.until_metric("postrider_broker_consuming", |consuming| consuming == 0.0).await;
        wait::elapse(Duration::from_secs(5)).await;
        let threads = self.worker.threads("lapin-io-loop");
        signal(broker, "CONT");
        assert!(threads <= 2, "attempts without an answer leave no thread behind: {threads}");
        self.publish().await;
        self.recovered().await;
    }

    /// 16: an administrator closes all connections, again and again.
    async fn closed_by_an_administrator(&mut self) {
        for _ in 0..2 {
            self.publish().await;
            self.tell(&["rabbitmqctl", "close_all_connections", "a test"]).await;
        }
        self.publish().await;
        self.recovered().await;
    }

    /// 19 and 20: publishers are blocked; a client that only consumes and acknowledges is not.
    async fn alarmed(&mut self) {
        let producer = self.env.producer().await;
        let from = self.published;
        // While the database is away they pile up in the broker.
        self.line.set_cut(true);
        self.publish().await;
        self.tell(&["rabbitmqctl", "set_vm_memory_high_watermark", "absolute", "1"]).await;
        self.tell(&["rabbitmqctl", "set_disk_free_limit", "1000GB"]).await;
        self.line.set_cut(false);
        self.env.all_sent_once(from + EACH).await;
        wait::until("they are acknowledged", || async { self.env.queue("requests").await == Some((0, 1)) })
            .await;
        let body = job::numbered(self.published).to_string();
        let blocked = producer.publish("requests.blanca", Some("blocked"), body.as_bytes());
        let (routed, _) = tokio::join!(blocked, async {
            self.tell(&["rabbitmqctl", "set_vm_memory_high_watermark", "absolute", "1GB"]).await;
            assert_eq!(self.env.standings().await.len(), from + EACH, "the alarm does hold publishers");
            self.tell(&["rabbitmqctl", "set_disk_free_limit", "50MB"]).await;
        });
        assert!(routed, "and lets them go on");
        self.published += 1;
        self.recovered().await;
    }

    /// 23: the broker takes deliveries back that were not acknowledged in time.
    async fn impatient(&mut self) {
        let set = |timeout| {
            format!(
                "[application:set_env(rabbit, K, V) || {{K, V}} <- [{{consumer_timeout, {timeout}}}, {{channel_tick_interval, 500}}]]."
            )
        };
        self.tell(&["rabbitmqctl", "eval", &set(1_000)]).await;
        self.tell(&["rabbitmqctl", "close_all_connections", "the settings are for new channels"]).await;
        self.env.consuming().await;
        let before = self.worker.metric("postrider_broker_generations_total").await;
        self.line.set(Way::Down, Fault::Stall);
        self.publish().await;
        wait::until("the broker ends the subscription", || async {
            self.env.queue("requests").await.is_some_and(|(_, consumers)| consumers == 0)
        })
        .await;
        self.line.set(Way::Down, Fault::Pass);
        self.recovered().await;
        let after = self.worker.metric("postrider_broker_generations_total").await;
        assert!(after > before, "a new generation took over");
        self.tell(&["rabbitmqctl", "eval", &set(1_800_000)]).await;
    }

    /// 30: the password is changed under a worker that is connected.
    async fn locked_out(&mut self) {
        self.tell(&["rabbitmqctl", "change_password", "guest", "another"]).await;
        let before = self.worker.metric("postrider_broker_generations_total").await;
        self.tell(&["rabbitmqctl", "close_all_connections", "the password was changed"]).await;
        self.worker.until_metric("postrider_broker_consuming", |consuming| consuming == 0.0).await;
        wait::elapse(Duration::from_secs(3)).await;
        let tried = self.worker.metric("postrider_broker_generations_total").await - before;
        assert!(tried <= 12.0, "it does not hammer: {tried} tries in some seconds");
        assert!(self.worker.printed().contains("AMQP session failed, retrying"));
        self.tell(&["rabbitmqctl", "change_password", "guest", "guest"]).await;
        self.publish().await;
        self.recovered().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_the_broker_nothing_is_lost_and_one_worker_lives_through_it_all() {
    let stack = tokio::task::spawn_blocking(|| Stack::broker("faults-broker")).await.expect("it starts");
    let database_url = std::env::var("DATABASE_URL").expect("run the tests by `make test`");
    let env = TestEnv::on(&database_url, &stack.amqp_url, unhurried(20)).await;
    env.company("blanca", |_| {}).await;
    let (line, url) = Proxy::before(&env.database_url).await;
    let more = format!("database.url = \"{url}\"\namqp.heartbeat_secs = 2\namqp.database_patience_secs = 60");
    let worker = Process::start(&env, &more);
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    env.consuming().await;
    let mut world = World {
        stack: Arc::new(stack),
        env,
        worker,
        line,
        published: 0,
        since: postrider_clock::monotonic(),
    };
    // First: RabbitMQ 3.10 forgets a quorum queue if it is killed in the second in which the queue was made.
    world.frozen().await;
    world.killed().await;
    world.closed_by_an_administrator().await;
    world.alarmed().await;
    world.impatient().await;
    world.locked_out().await;
    assert_eq!(world.worker.terminate(), Some(0));
    assert!(!world.worker.printed().contains("panicked"), "{}", world.worker.printed());
}

/// Class 60, method 80 and the first bytes of a tag, behind the size of the frame.
const ACK: [u8; 14] = [0, 0, 0, 13, 0, 60, 0, 80, 0, 0, 0, 0, 0, 0];

/// A worker behind a line to the broker.
async fn behind_a_line(more: &str) -> (TestEnv, Proxy, Process) {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let (line, url) = Proxy::before(&env.amqp_url).await;
    let line = line.with_resets();
    let worker = Process::start(&env, &format!("amqp.url = \"{url}\"\n{more}"));
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    env.consuming().await;
    (env, line, worker)
}

/// 17 and 22: the ack never arrives; or it arrives with a tag that the broker never gave out.
#[tokio::test(flavor = "multi_thread")]
async fn an_ack_that_is_cut_off_or_mangled_brings_the_delivery_again_and_one_request_all_the_same() {
    let (env, line, mut worker) = behind_a_line("").await;
    let mut mangled = ACK;
    mangled[8] = 0x7f;
    let faults = [Fault::CutAt(ACK.to_vec(), Cut::Before), Fault::Rewrite(ACK.to_vec(), mangled.to_vec())];
    for (n, fault) in faults.into_iter().enumerate() {
        line.set(Way::Up, fault);
        env.publish_numbers(n, n + 1).await;
        line.has_struck(n as u64 + 1).await;
        // Committed before the ack, it comes again as its own twin.
        worker
            .until_metric("postrider_jobs_duplicate_total", |duplicates| duplicates == n as f64 + 1.0)
            .await;
        env.all_sent_once(n + 1).await;
    }
    wait::until("nothing waits", || async { env.queue("requests").await == Some((0, 1)) }).await;
    assert_eq!(worker.terminate(), Some(0));
}

/// 18: what we send arrives, and nothing comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_which_nothing_more_is_heard_is_given_up_by_its_heartbeats() {
    let (env, line, mut worker) = behind_a_line("amqp.heartbeat_secs = 1").await;
    env.publish_numbers(0, 20).await;
    env.all_sent_once(20).await;
    line.set(Way::Down, Fault::Swallow);
    env.publish_numbers(20, 40).await;
    worker.until_metric("postrider_broker_consuming", |consuming| consuming == 0.0).await;
    line.set(Way::Down, Fault::Pass);
    env.all_sent_once(40).await;
    assert_eq!(worker.terminate(), Some(0));
}

async fn channel(env: &TestEnv) -> (Connection, Channel) {
    let connection = Connection::connect(&env.amqp_url, Default::default()).await.expect("connected");
    let channel = connection.create_channel().await.expect("opened");
    (connection, channel)
}

/// 21: deleted, and there again before we could make it anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_made_anew_with_other_arguments_is_used_as_it_is() {
    let (env, _line, mut worker) = behind_a_line("").await;
    let queue = format!("{}.requests", env.amqp_name);
    // The worker may be quicker: then once more.
    wait::until("our queue stands", || async {
        let (_connection, channel) = channel(&env).await;
        let deleted = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await;
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        let made = channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await;
        deleted.is_ok() && made.is_ok()
    })
    .await;
    env.consuming().await;
    env.publish_numbers(0, 20).await;
    env.all_sent_once(20).await;
    assert!(
        worker.printed().contains("the existing one with other arguments is used"),
        "and it is logged: {}",
        worker.printed()
    );
    assert_eq!(worker.terminate(), Some(0));
}

fn outgoing(from: usize, to: usize) -> impl Iterator<Item = OutgoingJob> {
    (from..to).map(|n| OutgoingJob {
        message_id: format!("job-{n}"),
        user_id: None,
        body: job::numbered(n).to_string().into_bytes(),
    })
}

/// 27: the broker has the jobs and its confirmation is lost. 28: a full queue. 29: no queue is bound.
#[tokio::test(flavor = "multi_thread")]
async fn a_producer_calls_confirmed_only_what_the_broker_confirmed() {
    let (env, _line, mut worker) = behind_a_line("").await;
    let (line, url) = Proxy::before(&env.amqp_url).await;
    let connection = Connection::connect(&url, Default::default()).await.expect("connected");
    let producer = Publisher::open(&connection, &env.amqp_name).await.expect("opened");
    line.set(Way::Down, Fault::CutAt(ACK[3..8].to_vec(), Cut::Before));
    let lost = producer.publish("requests.blanca", outgoing(0, 10)).await;
    assert!(lost.broken.is_some());
    assert!(
        lost.outcomes.iter().all(|(_, fate)| *fate == PublishOutcome::Unconfirmed),
        "{:?}",
        lost.outcomes
    );
    let (connection, channel) = channel(&env).await;
    let producer = Publisher::open(&connection, &env.amqp_name).await.expect("opened");
    let again = producer.publish("requests.blanca", outgoing(0, 10)).await;
    assert!(
        again.outcomes.iter().all(|(_, fate)| *fate == PublishOutcome::Confirmed),
        "{:?}",
        again.outcomes
    );
    env.all_sent_once(10).await;

    let full: &str = &format!("{}.full", env.amqp_name);
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    channel.queue_declare(full.into(), options, arguments).await.expect("declared");
    let (exchange, key) = (env.amqp_name.as_str(), "elsewhere.full");
    let bind = channel.queue_bind(
        full.into(),
        exchange.into(),
        key.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bind.await.expect("bound");
    let refused = producer.publish(key, outgoing(10, 15)).await;
    let fates: Vec<PublishOutcome> = refused.outcomes.into_iter().map(|(_, fate)| fate).collect();
    assert_eq!((fates[0], &fates[1..]), (PublishOutcome::Confirmed, &[PublishOutcome::Refused; 4][..]));
    let held = channel.basic_get(full.into(), BasicGetOptions::default()).await.expect("asked");
    assert!(held.is_some(), "and what was confirmed is there");

    let requests = format!("{exchange}.requests");
    let unbind =
        channel.queue_unbind(requests.into(), exchange.into(), "requests.#".into(), FieldTable::default());
    unbind.await.expect("unbound");
    let unwanted = producer.publish("requests.blanca", outgoing(20, 25)).await;
    assert!(
        unwanted.outcomes.iter().all(|(_, fate)| *fate == PublishOutcome::Confirmed),
        "{:?}",
        unwanted.outcomes
    );
    wait::until("all five are kept", || async {
        env.queue("unrouted").await.is_some_and(|(ready, _)| ready == 5)
    })
    .await;
    env.all_sent_once(10).await;
    assert_eq!(worker.terminate(), Some(0));
}
