//! The suppression period and its reservations: proved by the database, given back or kept.
//!
//! Races are real: many connections, one person, overlapping identities.

use serde_json::json;

use crate::support::{TestEnv, env::Standing, job, sql::with_states, wait};

fn count(standings: &[Standing], status: &str) -> usize {
    standings.iter().filter(|one| one.status == status).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_jobs_for_one_person_in_one_batch_the_first_is_sent() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    // No worker consumes until both are in the queue.
    let early = env.worker().await;
    env.consuming().await;
    let producer = env.producer().await;
    assert!(early.stop().await);
    for key in ["first", "second"] {
        assert!(
            producer
                .publish(
                    "requests.blanca",
                    None,
                    job::keyed(job::by_sms("+14155552671"), key).to_string().as_bytes()
                )
                .await
        );
    }
    let worker = env.worker().await;
    let standings = env.all_ended(2, wait::TIMEOUT).await;
    assert_eq!(count(&standings, "delivered"), 1);
    assert_eq!(standings[1].reason.as_deref(), Some("suppression_period"));
    let (decision,): (String,) = sqlx::query_as("select decision from request where id = $1")
        .bind(standings[1].id)
        .fetch_one(&env.pool)
        .await
        .unwrap();
    assert!(decision.contains(&standings[0].id.to_string()), "the decision names the holder: {decision}");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_accepts_for_one_person_over_16_connections_one_is_sent() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker_with("database.intake_connections = 16").await;
    let acceptor = worker.acceptor.clone().expect("this worker takes jobs");
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut body = job::keyed(job::by_sms("+14155552671"), &format!("job {n}"));
                // Overlapping identities: some by phone alone, some with a custom id as well.
                if n % 2 == 0 {
                    body["customer"]["custom_id"] = json!("jane");
                }
                acceptor.accept(&[crate::support::job::inbound("blanca", body.to_string().as_bytes())]).await
            })
        })
        .collect();
    drop(acceptor);
    for task in tasks {
        task.await.expect("no panic").expect("no error");
    }
    let standings = env.all_ended(64, wait::TIMEOUT).await;
    assert_eq!((count(&standings, "delivered"), count(&standings, "suppressed")), (1, 63));
    assert_eq!(env.simulator.accepted().len(), 1);
    let (held,): (i64,) = sqlx::query_as(with_states(
        "select count(*) from reservation c join message m on m.id = c.request
                where m.state in ({Suppressed}, {Canceled})",
    ))
    .fetch_one(&env.pool)
    .await
    .unwrap();
    assert_eq!(held, 0, "a suppressed request holds nothing");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_good_gives_the_reservation_back_and_a_bounce_keeps_it() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    // …04: refused as opted out, nothing went out. …15: accepted, then it bounced.
    for (phone, magic) in [("+14155550104", "invalid"), ("+14155550115", "bounce")] {
        env.simulator.set_recipient_fault(phone, magic);
        env.publish(&job::keyed(job::by_sms(phone), &format!("first {magic}"))).await;
    }
    env.all_are(2, "failed").await;
    let held: Vec<(i64,)> =
        sqlx::query_as("select count(*) from reservation").fetch_all(&env.pool).await.unwrap();
    assert_eq!(held[0].0, 1, "only the bounce holds its person");
    env.simulator.set_recipient_fault("+14155550104", "ok");
    env.publish(&job::keyed(job::by_sms("+14155550104"), "second")).await;
    env.publish(&job::keyed(job::by_sms("+14155550115"), "second bounce")).await;
    let standings = env.all_ended(4, wait::TIMEOUT).await;
    assert_eq!(standings[2].status, "delivered");
    assert_eq!(standings[3].status, "suppressed");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_waited_past_its_window_and_was_overtaken_is_suppressed() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| policy.suppression_days = 1).await;
    let worker = env.worker().await;
    let mut delayed = job::keyed(job::by_sms("+14155552671"), "waits");
    delayed["delay_secs"] = json!(3_600);
    env.publish(&delayed).await;
    let first = env.all_are(1, "queued").await[0].id;
    // As if two days had passed: the reservation is old, and the message is due.
    sqlx::query("update reservation set asked_at = now() - interval '2 days'")
        .execute(&env.pool)
        .await
        .unwrap();
    env.publish(&job::keyed(job::by_sms("+14155552671"), "overtakes")).await;
    wait::until("the second is delivered", || async {
        env.standings().await.iter().any(|one| one.id != first && one.status == "delivered")
    })
    .await;
    sqlx::query("update due set at = now()").execute(&env.pool).await.unwrap();
    let standings = env.all_ended(2, wait::TIMEOUT).await;
    assert_eq!(standings[0].reason.as_deref(), Some("overtaken"));
    assert_eq!(env.simulator.accepted().len(), 1);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scope_may_be_the_brand() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| {
        policy.suppression_scope = postrider_domain::company::SuppressionScope::Brand;
    })
    .await;
    let worker = env.worker().await;
    for (key, brand) in [("1", "blanca"), ("2", "blancagold"), ("3", "blanca")] {
        let mut body = job::keyed(job::by_sms("+14155552671"), key);
        body["brand"] = json!(brand);
        env.publish(&body).await;
    }
    let standings = env.all_ended(3, wait::TIMEOUT).await;
    let statuses: Vec<&str> = standings.iter().map(|one| one.status).collect();
    assert_eq!(statuses, ["delivered", "delivered", "suppressed"]);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_for_one_person_in_one_batch_delays_no_other() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let jobs: Vec<_> = (0..400)
        .map(|n| {
            job::inbound(
                "blanca",
                job::keyed(job::by_sms("+14155552671"), &format!("job {n}")).to_string().as_bytes(),
            )
        })
        .collect();
    let acceptor = worker.acceptor.as_ref().expect("this worker takes jobs");
    acceptor.accept(&jobs).await.expect("the ledger answers");
    let standings = env.all_ended(400, wait::TIMEOUT).await;
    assert_eq!(count(&standings, "delivered"), 1);
    assert_eq!(count(&standings, "suppressed"), 399);
    let (statements,): (i64,) = sqlx::query_as("select count(distinct created_at) from request")
        .fetch_one(&env.pool)
        .await
        .expect("asked");
    assert!(statements < 20, "each job was written by itself: {statements} statements");
    env.nothing_left(worker).await;
}
