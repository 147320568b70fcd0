//! Jobs that kill workers: each is found, tried alone, quarantined and replayed, and no other job suffers.
//!
//! Workers are processes of their own that die by `src/failpoint.rs` over a word in a customer's name, and are
//! started again as an orchestrator would. Redeliveries without any death are in `redelivery`.

use std::{collections::BTreeSet, time::Duration};

use postrider::worker::Worker;
use serde_json::{Value, json};

use crate::support::{
    TestEnv, job,
    process::{Kept, tell, told},
    wait,
};

const GOOD: usize = 200;
/// Another worker, which lives, takes the webhooks.
const MORTAL: &str = "roles.web = false";
const WEB: &str = "roles.intake = false\nroles.dispatch = false";
const DEADLY_JOB: &[(&str, &str)] = &[("POSTRIDER_CRASH_ON", "intake:Ivy")];
/// A lease of 4 s: a poison job is known after three of them.
const LEASE: (&str, &str) = ("POSTRIDER__DISPATCH__LEASE_MARGIN_SECS", "2.0");
const DEADLY_MESSAGE: &[(&str, &str)] = &[LEASE, ("POSTRIDER_CRASH_ON", "compose:Venom")];
const DEADLY_BOTH: &[(&str, &str)] = &[LEASE, ("POSTRIDER_CRASH_ON", "intake:Ivy,compose:Venom")];
const PANICKING: &[(&str, &str)] = &[("POSTRIDER_PANIC_ON", "intake:Ivy,compose:Venom")];
const TIMEOUT: Duration = Duration::from_secs(120);

fn named(n: usize, name: &str) -> (String, String) {
    let body = job::to(json!({ "name": name, "phone": job::phone(n) }));
    (format!("job-{n}"), body.to_string())
}

/// A world with a worker that does what the mortal one does not. One call at a time: a death over the next
/// message must not meet another that is begun and not called yet, which would be unknown for good reason.
async fn world(rest: &str) -> (TestEnv, Worker) {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| policy.accounts[0].concurrency = 1).await;
    let safe = env.worker_with(rest).await;
    (env, safe)
}

/// Publishes good jobs with the poisons among them, numbered from `GOOD`.
async fn publish(env: &TestEnv, poisons: &[&str]) {
    let mut jobs: Vec<_> = (0..GOOD).map(|n| named(n, "Jane")).collect();
    for (n, name) in poisons.iter().enumerate() {
        jobs.insert(GOOD / 3 * (n + 1) / poisons.len().max(1) + n, named(GOOD + n, name));
    }
    let producer = env.producer().await;
    producer.publish_all("requests.blanca", &jobs).await.expect("published");
}

/// Waits until that many requests have ended, keeping the worker alive; gives how many of them are unknown:
/// begun and not called when their worker died.
async fn ended(env: &TestEnv, worker: &Kept<'_>, count: usize) -> usize {
    wait::until_some_within(TIMEOUT, &format!("{count} have ended"), || async {
        worker.deaths();
        let standings = env.standings().await;
        let unknown = standings.iter().filter(|one| one.reason.as_deref() == Some("outcome_unknown")).count();
        let delivered = standings.iter().filter(|one| one.status == "delivered").count();
        (unknown + delivered == count).then_some(unknown)
    })
    .await
}

/// All of them are delivered.
async fn delivered(env: &TestEnv, worker: &Kept<'_>, count: usize) {
    assert_eq!(ended(env, worker, count).await, 0, "none is unknown");
}

/// Each numbered customer but the unknown ones got one message, and no other address got any.
fn each_once(env: &TestEnv, numbers: std::ops::Range<usize>, unknown: usize) {
    let accepted: Vec<String> = env.simulator.accepted().into_iter().map(|one| one.recipient).collect();
    let distinct: BTreeSet<String> = accepted.iter().cloned().collect();
    assert_eq!(accepted.len(), distinct.len(), "no customer gets two messages");
    assert_eq!(distinct.len(), numbers.len() - unknown);
    assert!(distinct.is_subset(&numbers.map(job::phone).collect()));
}

/// Rejected jobs with their problems' codes.
async fn rejected(env: &TestEnv) -> Vec<(uuid::Uuid, String)> {
    sqlx::query_as("select id, problems->0->>'code' from rejected_job order by id")
        .fetch_all(&env.pool)
        .await
        .expect("asked")
}

async fn quarantined(env: &TestEnv, worker: &Kept<'_>, jobs: usize, messages: usize) {
    wait::until_some_within(TIMEOUT, &format!("{jobs} jobs, {messages} messages are held"), || async {
        worker.deaths();
        let held = env.ledger.quarantined_messages(None, 100).await.expect("asked").len();
        let kept = env.ledger.quarantined_job_count(None).await.expect("asked");
        (kept == jobs as i64 && held == messages).then_some(())
    })
    .await;
}

/// Ends a test: everything was acknowledged, nothing is parked, nothing stuck.
async fn in_order(env: &TestEnv, worker: Kept<'_>, web: Worker) {
    assert_eq!(worker.last().terminate(), Some(0));
    assert_eq!((env.ready("requests").await, env.ready("parked").await), (0, 0), "all acknowledged");
    let (notes,): (i64,) =
        sqlx::query_as("select count(*) from trial_record").fetch_one(&env.pool).await.expect("asked");
    assert_eq!(notes, 0, "no note is left behind");
    env.nothing_stuck().await;
    env.nothing_left(web).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_three_workers_is_quarantined_and_its_neighbours_are_sent_once() {
    // A message that is in a call when its process dies ends as unknown; the dispatching worker here lives.
    let (env, web) = world("roles.intake = false").await;
    let worker = Kept::start(&env, "roles.web = false\nroles.dispatch = false", DEADLY_JOB);
    env.consuming().await;
    publish(&env, &["Poison Ivy"]).await;
    delivered(&env, &worker, GOOD).await;
    quarantined(&env, &worker, 1, 0).await;
    assert_eq!(worker.deaths(), 3);
    each_once(&env, 0..GOOD, 0);
    let kept = rejected(&env).await;
    assert_eq!(kept.len(), 1, "none of the others: {kept:?}");
    let id = kept[0].0.to_string();
    let shown = told(&env, &["rejected", "show", &id]).await;
    assert!(shown.contains("quarantined") && shown.contains("delivered 4 times"), "{shown}");
    assert!(told(&env, &["rejected", "list"]).await.contains("quarantined: it was delivered"));

    // Only the command handles the job now: the cause is still there, and only the command dies.
    let died = tell(&env, &["rejected", "replay", &id], DEADLY_JOB).await;
    assert_eq!(died.status.code(), None, "killed by a signal");
    assert!(told(&env, &["rejected", "replay", &id]).await.starts_with("accepted as request"));
    delivered(&env, &worker, GOOD + 1).await;
    assert_eq!(worker.deaths(), 3, "the fleet never met it again");
    each_once(&env, 0..GOOD + 1, 0);
    in_order(&env, worker, web).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_three_workers_is_quarantined_and_its_neighbours_are_sent_once() {
    let (env, web) = world(WEB).await;
    let worker = Kept::start(&env, MORTAL, DEADLY_MESSAGE);
    env.consuming().await;
    publish(&env, &["Venom"]).await;
    delivered(&env, &worker, GOOD).await;
    quarantined(&env, &worker, 0, 1).await;
    // Two more where its first text was made with its acceptance: those accuse the job, which is then tried alone
    // without a text.
    let deaths = worker.deaths();
    assert!((3..=5).contains(&deaths), "{deaths} deaths");
    each_once(&env, 0..GOOD, 0);
    assert_eq!(rejected(&env).await, [], "no job is accused");
    env.nothing_stuck().await;

    let listed = told(&env, &["quarantine", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!((&listed["jobs"], &listed["messages"][0]["deaths"]), (&json!(0), &json!(3)));
    assert_eq!(listed["messages"][0]["workers"].as_array().map(Vec::len), Some(1));
    let id = listed["messages"][0]["message_id"].as_str().expect("an id").to_owned();
    assert!(told(&env, &["quarantine", "show", &id]).await.contains("Crashes       3"));
    let shown = told(&env, &["requests", "show", &id]).await;
    assert!(shown.contains("queued (quarantined)"), "{shown}");
    assert!(told(&env, &["requests", "why", &id]).await.contains("postrider quarantine replay"));
    assert!(told(&env, &["requests", "list", "--status", "queued"]).await.contains("quarantined"));

    // Too early: the cause is still there. One more death is enough.
    assert!(told(&env, &["quarantine", "replay", &id]).await.contains("tried alone"));
    wait::until("it killed once more", || async { worker.deaths() == deaths + 1 }).await;
    quarantined(&env, &worker, 0, 1).await;
    drop(worker);
    let mended = Kept::start(&env, MORTAL, &[]);
    assert!(told(&env, &["quarantine", "replay", &id]).await.contains("tried alone"));
    delivered(&env, &mended, GOOD + 1).await;
    each_once(&env, 0..GOOD + 1, 0);
    let again = tell(&env, &["quarantine", "replay", &id], &[]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("not quarantined any more"), "{again:?}");
    in_order(&env, mended, web).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_deadly_jobs_and_two_deadly_messages_at_once_just_those_four_are_accused() {
    let (env, web) = world(WEB).await;
    let worker = Kept::start(&env, MORTAL, DEADLY_BOTH);
    env.consuming().await;
    publish(&env, &["Poison Ivy", "Venom", "Ivy Poison", "Lady Venom"]).await;
    quarantined(&env, &worker, 2, 2).await;
    let unknown = ended(&env, &worker, GOOD).await;
    // Deaths enough for four, and the broker's limit of 20 is far; with each at most the one in its call.
    let deaths = worker.deaths();
    assert!((5..=14).contains(&deaths) && unknown <= deaths, "{deaths} deaths, {unknown} unknown");
    each_once(&env, 0..GOOD, unknown);
    let kept = rejected(&env).await;
    assert_eq!(kept.len(), 2, "{kept:?}");
    let listed = told(&env, &["quarantine", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed["jobs"], 2);
    drop(worker);

    let mended = Kept::start(&env, MORTAL, &[]);
    for (id, _) in kept {
        told(&env, &["rejected", "replay", &id.to_string()]).await;
    }
    for message in listed["messages"].as_array().expect("a list") {
        told(&env, &["quarantine", "replay", message["message_id"].as_str().expect("an id")]).await;
    }
    assert_eq!(ended(&env, &mended, GOOD + 4).await, unknown, "the four are delivered");
    each_once(&env, 0..GOOD + 4, unknown);
    in_order(&env, mended, web).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_over_a_job_or_a_message_kills_no_worker_and_costs_no_other_job_anything() {
    let (env, web) = world(WEB).await;
    let worker = Kept::start(&env, MORTAL, PANICKING);
    env.consuming().await;
    publish(&env, &["Poison Ivy", "Venom"]).await;
    delivered(&env, &worker, GOOD).await;
    let kept = env.rejected(1).await;
    assert_eq!(kept, ["quarantined"], "kept at once, without a death");
    let failed = wait::until_some("the message has failed", || async {
        env.standings().await.into_iter().find(|one| one.status == "failed")
    })
    .await;
    assert_eq!(failed.reason.as_deref(), Some("render_failed"));
    each_once(&env, 0..GOOD, 0);
    assert_eq!(worker.deaths(), 0);
    in_order(&env, worker, web).await;
}
