//! Two workers in the same instant, which a lock holds open here.
//!
//! The other worker is an open transaction of the test's own: it has done its part and is about to commit.

use postrider_clock::random_id;
use postrider_domain::{
    ids::{AccountId, MessageId},
    lifecycle::{Signal, State, TransitionMap},
};
use postrider_ledger::receive::NewReceipt;
use serde_json::json;
use uuid::Uuid;

use crate::support::TestEnv;

/// A request that waits for an hour, in a world without dispatch.
async fn waiting(env: &TestEnv) -> Uuid {
    let job = json!({
        "customer": { "name": "Jane", "phone": "+14155550101" },
        "employee": { "email": "paulagent@blancapeak.com" },
        "channel": "phone",
        "delay_secs": 3_600,
    });
    env.publish(&job).await;
    env.all_are(1, "queued").await[0].id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_overtaken_while_it_is_begun_is_not_sent() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker_with("roles.dispatch = false").await;
    let id = waiting(&env).await;
    sqlx::query("update reservation set asked_at = now() - interval '40 days'")
        .execute(&env.pool)
        .await
        .unwrap();
    // Another worker's accept has taken the reservation over and is about to commit.
    let mut overtaker = env.pool.begin().await.expect("a transaction");
    sqlx::query("update reservation set prior_request = request, prior_asked_at = asked_at, request = $1, asked_at = now()")
        .bind(random_id())
        .execute(&mut *overtaker)
        .await
        .unwrap();
    let ledger = env.ledger.clone();
    let beginning = tokio::spawn(async move { ledger.begin(&[(MessageId(id), 1)], 60.0, &[]).await });
    env.lock_is_awaited("begin waits for the overtaker").await;
    overtaker.commit().await.expect("committed");
    let begun = beginning.await.expect("no panic").expect("begin answers");
    assert!(begun.is_empty(), "the person is asked by the overtaker alone: {begun:?}");
    assert!(worker.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_two_workers_keep_at_once_counts_once() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker_with("roles.dispatch = false").await;
    let id = waiting(&env).await;
    env.ledger.begin(&[(MessageId(id), 1)], 60.0, &[]).await.expect("begun");
    let account = sqlx::query_scalar("select account from message").fetch_one(&env.pool).await.unwrap();
    let notice = |key: Uuid, content: u8| NewReceipt {
        key,
        content: [content; 32],
        account: AccountId(account),
        message: Some(MessageId(id)),
        attempt: Some(1),
        kind: "delivered",
        code: None,
        provider_id: None,
        map: Some(TransitionMap::new(Signal::DeliveredReceipt)),
        block: None,
        looked_up: false,
        receipt_wait_secs: None,
    };
    let (shared, own) = (random_id(), random_id());
    let mut other = env.pool.begin().await.expect("a transaction");
    sqlx::query("insert into receipt (key, content, account, kind) values ($1, $2, $3, 'delivered')")
        .bind(shared)
        .bind([1_u8; 32])
        .bind(account)
        .execute(&mut *other)
        .await
        .unwrap();
    let (ledger, batch) = (env.ledger.clone(), [notice(shared, 2), notice(own, 3)]);
    let receiving = tokio::spawn(async move { ledger.receive(&batch).await });
    env.lock_is_awaited("receive waits for the other worker").await;
    other.commit().await.expect("committed");
    let received = receiving.await.expect("no panic").expect("receive answers");
    let of = |key: Uuid| *received.iter().find(|received| received.key == key).expect("answered");
    assert!(!of(shared).fresh && of(shared).other_content, "{received:?}");
    assert!(of(own).fresh, "{received:?}");
    assert_eq!(of(own).moved, Some((State::Sending, State::Delivered)));
    assert!(worker.stop().await);
}
