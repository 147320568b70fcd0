//! Dry runs over HTTP: what is asked, what is answered, and what is refused with its remedy.
//!
//! That the counts are right is tested with `simulations`, over real histories.

use postrider::api::Scope;
use serde_json::json;

use crate::support::{TestEnv, job};

const PATH: &str = "/v1/simulations";

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_is_answered_with_counts_and_samples() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.company("other", |_| {}).await;
    let worker = env.worker().await;
    let acceptor = worker.acceptor.as_ref().expect("this worker takes jobs").clone();
    for (n, person) in [1, 1, 2, 1].into_iter().enumerate() {
        acceptor
            .accept(&[job::inbound(
                "blanca",
                job::keyed(job::by_email(&format!("jane{person}@customers.example")), &format!("job {n}"))
                    .to_string()
                    .as_bytes(),
            )])
            .await
            .expect("taken");
    }
    drop(acceptor);
    let client = env.client_with("blanca", true, &[Scope::Read]).await;
    let today = client.post(PATH, &json!({})).await;
    assert_eq!(today.status, 200, "{}", today.text);
    assert_eq!(today.json["requests"], 4);
    assert_eq!(today.json["before"], today.json["after"]);
    assert_eq!(today.json["after"]["not_sent"], 2);
    assert_eq!(today.json["changes"], json!([]));
    let never = client.post(PATH, &json!({ "days": 7, "changes": { "suppression_days": 0 } })).await;
    assert_eq!(never.status, 200, "{}", never.text);
    assert_eq!(never.json["changed"]["newly_sent"], 2);
    assert_eq!(never.json["by_brand"][0]["before"]["not_sent"], 2);
    assert_eq!(never.json["by_brand"][0]["after"]["not_sent"], 0);
    assert_eq!(never.json["changes"], json!(["suppression_days 30 -> 0"]));
    let sample = &never.json["samples"][0];
    assert_eq!(sample["before"]["reason"], "suppression_period");
    assert_eq!(sample["after"]["medium"], "email");
    assert!(!never.text.contains("jane"), "no personal data: {}", never.text);
    // Another company's key sees its own history: none.
    let other = env.client("other").await.post(PATH, &json!({})).await;
    assert_eq!((other.status, &other.json["requests"]), (200, &json!(0)));
    // It wrote nothing.
    let (versions,): (i64,) =
        sqlx::query_as("select count(*) from policy").fetch_one(&env.pool).await.unwrap();
    assert_eq!(versions, 2);
    env.all_ended(4, crate::support::wait::TIMEOUT).await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_simulated_is_refused_by_its_field() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    for (body, field) in [
        (json!({ "days": 0 }), "days"),
        (json!({ "days": 400 }), "days"),
        (json!({ "changes": { "suppression_days": -1 } }), "changes.suppression_days"),
        (json!({ "changes": { "slug": "other" } }), "changes.slug"),
        (json!({ "changes": {}, "company": {} }), "company"),
        (json!({ "company": { "slug": "blanca" } }), "company.name"),
    ] {
        let answer = client.post(PATH, &body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text);
        assert!(answer.fields().contains(&field), "{body}: {:?}", answer.fields());
    }
    let sender = env.client_with("blanca", true, &[Scope::Send]).await;
    assert_eq!(sender.post(PATH, &json!({})).await.status, 403);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_a_call_may_read_are_refused_with_the_remedy() {
    let env = TestEnv::new().await;
    let company = env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    sqlx::query(
        "insert into request (id, company, idempotency_hash, key_is_derived, content_hash, source, test, policy_version, channel, brand,
            decision)
        select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '7000'
                || substr(replace(gen_random_uuid()::text, '-', ''), 17))::uuid,
            $1, gen_random_uuid(), false, gen_random_uuid(), 0, false, 1, 'phone', 'blanca', '{}'
        from generate_series(1, 50001)",
    )
    .bind(company.0)
    .execute(&env.pool)
    .await
    .expect("made");
    sqlx::query(
        "insert into message (id, request, company, state, first_due_at, expires_at, reason)
        select id, id, company, 7, now(), now(), 'do_not_send' from request",
    )
    .execute(&env.pool)
    .await
    .expect("made");
    let begun = postrider_clock::monotonic();
    let answer = env.client("blanca").await.post(PATH, &json!({})).await;
    assert_eq!(answer.status, 422, "{} after {:?}", answer.text, begun.elapsed());
    assert_eq!(answer.fields(), ["days"]);
    assert!(answer.text.contains("fewer days") && answer.text.contains("simulate-rules"), "{}", answer.text);
    env.nothing_left(worker).await;
}
