//! Redeliveries without any death: connections that break, a database that is away, trial records of living
//! workers.
//!
//! No job is reported as poison, nothing is lost, and jobs that the broker itself dead-letters come back once.
//! Deaths are in `poison`.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use sqlx::Connection;

use crate::support::{TestEnv, job, process::told, proxy::Proxy, wait};

async fn publish(env: &TestEnv, from: usize, to: usize) {
    let jobs: Vec<_> = (from..to).map(job::message).collect();
    env.producer().await.publish_all("requests.blanca", &jobs).await.expect("published");
}

/// A consumer that takes everything, and ends its connection then, so many times.
async fn taken_and_dropped(env: &TestEnv, jobs: usize, times: usize) {
    let look = env.look().await;
    for _ in 0..times {
        wait::until("everything is back", || async { look.ready("requests").await == jobs as u32 }).await;
        let connection =
            lapin::Connection::connect(&env.amqp_url, Default::default()).await.expect("connected");
        let channel = connection.create_channel().await.expect("opened");
        channel.basic_qos(1_000, BasicQosOptions { global: false }).await.expect("set");
        let queue = format!("{}.requests", env.amqp_name);
        let options = BasicConsumeOptions::default();
        let mut consumer = channel
            .basic_consume(queue.as_str().into(), "storm".into(), options, Default::default())
            .await
            .expect("subscribed");
        for _ in 0..jobs {
            consumer.next().await.expect("delivered").expect("delivered");
        }
        connection.close(320, "a test".into()).await.expect("closed");
    }
}

fn each_once(env: &TestEnv, count: usize) {
    let accepted: Vec<String> = env.simulator.accepted().into_iter().map(|one| one.recipient).collect();
    let distinct: BTreeSet<&String> = accepted.iter().collect();
    assert_eq!((accepted.len(), distinct.len()), (count, count), "each is written to once");
}

async fn no_job_reported(env: &TestEnv) {
    let (rejected, notes): (i64, i64) =
        sqlx::query_as("select (select count(*) from rejected_job), (select count(*) from trial_record)")
            .fetch_one(&env.pool)
            .await
            .expect("asked");
    assert_eq!((rejected, notes), (0, 0), "no job is reported, no trial record is left");
}

/// A test environment with declared queues and without a consumer.
async fn idle() -> TestEnv {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.consuming().await;
    assert!(worker.stop().await);
    env
}

#[tokio::test(flavor = "multi_thread")]
async fn fifteen_redeliveries_park_nothing_and_what_more_of_them_park_is_replayed_once() {
    let env = idle().await;
    publish(&env, 0, 100).await;
    taken_and_dropped(&env, 100, 15).await;
    let worker = env.worker().await;
    env.all_are(100, "delivered").await;
    assert!(worker.stop().await);
    assert_eq!((env.ready("requests").await, env.ready("parked").await), (0, 0));

    publish(&env, 100, 160).await;
    taken_and_dropped(&env, 60, 21).await;
    wait::until("the broker parked them", || async { env.ready("parked").await == 60 }).await;
    let worker = env.worker().await;
    let replayed = told(&env, &["parked", "replay"]).await;
    assert_eq!(replayed.lines().filter(|line| line.starts_with("replayed job-")).count(), 60);
    env.all_are(160, "delivered").await;
    each_once(&env, 160);
    no_job_reported(&env).await;
    assert_eq!((env.ready("requests").await, env.ready("parked").await), (0, 0));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_loses_its_connections_again_and_again_parks_nothing_and_sends_each_once() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let mut url = url::Url::parse(&env.amqp_url).expect("a URL");
    let there = (url.host_str().expect("a host"), url.port().unwrap_or(5672));
    let there = tokio::net::lookup_host(there).await.expect("resolves").next().expect("an address");
    let mut line = Proxy::closed(there);
    line.open();
    url.set_ip_host(line.addr.ip()).expect("a host can be set");
    url.set_port(Some(line.addr.port())).expect("a port can be set");
    let first = env.worker_with(&format!("amqp.url = \"{url}\"")).await;
    // After a lost connection each worker waits a while; in a fleet of three one is mostly connected and can be
    // cut off. A cut can count twice: the jobs of one worker are given to another, just before that one is cut
    // off as well.
    let more = format!("amqp.url = \"{url}\"\nroles.web = false\nroles.dispatch = false");
    let others = futures_util::future::join_all((0..2).map(|_| env.worker_with(&more))).await;
    env.consuming().await;
    let (cuts, jobs, look, producer) = (8, 15, env.look().await, env.producer().await);
    for cut in 0..cuts {
        let published: Vec<_> = (cut * jobs..(cut + 1) * jobs).map(job::message).collect();
        producer.publish_all("requests.blanca", &published).await.expect("published");
        wait::until("some are taken", || async { look.ready("requests").await < jobs as u32 }).await;
        line.set_cut(true);
        wait::until("there is no consumer", || async { look.consumers().await == 0 }).await;
        line.set_cut(false);
        wait::until("there is a consumer", || async { look.consumers().await > 0 }).await;
    }
    env.all_are(cuts * jobs, "delivered").await;
    each_once(&env, cuts * jobs);
    no_job_reported(&env).await;
    assert_eq!((env.ready("requests").await, env.ready("parked").await), (0, 0));
    for worker in others {
        assert!(worker.stop().await);
    }
    env.nothing_left(first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_fails_because_the_database_does_not_write_reports_no_job() {
    let env = idle().await;
    publish(&env, 0, 5).await;
    taken_and_dropped(&env, 5, 2).await;
    let mut hand = sqlx::PgConnection::connect(&env.database_url).await.expect("connected");
    let mut held = hand.begin().await.expect("begun");
    sqlx::query("lock table request in share mode").execute(&mut *held).await.expect("locked");
    let hurried = "amqp.database_patience_secs = 1\ndatabase.statement_timeout_secs = 1";
    let worker = env.worker_with(hurried).await;
    let first = wait::until_some("one is being tried", || note(&env)).await;
    // The patience ends, the deliveries go back and come again, and the note is taken back each time.
    wait::until("it was handed back and is tried again", || async {
        note(&env).await.is_some_and(|now| now > first)
    })
    .await;
    held.rollback().await.expect("let go");
    env.all_are(5, "delivered").await;
    no_job_reported(&env).await;
    each_once(&env, 5);
    env.nothing_left(worker).await;
}

/// After how many deliveries what is being tried was written down.
async fn note(env: &TestEnv) -> Option<i64> {
    let note = sqlx::query_as("select max(deliveries) from trial_record").fetch_one(&env.pool).await;
    let (deliveries,): (Option<i64>,) = note.expect("asked");
    deliveries
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_record_that_its_worker_withdraws_is_not_believed_and_delays_no_job() {
    let env = idle().await;
    publish(&env, 0, 1).await;
    taken_and_dropped(&env, 1, 2).await;
    let (id, body) = job::message(0);
    let key = env.keys.identity.suspect_job_hash("requests.blanca", Some(&id), body.as_bytes());
    let another = postrider_clock::random_id();
    env.ledger.start_job_trial(key, another, 2).await.expect("noted");
    let worker = env.worker().await;
    wait::until("the suspect is taken", || async { env.ready("requests").await == 0 }).await;
    publish(&env, 1, 51).await;
    wait::until("the others are accepted", || async {
        // The other worker goes on trying: what it writes down anew is not believed either.
        let noted = sqlx::query("update trial_record set recorded_at = clock_timestamp()");
        assert_eq!(
            noted.execute(&env.pool).await.expect("asked").rows_affected(),
            1,
            "no other worker took it back"
        );
        env.standings().await.len() == 50
    })
    .await;
    env.ledger.clear_trials_of(another).await.expect("taken back");
    env.all_are(51, "delivered").await;
    no_job_reported(&env).await;
    each_once(&env, 51);
    env.nothing_left(worker).await;
    assert_eq!(env.ready("requests").await, 0, "all acknowledged");
}
