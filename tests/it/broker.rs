//! The broker misbehaves: consumption resumes by itself, nothing is lost, nothing is accepted twice.
//!
//! On a stack of its own, because other tests would feel it. The worker is never restarted.

use std::{sync::Arc, time::Duration};

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};

use crate::support::{TestEnv, broker::Producer, job, process::Process, proxy::Proxy, stack::Stack, wait};

/// AMQP consumer sessions that the worker has started.
const SESSIONS: &str = "postrider_broker_generations_total";

/// Publishes until everything is confirmed, whatever the broker does meanwhile.
async fn publish(env: &TestEnv, from: usize, to: usize) {
    wait::until("the jobs are confirmed", || async {
        let Ok(producer) = Producer::try_connect(&env.amqp_url, &env.amqp_name).await else { return false };
        producer
            .publish_all("requests.blanca", &(from..to).map(job::message).collect::<Vec<_>>())
            .await
            .is_ok()
    })
    .await;
}

async fn tell(stack: &Arc<Stack>, arguments: &'static [&'static str]) {
    let stack = Arc::clone(stack);
    tokio::task::spawn_blocking(move || stack.tell(arguments)).await.expect("the stack did as told");
}

/// Ready messages of the intake queue.
async fn ready(env: &TestEnv) -> Option<u32> {
    let connection =
        lapin::Connection::connect(&env.amqp_url, lapin::ConnectionProperties::default()).await.ok()?;
    let channel = connection.create_channel().await.ok()?;
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let queue = format!("{}.requests", env.amqp_name);
    let queue = channel.queue_declare(queue.into(), passive, Default::default()).await.ok()?;
    let ready = queue.message_count();
    drop(connection.close(200, "looked".into()).await);
    Some(ready)
}

/// The worker ends in order and leaves nothing begun.
async fn ended(env: &TestEnv, mut worker: Process) {
    assert_eq!(worker.terminate(), Some(0));
    assert!(!worker.printed().contains("panicked"), "{}", worker.printed());
    env.nothing_begun().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consumption_resumes_by_itself_after_anything_that_the_broker_does() {
    let stack = Arc::new(tokio::task::spawn_blocking(|| Stack::start("broker")).await.expect("started"));
    let env = TestEnv::on(&stack.database_url, &stack.amqp_url, Default::default()).await;
    env.company("blanca", |_| {}).await;
    let worker = Process::start(&env, "");
    env.consuming().await;

    publish(&env, 0, 100).await;
    tell(&stack, &["rabbitmqctl", "close_all_connections", "a test"]).await;
    publish(&env, 100, 200).await;
    env.all_are(200, "delivered").await;

    tell(&stack, &["rabbitmqctl", "eval", "[exit(P, kill) || P <- rabbit_channel:list()]."]).await;
    publish(&env, 200, 300).await;
    env.all_are(300, "delivered").await;

    // The queue is deleted under its consumer: it is declared again.
    let connection = lapin::Connection::connect(&env.amqp_url, Default::default()).await.expect("connected");
    let channel = connection.create_channel().await.expect("opened");
    let queue = format!("{}.requests", env.amqp_name);
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted");
    drop(connection.close(200, "deleted".into()).await);
    env.consuming().await;
    publish(&env, 300, 400).await;
    env.all_are(400, "delivered").await;

    tell(&stack, &["stop-broker"]).await;
    // Both sessions, of requests and of responses, come to the longest delay between two attempts.
    let before = worker.metric(SESSIONS).await;
    wait::until_some_within(Duration::from_secs(180), "each session was tried seven times", || async {
        (worker.metric(SESSIONS).await >= before + 14.0).then_some(())
    })
    .await;
    tell(&stack, &["start-broker"]).await;
    publish(&env, 400, 500).await;
    env.all_are(500, "delivered").await;
    assert_eq!(env.simulator.accepted().len(), 500, "once each");
    ended(&env, worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nothing_is_acknowledged_and_nothing_bounces() {
    let stack = Arc::new(tokio::task::spawn_blocking(|| Stack::start("database")).await.expect("started"));
    let env = TestEnv::on(&stack.database_url, &stack.amqp_url, Default::default()).await;
    env.company("blanca", |_| {}).await;
    let (line, url) = Proxy::before(&env.database_url).await;
    let patience = format!("amqp.database_patience_secs = 2\ndatabase.url = \"{url}\"");
    let worker = Process::start(&env, &patience);
    env.consuming().await;
    publish(&env, 0, 10).await;
    env.all_are(10, "delivered").await;
    tell(&stack, &["stop-postgres", "immediate"]).await;
    publish(&env, 10, 3_010).await;
    // After its patience the worker hands everything back, once, and waits.
    wait::until("everything waits in the broker", || async { ready(&env).await == Some(3_000) }).await;
    let (sessions, tried) = (worker.metric(SESSIONS).await, line.counts().connections);
    wait::until("the database is tried in vain", || async { line.counts().connections >= tried + 20 }).await;
    assert_eq!(worker.metric(SESSIONS).await, sessions, "no new session begins");
    assert_eq!(ready(&env).await, Some(3_000), "nothing is taken while it cannot be stored");
    tell(&stack, &["start-postgres"]).await;
    env.all_within(3_010, "delivered", Duration::from_secs(120)).await;
    assert_eq!(env.simulator.accepted().len(), 3_010);
    ended(&env, worker).await;
}
