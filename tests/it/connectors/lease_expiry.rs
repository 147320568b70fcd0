//! Slow workers: a notification with an expired lease belongs to the next worker, and stays as that one left
//! it.
//!
//! Each step of the inbox is made by hand on the ledger, so that the order is certain.

use postrider_domain::ids::CompanyId;
use postrider_ledger::notifications::{NewFacts, NewNotification};
use serde_json::json;

use super::{KUSTOMER, notices};
use crate::support::TestEnv;

fn notice(env: &TestEnv, company: CompanyId) -> NewNotification {
    let name = "6717c2b1e5b1f00012ab3511".to_owned();
    let key = env.keys.identity.notification_hash(KUSTOMER, &name);
    NewNotification { key, company, connector: KUSTOMER.to_owned(), name, body: b"{}".to_vec() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_too_slow_keeps_no_job_of_a_notice_that_is_done() {
    let env = TestEnv::new().await;
    let company = env.company("blanca", |_| {}).await;
    let notice = notice(&env, company);
    env.ledger.store_notification(&notice).await.expect("written");
    // Two take it up, the first one's lease being over at once.
    for tries in 1..=2 {
        let taken = env.ledger.take_notifications(10, 0.0, &[]).await.expect("taken");
        assert_eq!(taken.iter().map(|taken| taken.tries).collect::<Vec<_>>(), [tries]);
    }
    let kept = env.ledger.keep_job(notice.key, b"the second's").await.expect("kept");
    assert_eq!(kept.as_deref(), Some(&b"the second's"[..]));
    let same = env.ledger.keep_job(notice.key, b"the first's").await.expect("asked");
    assert_eq!(same, kept, "both hand in the same");
    env.ledger.finish_notification(notice.key, "accepted", None).await.expect("done");
    let late = env.ledger.keep_job(notice.key, b"the first's").await.expect("asked");
    assert_eq!(late, None, "another job now would be a conflict, and stay behind");
    env.ledger.finish_notification(notice.key, "rejected", None).await.expect("asked");
    env.ledger.postpone_notification(notice.key, 0.0).await.expect("asked");
    env.ledger.store_notification(&notice).await.expect("a repeat");
    assert!(env.ledger.take_notifications(10, 60.0, &[]).await.expect("asked").is_empty());
    assert_eq!(notices(&env).await, [(Some("accepted".to_owned()), false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_of_an_open_interaction_is_taken_back_unless_more_was_told_meanwhile() {
    let env = TestEnv::new().await;
    let company = env.company("blanca", |_| {}).await;
    let key = env.keys.identity.notification_hash(KUSTOMER, "chat");
    let told = |version| NewFacts {
        key,
        company,
        facts: json!({}),
        version,
        connector: KUSTOMER,
        name: "chat",
        due_in_secs: Some(0.0),
    };
    assert!(env.ledger.merge_interaction(&told(0)).await.expect("learnt"));
    let taken = env.ledger.take_notifications(10, 60.0, &[]).await.expect("taken").remove(0);
    assert_eq!(taken.version, Some(1));
    assert!(env.ledger.merge_interaction(&told(1)).await.expect("learnt"), "its end, while it is looked at");
    assert!(!env.ledger.withdraw_notification(key, taken.version).await.expect("asked"));
    assert_eq!(notices(&env).await, [(None::<String>, false)]);
    assert!(env.ledger.withdraw_notification(key, Some(2)).await.expect("asked"));
    assert_eq!(notices(&env).await, []);
    assert!(env.ledger.merge_interaction(&told(2)).await.expect("learnt"), "its end, after that");
    assert_eq!(notices(&env).await, [(None::<String>, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_of_a_recipe_that_is_under_way_are_left_where_they_are() {
    let env = TestEnv::new().await;
    let company = env.company("blanca", |_| {}).await;
    env.ledger.store_notification(&notice(&env, company)).await.expect("written");
    let under_way = [format!("{}/{KUSTOMER}", company.0)];
    assert!(env.ledger.take_notifications(10, 60.0, &under_way).await.expect("asked").is_empty());
    let elsewhere = [format!("{}/{KUSTOMER}", company.0 + 1)];
    assert_eq!(env.ledger.take_notifications(10, 60.0, &elsewhere).await.expect("asked").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_long_over_is_forgotten_and_what_waits_is_not() {
    let env = TestEnv::new().await;
    let company = env.company("blanca", |_| {}).await;
    let told = |name: &'static str, due_in_secs| NewFacts {
        key: env.keys.identity.notification_hash(KUSTOMER, name),
        company,
        facts: json!({}),
        version: 0,
        connector: KUSTOMER,
        name,
        due_in_secs,
    };
    for new in [told("open", None), told("waiting", Some(0.0)), told("done", Some(0.0))] {
        assert!(env.ledger.merge_interaction(&new).await.expect("learnt"), "{}", new.name);
    }
    let done = env.keys.identity.notification_hash(KUSTOMER, "done");
    env.ledger.finish_notification(done, "accepted", None).await.expect("done");
    assert_eq!(env.ledger.delete_notifications(60.0, 10).await.expect("asked"), 0, "all of it is of today");
    for statement in [
        "update interaction set changed_at = changed_at - interval '1 hour'",
        "update notification set done_at = done_at - interval '1 hour'",
    ] {
        sqlx::query(statement).execute(&env.pool).await.expect("an hour passes");
    }
    let more = NewFacts { version: 1, ..told("open", None) };
    assert!(env.ledger.merge_interaction(&more).await.expect("learnt"), "something is told of it now");
    let forgotten = env.ledger.delete_notifications(60.0, 10).await.expect("asked");
    assert_eq!(forgotten, 2, "the notice that is done, and its interaction");
    let left: Vec<(i32,)> = sqlx::query_as("select version from interaction order by version")
        .fetch_all(&env.pool)
        .await
        .expect("asked");
    assert_eq!(left, [(1,), (2,)]);
    assert_eq!(notices(&env).await, [(None::<String>, false)]);
}
