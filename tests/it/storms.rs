//! Redeliveries without any death: connections that break, a database that is away, notes of who lives.
//!
//! Nobody is accused, nothing is lost, and what the broker itself parks comes back once. Deaths are in
//! `poison`.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use serde_json::json;
use sqlx::Connection;

use crate::support::{Bed, process::told, proxy::Proxy, wait};

fn job(n: usize) -> (String, String) {
    let body = json!({
        "customer": { "name": "Jane", "phone": format!("+1415{n:07}") },
        "employee": { "email": "paulagent@blancapeak.com" },
        "channel": "phone",
    });
    (format!("job-{n}"), body.to_string())
}

async fn publish(bed: &Bed, from: usize, to: usize) {
    let jobs: Vec<_> = (from..to).map(job).collect();
    bed.producer().await.publish_all("requests.blanca", &jobs).await.expect("published");
}

/// A consumer that takes everything, and whose connection ends then, so many times.
async fn taken_and_dropped(bed: &Bed, jobs: usize, times: usize) {
    let look = bed.look().await;
    for _ in 0..times {
        wait::until("everything is back", || async { look.ready("requests").await == jobs as u32 }).await;
        let connection =
            lapin::Connection::connect(&bed.amqp_url, Default::default()).await.expect("connected");
        let channel = connection.create_channel().await.expect("opened");
        channel.basic_qos(1_000, BasicQosOptions { global: false }).await.expect("set");
        let queue = format!("{}.requests", bed.amqp_name);
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

fn each_once(bed: &Bed, count: usize) {
    let accepted: Vec<String> = bed.simulator.accepted().into_iter().map(|one| one.recipient).collect();
    let distinct: BTreeSet<&String> = accepted.iter().collect();
    assert_eq!((accepted.len(), distinct.len()), (count, count), "each is written to once");
}

async fn nobody_accused(bed: &Bed) {
    let (rejected, notes): (i64, i64) =
        sqlx::query_as("select (select count(*) from rejected_job), (select count(*) from trial_record)")
            .fetch_one(&bed.pool)
            .await
            .expect("asked");
    assert_eq!((rejected, notes), (0, 0), "nobody is accused, no note is left");
}

/// A world whose queues are declared, and nobody consumes.
async fn idle() -> Bed {
    let bed = Bed::new().await;
    bed.company("blanca", |_| {}).await;
    let worker = bed.worker().await;
    bed.consuming().await;
    assert!(worker.stop().await);
    bed
}

#[tokio::test(flavor = "multi_thread")]
async fn fifteen_redeliveries_park_nothing_and_what_more_of_them_park_is_replayed_once() {
    let bed = idle().await;
    publish(&bed, 0, 100).await;
    taken_and_dropped(&bed, 100, 15).await;
    let worker = bed.worker().await;
    bed.all_are(100, "delivered").await;
    assert!(worker.stop().await);
    assert_eq!((bed.ready("requests").await, bed.ready("parked").await), (0, 0));

    publish(&bed, 100, 160).await;
    taken_and_dropped(&bed, 60, 21).await;
    wait::until("the broker parked them", || async { bed.ready("parked").await == 60 }).await;
    let worker = bed.worker().await;
    let replayed = told(&bed, &["parked", "replay"]).await;
    assert_eq!(replayed.lines().filter(|line| line.starts_with("replayed job-")).count(), 60);
    bed.all_are(160, "delivered").await;
    each_once(&bed, 160);
    nobody_accused(&bed).await;
    assert_eq!((bed.ready("requests").await, bed.ready("parked").await), (0, 0));
    bed.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_loses_its_connections_again_and_again_parks_nothing_and_sends_each_once() {
    let bed = Bed::new().await;
    bed.company("blanca", |_| {}).await;
    let mut url = url::Url::parse(&bed.amqp_url).expect("a URL");
    let there = (url.host_str().expect("a host"), url.port().unwrap_or(5672));
    let there = tokio::net::lookup_host(there).await.expect("resolves").next().expect("an address");
    let mut line = Proxy::closed(there);
    line.open();
    url.set_ip_host(line.addr.ip()).expect("a host can be set");
    url.set_port(Some(line.addr.port())).expect("a port can be set");
    let first = bed.worker_with(&format!("amqp.url = \"{url}\"")).await;
    // After a lost connection each waits a while; a fleet of three has mostly somebody to be cut off. A cut
    // can count twice: what one loses is given to another, just before that one is cut off as well.
    let more = format!("amqp.url = \"{url}\"\nroles.web = false\nroles.dispatch = false");
    let others = futures_util::future::join_all((0..2).map(|_| bed.worker_with(&more))).await;
    bed.consuming().await;
    let (cuts, jobs, look, producer) = (8, 15, bed.look().await, bed.producer().await);
    for cut in 0..cuts {
        let published: Vec<_> = (cut * jobs..(cut + 1) * jobs).map(job).collect();
        producer.publish_all("requests.blanca", &published).await.expect("published");
        wait::until("some are taken", || async { look.ready("requests").await < jobs as u32 }).await;
        line.set_cut(true);
        wait::until("nobody consumes", || async { look.consumers().await == 0 }).await;
        line.set_cut(false);
        wait::until("somebody consumes", || async { look.consumers().await > 0 }).await;
    }
    bed.all_are(cuts * jobs, "delivered").await;
    each_once(&bed, cuts * jobs);
    nobody_accused(&bed).await;
    assert_eq!((bed.ready("requests").await, bed.ready("parked").await), (0, 0));
    for worker in others {
        assert!(worker.stop().await);
    }
    bed.nothing_left(first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_try_that_fails_because_the_database_does_not_write_accuses_nobody() {
    let bed = idle().await;
    publish(&bed, 0, 5).await;
    taken_and_dropped(&bed, 5, 2).await;
    let mut hand = sqlx::PgConnection::connect(&bed.database_url).await.expect("connected");
    let mut held = hand.begin().await.expect("begun");
    sqlx::query("lock table request in share mode").execute(&mut *held).await.expect("locked");
    let hurried = "amqp.database_patience_secs = 1\ndatabase.statement_timeout_secs = 1";
    let worker = bed.worker_with(hurried).await;
    let first = wait::until_some("one is being tried", || note(&bed)).await;
    // The patience ends, the deliveries go back and come again, and the note is taken back each time.
    wait::until("it was handed back and is tried again", || async {
        note(&bed).await.is_some_and(|now| now > first)
    })
    .await;
    held.rollback().await.expect("let go");
    bed.all_are(5, "delivered").await;
    nobody_accused(&bed).await;
    each_once(&bed, 5);
    bed.nothing_left(worker).await;
}

/// After how many deliveries what is being tried was written down.
async fn note(bed: &Bed) -> Option<i64> {
    let note = sqlx::query_as("select max(deliveries) from trial_record").fetch_one(&bed.pool).await;
    let (deliveries,): (Option<i64>,) = note.expect("asked");
    deliveries
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_of_a_worker_that_takes_it_back_is_not_believed_and_holds_nobody_up() {
    let bed = idle().await;
    publish(&bed, 0, 1).await;
    taken_and_dropped(&bed, 1, 2).await;
    let (id, body) = job(0);
    let key = bed.keys.identity.suspect("requests.blanca", Some(&id), body.as_bytes());
    let another = postrider_clock::random_id();
    bed.ledger.try_job(key, another, 2).await.expect("noted");
    let worker = bed.worker().await;
    wait::until("the suspect is taken", || async { bed.ready("requests").await == 0 }).await;
    publish(&bed, 1, 51).await;
    wait::until("the others are accepted", || async {
        // The other worker goes on trying: what it writes down anew is not believed either.
        let noted = sqlx::query("update trial_record set recorded_at = clock_timestamp()");
        assert_eq!(
            noted.execute(&bed.pool).await.expect("asked").rows_affected(),
            1,
            "nobody else took it back"
        );
        bed.standings().await.len() == 50
    })
    .await;
    bed.ledger.clear_jobs_of(another).await.expect("taken back");
    bed.all_are(51, "delivered").await;
    nobody_accused(&bed).await;
    each_once(&bed, 51);
    bed.nothing_left(worker).await;
    assert_eq!(bed.ready("requests").await, 0, "all acknowledged");
}
