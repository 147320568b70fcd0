//! Retries, unknown outcomes, the breaker, delays: the life of a message under trouble.
//!
//! The simulated provider's magic recipients choose the trouble.

use std::time::Duration;

use serde_json::json;

use crate::support::{TestEnv, job, sql::with_states, wait};

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_now_is_tried_again_and_delivered() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.simulator.set_recipient_fault("+14155550101", "flaky");
    let worker = env.worker().await;
    env.publish(&job::by_sms("+14155550101")).await;
    let standings = env.all_are(1, "delivered").await;
    assert_eq!(standings[0].attempt, 2);
    let past: Vec<(i16, Option<i16>)> =
        sqlx::query_as("select attempt, outcome from attempt_past").fetch_all(&env.pool).await.unwrap();
    assert_eq!(past, [(1, Some(1))], "the refused attempt is on record");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_too_often_fails_as_retries_exhausted() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.simulator.set_recipient_fault("+14155550101", "busy");
    let worker = env.worker_with("retry.tries_max = 3").await;
    env.publish(&job::by_sms("+14155550101")).await;
    let standings = env.all_are(1, "failed").await;
    assert_eq!((standings[0].reason.as_deref(), standings[0].attempt), (Some("retries_exhausted"), 3));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_never_tried_again_and_ends_with_its_window() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.simulator.set_recipient_fault("+14155550101", "error");
    let worker = env.worker_with("unknown.sms_looks_secs = [0.5]").await;
    env.publish(&job::by_sms("+14155550101")).await;
    let standings = env.all_are(1, "failed").await;
    assert_eq!((standings[0].reason.as_deref(), standings[0].attempt), (Some("outcome_unknown"), 1));
    assert_eq!(env.simulator.calls().len(), 1);
    let (held,): (i64,) =
        sqlx::query_as("select count(*) from reservation").fetch_one(&env.pool).await.unwrap();
    assert_eq!(held, 1, "an unknown keeps the person's reservation");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_settles_an_unknown_outcome() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    for (phone, magic) in
        [("+14155550101", "acceptreset"), ("+14155550102", "accepterror"), ("+14155550103", "hang")]
    {
        env.simulator.set_recipient_fault(phone, magic);
    }
    let worker = env.worker().await;
    for phone in ["+14155550101", "+14155550102", "+14155550103"] {
        env.publish(&job::by_sms(phone)).await;
    }
    let standings = env.all_are(3, "delivered").await;
    assert!(standings.iter().all(|one| one.attempt == 1));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misconfigured_account_opens_its_lane_and_burns_no_tries() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.simulator.set_recipient_fault("+14155550101", "misconfigured");
    let worker = env.worker().await;
    env.publish(&job::by_sms("+14155550101")).await;
    wait::until("two attempts were made", || async {
        env.standings().await.iter().any(|one| one.attempt >= 2)
    })
    .await;
    let (tries,): (i16,) = sqlx::query_as("select tries from message").fetch_one(&env.pool).await.unwrap();
    assert_eq!(tries, 0);
    env.simulator.set_recipient_fault("+14155550101", "ok");
    env.all_are(1, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_request_is_sent_within_a_second_of_its_due_time() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let mut body = job::by_sms("+14155552671");
    body["delay_secs"] = json!(2);
    env.publish(&body).await;
    env.all_are(1, "delivered").await;
    let (late,): (f64,) =
        sqlx::query_as("select extract(epoch from begun_at - first_due_at)::float8 from message")
            .fetch_one(&env.pool)
            .await
            .unwrap();
    assert!((0.0..1.0).contains(&late), "begun {late} s after it was due");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_before_its_attempt_is_suppressed_and_gives_its_person_back() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.simulator.set_outage(true);
    let worker = env.worker().await;
    let mut body = job::by_sms("+14155552671");
    body["delay_secs"] = json!(1);
    body["expires_after_secs"] = json!(0);
    env.publish(&body).await;
    let standings = env.all_are(1, "suppressed").await;
    assert_eq!(standings[0].reason.as_deref(), Some("expired"));
    let (held,): (i64,) =
        sqlx::query_as("select count(*) from reservation").fetch_one(&env.pool).await.unwrap();
    assert_eq!(held, 0);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_credential_stops_its_own_lane_and_no_other() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.company("other", |policy| {
        if let postrider_domain::company::ProviderSettings::Twilio { api_secret_env, .. } =
            &mut policy.accounts[0].settings
        {
            *api_secret_env = "POSTRIDER_SIMULATED_ABSENT".to_owned();
        }
    })
    .await;
    let worker = env.worker().await;
    env.publish_to("requests.other", None, job::by_sms("+14155550101").to_string().as_bytes()).await;
    env.publish(&job::by_sms("+14155550102")).await;
    wait::until("the sound lane delivers", || async {
        env.standings().await.iter().any(|one| one.status == "delivered")
    })
    .await;
    let standings = env.standings().await;
    assert_eq!((standings[0].status, standings[0].attempt), ("queued", 0));
    // The credential's name is mended in the company's file; no restart.
    env.company("other", |_| {}).await;
    env.all_are(2, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_nothing_and_leaves_no_unknown() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.simulator.set_behaviour(postrider_provider_simulator::Behaviour {
        latency: (Duration::from_millis(5), Duration::from_millis(40)),
        ..Default::default()
    });
    // As in a fleet, another worker takes the webhooks while this worker goes and the next one comes.
    let web = env.worker_with("roles.intake = false\nroles.dispatch = false").await;
    let worker = env.worker_with("roles.web = false").await;
    env.consuming().await;
    let producer = env.producer().await;
    for n in 0..400 {
        let body = job::by_sms(&format!("+1415555{n:04}")).to_string();
        assert!(producer.publish("requests.blanca", Some(&format!("job-{n}")), body.as_bytes()).await);
    }
    wait::until("some are sent", || async { env.simulator.accepted().len() > 20 }).await;
    assert!(worker.stop().await, "within its deadline");
    let (unknown,): (i64,) =
        sqlx::query_as(with_states("select count(*) from message where state in ({Sending}, {Unknown})"))
            .fetch_one(&env.pool)
            .await
            .unwrap();
    assert_eq!(unknown, 0);
    let next = env.worker_with("roles.web = false").await;
    env.all_ended(400, Duration::from_secs(60)).await;
    assert_eq!(env.simulator.accepted().len(), 400);
    assert!(next.stop().await);
    env.nothing_left(web).await;
}
