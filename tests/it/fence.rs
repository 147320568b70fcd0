//! The fence with whole workers: messages that wait in the database, and two requests for one person at the
//! same time.
//!
//! `races` sets the ledger's own statements against each other, thousands of times.

mod duplicates;
mod races;

use futures_util::future::join_all;
use postrider_clock::random_id;
use postrider_domain::ids::{AccountId, CompanyId, Medium};
use postrider_ledger::{blocks::OptOutChange, requests::ActionOrigin};
use serde_json::json;
use uuid::Uuid;

use crate::support::{TestEnv, env::Standing, job, sql::with_states, wait};

/// Postgres shows the first 1,024 bytes of a statement: this one is known by its first line.
const BEGIN: &str = include_str!("../../crates/ledger/src/sql/begin.sql");
const PHONE: &str = "+14155550102";

/// Lets a worker's begin wait for its message's row, has `stop` done meanwhile, and sees how it ends.
async fn stopped_while_its_begin_waits(reason: &str, stop: impl AsyncFnOnce(&TestEnv, CompanyId, Uuid)) {
    let env = TestEnv::new().await;
    let company = env.company("blanca", |policy| policy.accounts[0].concurrency = 1).await;
    env.simulator.set_recipient_fault("+14155550101", "hang");
    let worker = env.worker_with("dispatch.http_timeout_secs = 20.0").await;
    // The only call slot is taken: the second request waits for it, claimed and not begun.
    env.publish(&job::keyed(job::by_sms("+14155550101"), "first")).await;
    wait::until("the first is called", || async { env.simulator.calls().len() == 1 }).await;
    env.publish(&job::keyed(job::by_sms(PHONE), "second")).await;
    let id = wait::until_some("the second is claimed", || claimed(&env)).await;
    let mut holder = env.pool.begin().await.expect("a transaction");
    sqlx::query("select 1 from message where id = $1 for update")
        .bind(id)
        .execute(&mut *holder)
        .await
        .expect("the row is locked");
    env.simulator.release_hung();
    wait::until("its begin waits for the row", || begin_waits(&env, 0.0)).await;
    stop(&env, company, id).await;
    // A begin is checked once more only if it took longer than this.
    wait::until("its begin has waited for long", || begin_waits(&env, 0.15)).await;
    holder.commit().await.expect("committed");
    let standings = env.all_ended(2, wait::TIMEOUT).await;
    let second = standings.iter().find(|one| one.id == id).expect("the second request");
    assert_eq!((second.status, second.reason.as_deref()), ("suppressed", Some(reason)));
    assert_eq!(second.attempt, 1, "it was begun: the view of the begin that waited was old");
    let called: Vec<String> = env.simulator.calls().into_iter().map(|call| call.recipient).collect();
    assert_eq!(called, ["+14155550101"], "and no message sent");
    env.nothing_left(worker).await;
}

async fn claimed(env: &TestEnv) -> Option<Uuid> {
    sqlx::query_scalar(with_states(
        "select m.id from message m join lease l on m.id = any(l.messages)
            where m.state = {Waiting} and not exists (select 1 from due d where d.message = m.id)",
    ))
    .fetch_optional(&env.pool)
    .await
    .expect("the ledger answers")
}

/// Whether a begin has waited for a row for so many seconds.
async fn begin_waits(env: &TestEnv, secs: f64) -> bool {
    let (waiting,): (i64,) = sqlx::query_as(
        "select count(*) from pg_stat_activity where datname = current_database()
            and wait_event_type = 'Lock' and starts_with(query, $1)
            and clock_timestamp() - query_start >= make_interval(secs => $2)",
    )
    .bind(BEGIN.lines().next())
    .bind(secs)
    .fetch_one(&env.pool)
    .await
    .expect("the ledger answers");
    waiting == 1
}

async fn answered(env: &TestEnv, request: Uuid) -> bool {
    sqlx::query_scalar("select exists (select 1 from answer where request = $1)")
        .bind(request)
        .fetch_one(&env.pool)
        .await
        .expect("the ledger answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_a_begin_waits_for_its_row_leads_to_no_call() {
    stopped_while_its_begin_waits("stop", async |env, company, _| {
        let wish = OptOutChange {
            key: random_id(),
            content: [0; 32],
            account: AccountId(1),
            company,
            address_hash: env.keys.identity.address_hash(company, Medium::Sms, PHONE),
            stop: true,
        };
        assert!(env.ledger.apply_opt_out(&wish).await.expect("taken"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_while_a_begin_waits_for_its_row_leads_to_no_call() {
    let mut answering = None;
    stopped_while_its_begin_waits("answered", async |env, _, id| {
        // The accept ends waiting messages, so it waits for the row as well: behind the begin.
        let ledger = env.ledger.clone();
        answering = Some(tokio::spawn(async move { ledger.answer(id, ActionOrigin::PROGRAM).await }));
        wait::until("the answer is written", || answered(env, id)).await;
    })
    .await;
    let answered = answering.expect("asked").await.expect("it ends");
    assert!(answered.expect("written"), "it was news");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_requests_for_one_person_at_four_workers_from_16_connections_one_is_sent() {
    const WORKERS: usize = 4;
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    // One delivery at a time: the broker deals them out in turn.
    let dealt = "amqp.prefetch = 1\namqp.batch_max = 1";
    let mut workers = vec![env.worker_with(dealt).await];
    while workers.len() < WORKERS {
        workers.push(env.worker_with(&format!("{dealt}\nroles.web = false")).await);
    }
    wait::until("all workers consume", || async { consumers(&env).await == WORKERS as u32 }).await;
    let producers = join_all((0..16).map(|_| env.producer())).await;
    let publishing = producers.into_iter().enumerate().map(|(place, producer)| {
        tokio::spawn(async move {
            for number in 0..4 {
                let mut body = job::keyed(job::by_sms(PHONE), &format!("job {place} {number}"));
                // Overlapping identities: some by phone alone, some with a custom id as well.
                if number % 2 == 0 {
                    body["customer"]["custom_id"] = json!("jane");
                }
                assert!(producer.publish("requests.blanca", None, body.to_string().as_bytes()).await);
            }
        })
    });
    for published in join_all(publishing).await {
        published.expect("every job is routed");
    }
    let standings = env.all_ended(64, wait::TIMEOUT).await;
    let sent: Vec<_> = standings.iter().filter(|one| one.status == "delivered").collect();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(env.simulator.accepted().len(), 1);
    let kept_back =
        |one: &&Standing| (one.status, one.reason.as_deref()) == ("suppressed", Some("suppression_period"));
    assert_eq!(standings.iter().filter(kept_back).count(), 63);
    env.nothing_stuck().await;
    for worker in workers.drain(1..) {
        assert!(worker.stop().await, "a worker ends within its deadline");
    }
    env.nothing_left(workers.remove(0)).await;
}

async fn consumers(env: &TestEnv) -> u32 {
    let connection = lapin::Connection::connect(&env.amqp_url, lapin::ConnectionProperties::default())
        .await
        .expect("the broker answers");
    let channel = connection.create_channel().await.expect("a channel");
    let passive = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
    let queue = format!("{}.requests", env.amqp_name);
    let found = channel.queue_declare(queue.as_str().into(), passive, Default::default()).await;
    let consumers = found.map_or(0, |queue| queue.consumer_count());
    drop(connection.close(200, "looked".into()).await);
    consumers
}
