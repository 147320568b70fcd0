//! Error alerts: one digest an hour for a company with refused jobs, sent through its own email lane.
//!
//! The tests call the scheduler by hand; the worker's own scheduler is tested in one place only.

use postrider::{alerts::scheduler::AlertScheduler, worker::Worker};
use postrider_domain::company::{Alerts, SuppressionScope};
use serde_json::{Value, json};

use crate::support::{TestEnv, job, sql::with_states, wait};

const OPS: &str = "ops@blancapeak.example";

async fn alerting(env: &TestEnv, alerts: Alerts) {
    env.company("blanca", |policy| policy.alerts = alerts).await;
    turns(env, "infinity").await;
}

/// When the fleet last had its turn, as if.
async fn turns(env: &TestEnv, last: &str) {
    sqlx::query("update alert_tick set at = $1::text::timestamptz")
        .bind(last)
        .execute(&env.pool)
        .await
        .expect("changed");
}

fn to_ops() -> Alerts {
    Alerts { emails: vec![OPS.to_owned()], ..Alerts::default() }
}

fn watch(env: &TestEnv, worker: &Worker) -> AlertScheduler {
    let acceptor = worker.acceptor.as_ref().expect("this worker takes jobs");
    AlertScheduler {
        ledger: env.ledger.clone(),
        company_cache: acceptor.company_cache.clone(),
        keys: acceptor.keys.clone(),
    }
}

async fn hand_in(worker: &Worker, jobs: &[Value]) {
    let acceptor = worker.acceptor.as_ref().expect("this worker takes jobs");
    let arrivals: Vec<_> =
        jobs.iter().map(|job| job::inbound("blanca", job.to_string().as_bytes())).collect();
    acceptor.accept(&arrivals).await.expect("the ledger answers");
}

fn good(n: usize) -> Value {
    json!({
        "customer": { "name": "Jane", "email": format!("jane{n}@customers.example") },
        "employee": { "email": "paulagent@blancapeak.com" },
        "channel": "phone",
        "idempotency_key": format!("good {n}"),
    })
}

fn bad(n: usize) -> Value {
    let mut job = good(n);
    job["customer"]["email"] = json!(format!("secret-person-{n}"));
    job
}

/// The emails that the provider accepted for that address, without the soft line breaks of their encoding.
fn digests(env: &TestEnv) -> Vec<String> {
    let accepted = env.simulator.accepted().into_iter().filter(|one| one.recipient == OPS);
    accepted.map(|one| String::from_utf8_lossy(&one.raw).replace("=\r\n", "")).collect()
}

async fn one_digest(env: &TestEnv) -> String {
    wait::until("the digest is delivered", || async {
        let (delivered,): (i64,) = sqlx::query_as(with_states(
            "select count(*) from request r join message m on m.id = r.id
                where r.source = 4 and m.state = {Delivered}",
        ))
        .fetch_one(&env.pool)
        .await
        .expect("asked");
        delivered == 1
    })
    .await;
    let digests = digests(env);
    assert_eq!(digests.len(), 1);
    digests.into_iter().next().expect("there is one")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_digest_tells_of_the_top_problems_without_what_the_jobs_said() {
    let env = TestEnv::new().await;
    alerting(&env, Alerts { rejected_min: 5, ..to_ops() }).await;
    let worker = env.worker().await;
    let watch = watch(&env, &worker);
    let mut jobs: Vec<Value> = (0..4).map(bad).collect();
    hand_in(&worker, &jobs).await;
    assert_eq!(watch.check_companies().await.expect("looked"), [], "four are fewer than the least");
    jobs.push(json!({ "employee": {}, "channel": "carrier pigeon" }));
    hand_in(&worker, &jobs[3..]).await;
    let company = env.ledger.company_id("blanca").await.expect("asked").expect("there");
    assert_eq!(watch.check_companies().await.expect("looked"), [company]);
    let text = one_digest(&env).await;
    // Four and one more of the same, which only counts.
    for part in ["6 of 6 jobs", "customer.email", "(5 times)", "rejected list"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("secret-person"), "{text}");
    let examples: Vec<(uuid::Uuid,)> =
        sqlx::query_as("select id from rejected_job").fetch_all(&env.pool).await.expect("asked");
    assert!(examples.iter().any(|(id,)| text.contains(&id.to_string())), "{text}");
    // The digest counts as no request and makes no reservation.
    assert_eq!(listed(&env).await, 0);
    let (contacts,): (i64,) =
        sqlx::query_as("select count(*) from reservation").fetch_one(&env.pool).await.unwrap();
    assert_eq!(contacts, 0);
    env.nothing_left(worker).await;
}

async fn listed(env: &TestEnv) -> usize {
    let page = postrider::requests::views::page::fetch_page(&env.ledger, &Default::default(), None, 10).await;
    page.expect("asked").rows.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_share_is_no_alert_and_the_company_says_what_small_is() {
    let env = TestEnv::new().await;
    alerting(&env, to_ops()).await;
    let worker = env.worker().await;
    let good: Vec<Value> = (0..95).map(good).collect();
    hand_in(&worker, &good).await;
    let bad: Vec<Value> = (100..105).map(bad).collect();
    hand_in(&worker, &bad).await;
    let watch = watch(&env, &worker);
    assert_eq!(watch.check_companies().await.expect("looked"), [], "5 of 100 are not more than 5 %");
    alerting(&env, Alerts { rejected_share_percent: 4, ..to_ops() }).await;
    env.worker_knows(&worker, "blanca", 2).await;
    assert_eq!(watch.check_companies().await.expect("looked").len(), 1);
    assert!(one_digest(&env).await.contains("5 of 100 jobs"));
    env.all_ended(96, wait::TIMEOUT).await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_one_an_hour_over_the_whole_fleet() {
    let env = TestEnv::new().await;
    alerting(&env, to_ops()).await;
    let (worker, second) = (env.worker().await, env.worker_with("roles.web = false").await);
    let bad: Vec<Value> = (0..10).map(bad).collect();
    hand_in(&worker, &bad).await;
    let (one, other) = (watch(&env, &worker), watch(&env, &second));
    let looks =
        (0..16).map(|place| if place % 2 == 0 { one.check_companies() } else { other.check_companies() });
    let looks = futures_util::future::join_all(looks).await;
    let told: usize = looks.into_iter().map(|told| told.expect("looked").len()).sum();
    assert_eq!(told, 1, "sixteen at once, and one wins");
    one_digest(&env).await;
    assert_eq!(one.check_companies().await.expect("looked"), [], "within the hour");
    // As if the hour were over, for the digest and for the jobs: what was counted then does not count again.
    sqlx::raw_sql(
        "update alert set last_at = now() - interval '61 minutes';
         update rejected_job set last_seen_at = now() - interval '61 minutes', hour_at = now() - interval '2 hours'",
    )
    .execute(&env.pool)
    .await
    .expect("changed");
    assert_eq!(one.check_companies().await.expect("looked"), []);
    hand_in(&worker, &bad).await;
    assert_eq!(one.check_companies().await.expect("looked").len(), 1, "the same mistakes in another hour");
    let (times,): (i64,) =
        sqlx::query_as("select sum(hour_times) from rejected_job").fetch_one(&env.pool).await.unwrap();
    assert_eq!(times, 10, "the hour began anew");
    wait::until("both digests are out", || async { digests(&env).len() == 2 }).await;
    env.all_ended(2, wait::TIMEOUT).await;
    assert!(second.stop().await);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_a_minute_has_its_turn_and_a_digest_survives_its_worker() {
    let env = TestEnv::new().await;
    alerting(&env, to_ops()).await;
    turns(&env, "-infinity").await;
    // No worker dispatches here: the deciding worker may die right after.
    let deciding = env.worker_with("roles.dispatch = false").await;
    let bad: Vec<Value> = (0..10).map(bad).collect();
    hand_in(&deciding, &bad).await;
    let one = watch(&env, &deciding);
    let turns = futures_util::future::join_all((0..8).map(|_| one.take_turn())).await;
    assert_eq!(turns.into_iter().filter(|turn| *turn.as_ref().expect("asked")).count(), 1);
    assert!(digests(&env).is_empty());
    assert!(deciding.stop().await);
    let sending = env.worker().await;
    one_digest(&env).await;
    env.nothing_left(sending).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_without_alerts_gets_none_and_a_recipient_that_is_a_customer_too_is_not_held() {
    let env = TestEnv::new().await;
    alerting(&env, Alerts::default()).await;
    let worker = env.worker().await;
    let bad: Vec<Value> = (0..10).map(bad).collect();
    hand_in(&worker, &bad).await;
    let watch = watch(&env, &worker);
    assert_eq!(watch.check_companies().await.expect("looked"), []);
    // The same address is a customer's, asked a moment ago.
    env.company("blanca", |policy| {
        policy.alerts = to_ops();
        policy.suppression_scope = SuppressionScope::Company;
    })
    .await;
    env.worker_knows(&worker, "blanca", 2).await;
    let mut own = good(1);
    own["customer"]["email"] = json!(OPS);
    hand_in(&worker, &[own.clone()]).await;
    assert_eq!(watch.check_companies().await.expect("looked").len(), 1);
    env.all_are(2, "delivered").await;
    assert_eq!(digests(&env).len(), 2, "the ask and the digest");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_responses_and_tests_are_no_jobs_and_the_only_job_of_an_hour_is_all_of_them() {
    let env = TestEnv::new().await;
    alerting(&env, to_ops()).await;
    let worker = env.worker().await;
    let watch = watch(&env, &worker);
    for n in 0..6 {
        let response = json!({ "response_id": format!("r-{n}"), "stars": 5 }).to_string();
        env.publish_to("responses.blanca", None, response.as_bytes()).await;
    }
    env.rejected(6).await;
    // As if it had come by a test's door.
    hand_in(&worker, &[json!({ "employee": {}, "channel": "carrier pigeon" })]).await;
    let tests = sqlx::query("update rejected_job set test = true where routing = 'requests.blanca'");
    assert_eq!(tests.execute(&env.pool).await.expect("changed").rows_affected(), 1);
    assert_eq!(watch.check_companies().await.expect("looked"), [], "no job was refused");
    hand_in(&worker, &[bad(1)]).await;
    assert_eq!(watch.check_companies().await.expect("looked").len(), 1);
    let text = one_digest(&env).await;
    assert!(text.contains("1 of 1 jobs") && text.contains("customer.email"), "{text}");
    assert!(!text.contains("stars") && !text.contains("employee"), "{text}");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_cannot_be_written_keeps_nothing_from_other_companies() {
    let env = TestEnv::new().await;
    let first = env.company("blanca", |policy| policy.alerts = to_ops()).await;
    let other = env.company("other", |policy| policy.alerts = to_ops()).await;
    turns(&env, "infinity").await;
    let worker = env.worker().await;
    let acceptor = worker.acceptor.as_ref().expect("this worker takes jobs");
    for slug in ["blanca", "other"] {
        let body = bad(1).to_string();
        acceptor.accept(&[job::inbound(slug, body.as_bytes())]).await.expect("the ledger answers");
    }
    let broken = format!(
        "create function broken() returns trigger language plpgsql as $$
            begin raise exception 'as if its rows were damaged' using errcode = 'XX001'; end $$;
         create trigger broken before insert on request for each row
            when (new.company = {}) execute function broken()",
        first.0
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(broken)).execute(&env.pool).await.expect("made");
    assert_eq!(watch(&env, &worker).check_companies().await.expect("looked"), [other]);
    wait::until("the other's digest is out", || async { digests(&env).len() == 1 }).await;
    env.nothing_left(worker).await;
}
