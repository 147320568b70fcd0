//! After an outage of one lane: its new requests queue behind the old ones, other lanes feel nothing.
//!
//! The hour is compressed: the backlog's due times are set into the past.

use std::time::Duration;

use crate::support::{TestEnv, broker::Producer, job, sql::with_states, wait};

async fn publish(producer: &Producer, slug: &str, from: usize, to: usize) {
    let jobs: Vec<(String, String)> =
        (from..to).map(|n| (format!("{slug}-{n}"), job::numbered(n).to_string())).collect();
    producer.publish_all(&format!("requests.{slug}"), &jobs).await.expect("published");
}

/// Milliseconds from acceptance to begin, by company, the worst of all.
async fn worst(env: &TestEnv, slug: &str) -> f64 {
    let (worst,): (f64,) = sqlx::query_as(
        "select coalesce(max(extract(epoch from m.begun_at - r.created_at)), 1e9)::float8
         from request r join message m on m.id = r.id join company c on c.id = r.company where c.slug = $1",
    )
    .bind(slug)
    .fetch_one(&env.pool)
    .await
    .expect("asked");
    worst
}

#[tokio::test(flavor = "multi_thread")]
async fn new_requests_of_a_lane_queue_behind_its_backlog_and_other_lanes_are_not_slowed() {
    let env = TestEnv::new().await;
    // The slow lane drains a thousand an eternity: 100 a second.
    env.company("blanca", |policy| policy.accounts[0].rate_per_sec = 100).await;
    env.company("other", |_| {}).await;
    let worker = env.worker_with("roles.dispatch = false").await;
    env.consuming().await;
    let producer = env.producer().await;
    publish(&producer, "blanca", 0, 1_000).await;
    wait::until("the backlog is accepted", || async { env.standings().await.len() == 1_000 }).await;
    assert!(worker.stop().await);
    sqlx::query("update due set at = now() - interval '1 hour'").execute(&env.pool).await.expect("aged");

    let worker = env.worker().await;
    env.consuming().await;
    wait::until("the lane drains", || async { env.simulator.accepted().len() > 100 }).await;
    publish(&producer, "blanca", 5_000, 5_050).await;
    publish(&producer, "other", 9_000, 9_200).await;
    wait::until("the other lane is done", || async {
        let calls = env.simulator.accepted();
        calls.iter().filter(|one| one.recipient.as_str() >= "+14150009000").count() == 200
    })
    .await;
    let other = worst(&env, "other").await;
    // Ten seconds are what the backlog takes; a busy machine is given room, the promise is below.
    assert!(other < 4.0, "the other lane is not delayed, the worst took {other} s");
    let (waiting,): (i64,) =
        sqlx::query_as(with_states("select count(*) from message where state = {Waiting}"))
            .fetch_one(&env.pool)
            .await
            .expect("asked");
    assert!(waiting > 0, "the other lane was done while the backlog still waited");
    env.all_within(1_250, "delivered", Duration::from_secs(60)).await;
    // First come, first served: no new one went out before the last of the backlog was begun.
    let order: Vec<String> = env.simulator.accepted().into_iter().map(|one| one.recipient).collect();
    let new_first = order.iter().position(|to| to.as_str() >= "+14150005000" && to.as_str() < "+14150009000");
    let old_after = order
        .iter()
        .skip(new_first.expect("the new ones went out"))
        .filter(|to| to.as_str() < "+14150001000")
        .count();
    // Calls under way side by side may finish in any order.
    assert!(old_after <= 64, "{old_after} of the backlog went out after the first new one");
    env.nothing_left(worker).await;
}
