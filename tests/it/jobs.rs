//! Jobs at the door: what is accepted, what is the same again, what is refused and kept.
//!
//! Parsing itself is tested beside `message::parse`; here every refusal is seen in the ledger.

use serde_json::{Value, json};

use crate::support::{TestEnv, company, job};

const PHONE: &str = "+14155552671";

fn with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut job = job::by_sms(PHONE);
    change(&mut job);
    job.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_refusal_is_kept_with_its_bytes_and_acknowledged() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| policy.channels[1].automatic = false).await;
    let worker = env.worker().await;
    let unknown = uuid::Uuid::from_u128(7).to_string();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("not JSON", b"{".to_vec()),
        ("not an object", b"[1]".to_vec()),
        ("unknown field", with(|job| job["colour"] = json!("red"))),
        ("wrong type", with(|job| job["tags"] = json!("one"))),
        ("too long", with(|job| job["ext_interaction_id"] = json!("x".repeat(256)))),
        ("bad address", with(|job| job["customer"]["phone"] = json!("+1"))),
        ("unknown brand", with(|job| job["brand"] = json!("nobody"))),
        ("unknown channel", with(|job| job["channel"] = json!("fax"))),
        ("channel off", with(|job| job["channel"] = json!("chat"))),
        ("unknown employee", with(|job| job["employee"]["email"] = json!("who@blancapeak.com"))),
        ("mismatch", with(|job| job["employee"]["custom_id"] = json!("other"))),
        ("recovery of nothing", with(|job| job["initial_feedback_request_id"] = json!(unknown))),
        ("over 64 KiB", with(|job| job["custom_properties"] = json!({ "a": "x".repeat(70_000) }))),
    ];
    for (_, body) in &cases {
        env.publish_to("requests.blanca", None, body).await;
    }
    env.publish_to("requests.nobody", None, job::by_sms(PHONE).to_string().as_bytes()).await;
    env.publish_to("requests", None, job::by_sms(PHONE).to_string().as_bytes()).await;
    let codes = env.rejected(cases.len() + 2).await;
    assert!(codes.iter().all(|code| !code.is_empty()), "{codes:?}");
    for expected in [
        "unknown_brand",
        "unknown_channel",
        "channel_off",
        "unknown_employee",
        "unknown_request",
        "unknown_company",
        "bad_routing_key",
        "unknown_field",
        "bad_address",
    ] {
        assert!(codes.iter().any(|code| code == expected), "{expected} is among {codes:?}");
    }
    let (kept, hashed): (i64, i64) = sqlx::query_as(
        "select count(body), count(*) filter (where body is null and body_bytes > 65536 and length(body_sha256) = 32)
         from rejected_job",
    )
    .fetch_one(&env.pool)
    .await
    .unwrap();
    assert_eq!((kept as usize, hashed), (cases.len() + 1, 1));
    assert!(env.standings().await.is_empty());
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_a_job_is_named_by_its_path() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let body = with(|job| {
        job["tags"] = json!([1, "fine"]);
        job["customer"]["email"] = json!("nobody");
        job["colour"] = json!("red");
    });
    env.publish_to("requests.blanca", None, &body).await;
    env.rejected(1).await;
    let (paths,): (Vec<String>,) = sqlx::query_as(
        "select array(select p->>'path' from jsonb_array_elements(problems) p) from rejected_job",
    )
    .fetch_one(&env.pool)
    .await
    .unwrap();
    for path in ["tags[0]", "customer.email", "colour"] {
        assert!(paths.iter().any(|found| found == path), "{path} is among {paths:?}");
    }
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_job_many_times_is_one_request_and_other_content_under_its_key_a_conflict() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    for _ in 0..5 {
        env.publish_to("requests.blanca", Some("key-1"), job::by_sms(PHONE).to_string().as_bytes()).await;
    }
    // The same content in another spelling is the same job.
    let spelt = br#"{"channel":"phone","employee":{"email":"paulagent@blancapeak.com"},"tags":null,
        "customer":{"phone":"+1 (415) 555-2671","name":"Jane"}}"#;
    env.publish_to("requests.blanca", Some("key-1"), spelt).await;
    env.all_are(1, "delivered").await;
    let other = with(|job| job["customer"]["name"] = json!("John"));
    env.publish_to("requests.blanca", Some("key-1"), &other).await;
    env.publish_to("requests.blanca", Some("key-1"), &other).await;
    assert_eq!(env.rejected(1).await, ["conflict"]);
    crate::support::wait::until("the second conflict is counted", || async {
        let (times,): (i32,) =
            sqlx::query_as("select times from rejected_job").fetch_one(&env.pool).await.unwrap();
        times == 2
    })
    .await;
    assert_eq!((env.standings().await.len(), env.simulator.accepted().len()), (1, 1));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_made_of_the_content_holds_a_day() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| policy.suppression_days = 0).await;
    let worker = env.worker().await;
    env.publish(&job::by_sms(PHONE)).await;
    env.publish(&job::by_sms(PHONE)).await;
    env.all_are(1, "delivered").await;
    sqlx::query("update request set created_at = now() - interval '25 hours'")
        .execute(&env.pool)
        .await
        .unwrap();
    env.publish(&job::by_sms(PHONE)).await;
    env.all_are(2, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_job_does_not_occupy_its_key() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish_to("requests.blanca", Some("key-1"), &with(|job| job["brand"] = json!("nobody"))).await;
    env.rejected(1).await;
    env.publish_to("requests.blanca", Some("key-1"), job::by_sms(PHONE).to_string().as_bytes()).await;
    env.all_are(1, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_user_speaks_only_for_the_companies_that_bind_it() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| {
        policy.bindings = vec![postrider_domain::company::Binding { user: "guest".to_owned(), test: false }];
    })
    .await;
    env.company("other", |_| {}).await;
    let worker = env.worker().await;
    env.consuming().await;
    let producer = env.producer().await;
    let body = job::by_sms(PHONE).to_string();
    assert!(producer.publish_as("requests.other", Some("1"), Some("guest"), body.as_bytes()).await);
    assert!(producer.publish_as("requests.blanca", Some("2"), None, body.as_bytes()).await);
    assert_eq!(env.rejected(2).await, ["outside_binding", "outside_binding"]);
    assert!(producer.publish_as("requests.blanca", Some("3"), Some("guest"), body.as_bytes()).await);
    env.all_are(1, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_company_reaches_a_running_worker() {
    let env = TestEnv::new().await;
    let worker = env.worker().await;
    env.publish_to("requests.blanca", Some("1"), job::by_sms(PHONE).to_string().as_bytes()).await;
    assert_eq!(env.rejected(1).await, ["unknown_company"]);
    let mut policy = company::standard("blanca", env.providers());
    policy.channels.retain(|channel| channel.name != "phone");
    env.apply(&policy, &[company::paul()]).await;
    env.worker_knows(&worker, "blanca", 1).await;
    env.publish_to("requests.blanca", Some("2"), job::by_sms(PHONE).to_string().as_bytes()).await;
    assert_eq!(env.rejected(2).await[1], "unknown_channel");
    env.company("blanca", |_| {}).await;
    env.worker_knows(&worker, "blanca", 2).await;
    env.publish_to("requests.blanca", Some("3"), job::by_sms(PHONE).to_string().as_bytes()).await;
    env.all_are(1, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_to_be_sent_is_recorded_and_never_sent() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish_to("requests.blanca", None, &with(|job| job["do_not_send"] = json!(true))).await;
    let body = with(|job| {
        job["do_not_send"] = json!(true);
        job["customer"] = json!({ "custom_id": "no-address" });
    });
    env.publish_to("requests.blanca", None, &body).await;
    let standings = env.all_are(2, "suppressed").await;
    assert!(standings.iter().all(|one| one.reason.as_deref() == Some("do_not_send")));
    assert!(env.simulator.calls().is_empty());
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_binding_reaches_the_companys_test_address_and_never_the_customer() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| {
        policy.bindings = vec![postrider_domain::company::Binding { user: "guest".to_owned(), test: true }];
        policy.test_phone = Some("+17195550123".to_owned());
    })
    .await;
    let worker = env.worker().await;
    env.consuming().await;
    let producer = env.producer().await;
    let delayed = with(|job| job["delay_secs"] = json!(1));
    for (id, body) in [("1", job::by_sms(PHONE).to_string().into_bytes()), ("2", delayed)] {
        assert!(producer.publish_as("requests.blanca", Some(id), Some("guest"), &body).await);
    }
    env.all_are(2, "delivered").await;
    assert!(env.simulator.calls().iter().all(|call| call.recipient == "+17195550123"));
    let (held,): (i64,) =
        sqlx::query_as("select count(*) from reservation").fetch_one(&env.pool).await.unwrap();
    assert_eq!(held, 0, "a test makes no reservation");
    let email = with(|job| job["customer"] = json!({ "email": "jane@example.com" }));
    assert!(producer.publish_as("requests.blanca", Some("3"), Some("guest"), &email).await);
    env.all_ended(3, crate::support::wait::TIMEOUT).await;
    assert_eq!(env.simulator.calls().len(), 3, "the phone takes it: email has no test address");
    env.nothing_left(worker).await;
}
