//! Restarts and kills in the middle of the work: everything ends, nothing is sent twice.
//!
//! Broker and database restarts run on a stack of their own, so that other tests do not feel them.

use std::{collections::HashMap, time::Duration};

use postrider_provider_simulator::{Behaviour, SimulatorConfig};

use crate::support::{TestEnv, broker::Producer, env::Standing, job, process::Process, stack::Stack, wait};

/// Publishes `count` jobs from a task of its own, again and again until each is confirmed, as a producer
/// does that must not lose one.
fn publishing(env: &TestEnv, count: usize) -> tokio::task::JoinHandle<()> {
    let (url, exchange) = (env.amqp_url.clone(), env.amqp_name.clone());
    tokio::spawn(async move {
        let mut next = 0;
        while next < count {
            let connect = || async { Producer::try_connect(&url, &exchange).await.ok() };
            let producer = wait::until_some("the broker takes connections", connect).await;
            while next < count {
                let batch: Vec<(String, String)> = (next..count.min(next + 100)).map(job::message).collect();
                if producer.publish_all("requests.blanca", &batch).await.is_err() {
                    break;
                }
                next += batch.len();
            }
        }
    })
}

/// No job is lost, none is sent twice, and nothing waits any more; gives how each ended.
async fn all_accounted_for(env: &TestEnv, count: usize, patience: Duration) -> HashMap<&'static str, usize> {
    let settled = |one: &Standing| one.status != "queued";
    let standings = wait::until_some_within(patience, &format!("{count} requests are settled"), || async {
        let standings = env.standings().await;
        (standings.len() == count && standings.iter().all(settled)).then_some(standings)
    })
    .await;
    drop(standings);
    env.simulator.webhooks_settled().await;
    let standings = env.standings().await;
    let mut accepted: HashMap<String, usize> = HashMap::new();
    for one in env.simulator.accepted() {
        *accepted.entry(one.recipient).or_default() += 1;
    }
    let twice: Vec<_> = accepted.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    let mut ends: HashMap<&'static str, usize> = HashMap::new();
    for one in &standings {
        if one.status == "failed" {
            assert_eq!(one.reason.as_deref(), Some("outcome_unknown"), "{one:?}");
        }
        *ends.entry(one.status).or_default() += 1;
    }
    let went_out = ends.get("delivered").unwrap_or(&0) + ends.get("sent").unwrap_or(&0);
    assert_eq!(went_out, accepted.len(), "what the provider has is what we show as sent: {ends:?}");
    ends
}

fn unhurried() -> SimulatorConfig {
    SimulatorConfig {
        behaviour: Behaviour {
            latency: (Duration::from_millis(1), Duration::from_millis(30)),
            webhook_delay: (Duration::from_millis(5), Duration::from_millis(50)),
            ..Behaviour::default()
        },
        ..SimulatorConfig::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_broker_and_postgres_restarted_in_the_middle_all_5000_jobs_end_and_none_is_sent_twice() {
    let stack = tokio::task::spawn_blocking(|| Stack::start("restarts")).await.expect("the stack starts");
    let env = TestEnv::on(&stack.database_url, &stack.amqp_url, unhurried()).await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.consuming().await;
    let publishing = publishing(&env, 5_000);
    let stack = std::sync::Arc::new(stack);
    for (sent, command) in [
        (500, vec!["restart-broker"]),
        (1_500, vec!["restart-postgres", "immediate"]),
        (2_500, vec!["restart-postgres", "fast"]),
        (3_500, vec!["restart-broker"]),
    ] {
        wait::until_some_within(Duration::from_secs(90), &format!("{sent} are sent"), || async {
            (env.simulator.accepted().len() >= sent).then_some(())
        })
        .await;
        let stack = std::sync::Arc::clone(&stack);
        tokio::task::spawn_blocking(move || stack.tell(&command)).await.expect("restarted");
    }
    publishing.await.expect("everything is published");
    let ends = all_accounted_for(&env, 5_000, Duration::from_secs(120)).await;
    println!("ends: {ends:?}");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_a_new_worker_brings_everything_to_its_end() {
    let env = TestEnv::with_simulator(unhurried()).await;
    env.company("blanca", |_| {}).await;
    // As in a fleet, another worker takes the webhooks; the workers to be killed do the rest.
    let web = env.worker_with("roles.intake = false\nroles.dispatch = false").await;
    let more = "roles.web = false";
    let mut killed = Process::start(&env, more);
    env.consuming().await;
    let publishing = publishing(&env, 2_000);
    for sent in [200, 700, 1_200] {
        wait::until_some_within(Duration::from_secs(90), &format!("{sent} are sent"), || async {
            (env.simulator.accepted().len() >= sent).then_some(())
        })
        .await;
        killed.kill();
        killed = Process::start(&env, more);
    }
    publishing.await.expect("everything is published");
    let ends = all_accounted_for(&env, 2_000, Duration::from_secs(120)).await;
    println!("ends: {ends:?}");
    // 64 call slots, three kills: no more could have been under way.
    assert!(ends.get("failed").copied().unwrap_or(0) <= 3 * 64, "the kills explain the unknowns: {ends:?}");
    assert_eq!(killed.terminate(), Some(0));
    assert!(!killed.printed().contains("panicked"), "{}", killed.printed());
    env.nothing_left(web).await;
}
