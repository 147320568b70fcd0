//! Faults of the worker's own process: frozen, told to go in the middle, out of memory, descriptors, time.
//!
//! Rows 3 to 12 and 73 of `FAULTS.md`. Workers that are hurt are processes of their own; as in a fleet another
//! worker takes the webhooks meanwhile.

use std::{process::Command, sync::mpsc, time::Duration};

use postrider::worker::{self, Worker};
use postrider_domain::company::Policy;
use postrider_provider_simulator::{Behaviour, SimulatorConfig};
use serde_json::json;

use crate::support::{
    TestEnv,
    broker::Producer,
    inspect::Exit,
    job,
    load::{LONG_LEASES, SHORT_LEASES, unhurried},
    process::Process,
    proxy::{Fault, Proxy},
    wait,
};

const NO_WEB: &str = "roles.web = false\n";

/// A test environment with a separate worker for the webhooks.
async fn world(simulator: SimulatorConfig) -> (TestEnv, Worker) {
    let env = TestEnv::with_simulator(simulator).await;
    env.company("blanca", |_| {}).await;
    let web = env.worker_with("roles.intake = false\nroles.dispatch = false").await;
    (env, web)
}

/// Bounds a resource of a running process: its soft limit only, so that it can be raised again.
fn limit(process: &Process, resource: &str, most: u64) {
    let (pid, limit) = (process.pid().to_string(), format!("--{resource}={most}:"));
    let set = Command::new("prlimit").args(["--pid", &pid, &limit]).status().expect("prlimit runs");
    assert!(set.success(), "the limit {resource} is set");
}

/// 3: longer than its leases and its heartbeats.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_frozen_past_its_leases_wakes_up_and_sends_nothing_twice() {
    let (env, web) = world(unhurried(300)).await;
    // Due a moment later, so that they are claimed: what is due at once waits in the broker for a call slot.
    let a_moment_later = |policy: &mut Policy| {
        policy.accounts[0].concurrency = 8;
        policy.delay_secs = 1;
    };
    env.company("blanca", a_moment_later).await;
    let more = format!("{NO_WEB}{SHORT_LEASES}amqp.heartbeat_secs = 2");
    let mut frozen = Process::start(&env, &more);
    env.consuming().await;
    env.publish_numbers(0, 200).await;
    env.taken(10).await;
    frozen.signal("STOP");
    let mut other = Process::start(&env, &more);
    other.until_metric("postrider_leases_swept_total", |swept| swept >= 1.0).await;
    let patience = Duration::from_secs(90);
    wait::until_some_within(patience, "the other worker has brought everything to its end", || async {
        let standings = env.standings().await;
        let ended = standings.iter().all(|one| one.status != "queued");
        (standings.len() == 200 && ended).then_some(())
    })
    .await;
    let before = env.standings().await;
    frozen.signal("CONT");
    // It finds out that its broker has given it up, and subscribes anew.
    wait::until("both consume", || async { env.queue("requests").await.is_some_and(|(_, of)| of == 2) })
        .await;
    env.publish_numbers(200, 220).await;
    let ends = env.accounted_for(220).await;
    assert!(ends.unknown <= 8, "only what was being called when it froze can be unknown: {ends:?}");
    let after = env.standings().await;
    for (was, is) in before.iter().zip(&after) {
        let fell = was.status == "delivered" && is.status != "delivered";
        assert!(was.id == is.id && !fell, "the worker that woke up overwrote nothing: {was:?} {is:?}");
    }
    assert_eq!((frozen.terminate(), other.terminate()), (Some(0), Some(0)));
    env.nothing_left(web).await;
}

/// 5 and 6: the provider does not answer while the worker is told to go.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_told_to_go_while_its_provider_hangs_goes_by_its_deadline_and_at_a_second_word_at_once() {
    let (env, web) = world(SimulatorConfig::default()).await;
    for n in 0..20 {
        env.simulator.set_recipient_fault(&job::phone(n), "hang");
    }
    // No receipt tells the outcome of the first ten.
    env.simulator.set_behaviour(Behaviour { webhook_loss_rate: 1.0, ..Behaviour::default() });
    let more = format!("{NO_WEB}dispatch.http_timeout_secs = 3.0\ndispatch.lease_margin_secs = 1.0");
    let mut deadline = Process::start(&env, &format!("{more}\nshutdown.deadline_secs = 1.0"));
    env.consuming().await;
    env.publish_numbers(0, 10).await;
    env.taken(10).await;
    deadline.signal("TERM");
    assert_eq!(deadline.exit(Duration::from_secs(5)).await, Exit::Code(1), "not everything ended");

    env.simulator.set_behaviour(Behaviour::default());
    let mut twice = Process::start(&env, &more);
    env.consuming().await;
    env.publish_numbers(10, 20).await;
    env.taken(20).await;
    twice.signal("TERM");
    twice.logged("worker stopping; a second signal ends it at once").await;
    twice.signal("INT");
    assert_eq!(twice.exit(Duration::from_secs(1)).await, Exit::Code(1), "asked a second time");

    // Outcomes without a receipt are asked for.
    let mut next = Process::start(&env, &format!("{NO_WEB}{SHORT_LEASES}"));
    wait::until("the next worker knows what became of all", || async {
        let standings = env.standings().await;
        standings.iter().filter(|one| one.status == "delivered").count() == 20
    })
    .await;
    assert_eq!(env.simulator.accepted().len(), 20, "no customer was asked again");
    env.nothing_stuck().await;
    env.no_lease().await;
    assert_eq!(next.terminate(), Some(0));
    env.nothing_left(web).await;
}

/// 7: memory is refused, as a killer of processes would do it a little later.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_runs_out_of_memory_dies_and_loses_nothing() {
    let (env, web) = world(SimulatorConfig::default()).await;
    let mut starved = Process::start_changed(&env, NO_WEB, |command| {
        // One heap, so that the limit is met where memory is asked for and not in reserves.
        command.env("MALLOC_ARENA_MAX", "1");
    });
    env.consuming().await;
    limit(&starved, "data", (starved.kilobytes("VmData") + 8 * 1024) * 1024);
    let properties: serde_json::Map<_, _> =
        (0..30).map(|n| (format!("p{n}"), json!("x".repeat(2_000)))).collect();
    let heavy = |n| {
        let mut job = job::numbered(n);
        job["custom_properties"] = json!(properties);
        (format!("job-{n}"), job.to_string())
    };
    let jobs: Vec<(String, String)> = (0..400).map(heavy).collect();
    let producer = Producer::connect(&env.amqp_url, &env.amqp_name).await;
    producer.publish_all("requests.blanca", &jobs).await.expect("the broker takes them all");
    let exit = starved.exit(Duration::from_secs(30)).await;
    assert!(matches!(exit, Exit::Signal(_)), "it dies and does not stumble on: {exit:?}");
    assert!(starved.printed().contains("memory allocation"), "{}", starved.printed());
    let mut next = Process::start(&env, NO_WEB);
    let ends = env.accounted_for(400).await;
    assert!(ends.unknown <= 64, "no more than the calls under way: {ends:?}");
    env.nothing_parked().await;
    assert_eq!(next.terminate(), Some(0));
    env.nothing_left(web).await;
}

/// 10: no task runs, so no heartbeat goes out and no lease is renewed, while the sockets stay open.
#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_was_blocked_past_its_heartbeats_and_leases_recovers_by_itself() {
    let (env, web) = world(unhurried(200)).await;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let config = env.config(&format!("{NO_WEB}{SHORT_LEASES}amqp.heartbeat_secs = 1"));
    let worker = runtime.spawn(worker::start(config, false)).await.expect("no panic");
    let worker = worker.expect("the worker starts");
    env.consuming().await;
    env.publish_numbers(0, 200).await;
    env.taken(20).await;
    let blocked: Vec<mpsc::Sender<()>> = (0..2)
        .map(|_| {
            let (release, blocked) = mpsc::channel();
            runtime.spawn(async move { blocked.recv() });
            release
        })
        .collect();
    wait::until("the broker gives it up", || async {
        env.queue("requests").await.is_some_and(|(_, consumers)| consumers == 0)
    })
    .await;
    wait::elapse(Duration::from_secs(2)).await;
    drop(blocked);
    env.consuming().await;
    env.publish_numbers(200, 220).await;
    let ends = env.accounted_for(220).await;
    assert!(ends.unknown <= 64, "no more than the calls under way: {ends:?}");
    assert!(runtime.spawn(worker.stop()).await.expect("no panic"), "it ends within its deadline");
    runtime.shutdown_background();
    env.nothing_left(web).await;
}

/// 11: not one more descriptor can be opened, for calls, for the broker, for health.
#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_a_worker_waits_without_spinning_and_goes_on_when_it_gets_some() {
    let (env, web) = world(SimulatorConfig::default()).await;
    let mut worker = Process::start(&env, NO_WEB);
    env.consuming().await;
    worker.logged("worker started").await;
    limit(&worker, "nofile", 4);
    env.publish_numbers(0, 20).await;
    let before = worker.processor_time();
    wait::elapse(Duration::from_secs(3)).await;
    let used = worker.processor_time() - before;
    assert!(used < Duration::from_millis(1_500), "it does not spin: {used:?} in 3 s");
    assert_eq!(worker.ask("/readyz").await, None, "it does not answer as ready");
    assert!(env.simulator.calls().is_empty(), "no call could be made");
    limit(&worker, "nofile", 1_024);
    env.all_sent_once(20).await;
    let (tries,): (i16,) =
        sqlx::query_as("select max(tries) from message").fetch_one(&env.pool).await.expect("asked");
    assert_eq!(tries, 1, "a call that could not be made does not count");
    assert!(worker.is_ready().await);
    assert_eq!(worker.terminate(), Some(0));
    env.nothing_left(web).await;
}

/// 12: a server accepts every connection and never answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_takes_connections_and_says_nothing_costs_no_threads_and_no_sockets() {
    let (env, web) = world(SimulatorConfig::default()).await;
    let (hole, url) = Proxy::before(&env.amqp_url).await;
    hole.set_both(&Fault::Swallow);
    let mut worker = Process::start(&env, &format!("{NO_WEB}amqp.url = \"{url}\""));
    worker.logged("worker started").await;
    let connections = |count| {
        let hole = &hole;
        wait::until("it tries again", move || async move { hole.counts().connections >= count })
    };
    connections(1).await;
    let before = worker.descriptors();
    connections(3).await;
    assert_eq!(worker.metric("postrider_broker_consuming").await, 0.0);
    assert_eq!(worker.threads("lapin-io-loop"), 0, "a plain socket asks first");
    let after = worker.descriptors();
    assert!(after <= before + 8, "{before} descriptors became {after}");
    assert!(hole.counts().connections <= 4, "and it does not hammer: {:?}", hole.counts());
    hole.set_both(&Fault::Pass);
    env.consuming().await;
    env.publish_numbers(0, 20).await;
    env.all_sent_once(20).await;
    let loops = worker.threads("lapin-io-loop");
    assert!((1..=2).contains(&loops), "one for jobs, one for responses when it is there again: {loops}");
    assert_eq!(worker.terminate(), Some(0));
    env.nothing_left(web).await;
}

/// 73: nine tenths of the time it does not run at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_gets_a_tenth_of_its_time_sends_all_once_and_loses_no_lease() {
    let (env, web) = world(unhurried(50)).await;
    let mut worker = Process::start(&env, &format!("{NO_WEB}{LONG_LEASES}"));
    env.consuming().await;
    env.publish_numbers(0, 200).await;
    for _ in 0..30 {
        worker.signal("STOP");
        wait::elapse(Duration::from_millis(90)).await;
        worker.signal("CONT");
        wait::elapse(Duration::from_millis(10)).await;
    }
    env.all_sent_once(200).await;
    assert_eq!(worker.metric("postrider_leases_swept_total").await, 0.0, "no lease ran out");
    assert_eq!(worker.terminate(), Some(0));
    env.nothing_left(web).await;
}
