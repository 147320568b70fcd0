//! Faults of clocks, links, logs and settings, and of a fleet that grows and shrinks.
//!
//! Rows 71 to 79 of `FAULTS.md`. Time that a test lets pass is the fault itself.

use std::{
    fs::OpenOptions,
    process::{Command, Stdio},
    time::Duration,
};

use postrider_provider_simulator::Behaviour;
use serde_json::json;

use crate::{
    database::run,
    support::{
        TestEnv,
        clock::MovedClock,
        env::free_port,
        http,
        inspect::Exit,
        job,
        load::{LONG_LEASES, SHORT_LEASES, unhurried},
        process::Process,
        proxy::{Fault, Proxy, Way},
        wait,
    },
};

const HOURS: i64 = 3_600_000;

/// Seconds by which sends began after they were due, the earliest and the latest.
async fn lateness(env: &TestEnv) -> (f64, f64) {
    sqlx::query_as(
        "select min(extract(epoch from begun_at - first_due_at))::float8,
            max(extract(epoch from begun_at - first_due_at))::float8 from message",
    )
    .fetch_one(&env.pool)
    .await
    .expect("asked")
}

async fn publish_delayed(env: &TestEnv, numbers: std::ops::Range<usize>) {
    for n in numbers {
        let mut body = job::numbered(n);
        if n % 2 == 0 {
            body["customer"] = json!({ "email": format!("customer.{n}@example.test") });
        }
        body["delay_secs"] = json!(1);
        env.publish(&body).await;
    }
}

/// 71 and 72: a worker's wall clock jumps two hours forth and back, and then runs away.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_a_clock_that_jumps_or_drifts_sends_on_time_by_the_databases() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let clock = MovedClock::new();
    let mut worker = Process::start_changed(&env, "", |command| clock.give(command));
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    env.consuming().await;
    clock.move_to_millis(2 * HOURS);
    publish_delayed(&env, 0..6).await;
    env.all_are(6, "delivered").await;
    let shown = worker.printed().lines().last().map(str::to_owned).expect("it logs");
    println!("two hours ahead: {shown}");
    // A receipt two hours from the future is not believed; the message itself went out.
    clock.move_to_millis(-2 * HOURS);
    publish_delayed(&env, 6..12).await;
    env.all_sent_once(12).await;
    assert!(worker.metric("postrider_receipts_refused_total").await >= 1.0, "and this is told");
    // A second a minute, and sixty times that.
    let drift = async {
        for step in 0..30 {
            clock.move_to_millis(step * 100);
            wait::elapse(Duration::from_millis(100)).await;
        }
    };
    tokio::join!(drift, publish_delayed(&env, 12..18));
    env.all_sent_once(18).await;
    let (earliest, latest) = lateness(&env).await;
    assert!(
        (0.0..5.0).contains(&earliest) && latest < 5.0,
        "from {earliest} s to {latest} s after their time"
    );
    let worst = worker.metric("postrider_leases_swept_total").await;
    assert_eq!(worst, 0.0, "no lease was taken for one that ran out");
    assert_eq!(worker.terminate(), Some(0));
}

/// 71: the database's own clock jumps, which all workers share: under the calls all leases run out at once.
#[tokio::test(flavor = "multi_thread")]
async fn when_the_databases_clock_jumps_under_the_calls_no_customer_is_asked_twice() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let name = url::Url::parse(&env.database_url).expect("a URL").path()[1..].to_owned();
    let shifted = |hours: i32| {
        format!(
            "create or replace function shifted.now() returns timestamptz language sql stable as
             $$ select pg_catalog.now() + interval '{hours} hours' $$"
        )
    };
    let search = format!("alter database {name} set search_path = shifted, pg_catalog, public");
    run(&env, &["create schema shifted".to_owned(), shifted(0), search]).await;
    // No receipt helps: what became of a call is told by its answer alone.
    env.simulator.set_behaviour(Behaviour { webhook_loss_rate: 1.0, ..Behaviour::default() });
    for n in 0..10 {
        env.simulator.set_recipient_fault(&job::phone(n), "hang");
    }
    let mut worker = Process::start(&env, "dispatch.http_timeout_secs = 20.0");
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    env.consuming().await;
    env.publish_numbers(0, 10).await;
    env.taken(10).await;
    publish_delayed(&env, 10..20).await;
    wait::until("all are there", || async { env.standings().await.len() == 20 }).await;
    run(&env, &[shifted(2)]).await;
    worker.until_metric("postrider_leases_swept_total", |swept| swept >= 1.0).await;
    env.simulator.release_hung();
    env.all_sent_once(20).await;
    run(&env, &[shifted(0)]).await;
    env.publish_numbers(20, 40).await;
    env.all_sent_once(40).await;
    assert_eq!(worker.terminate(), Some(0));
}

/// A link that carries nothing for a while, in these directions.
async fn dead_for_a_while(link: &Proxy, ways: &[Way], meanwhile: impl AsyncFnOnce()) {
    ways.iter().for_each(|way| link.set(*way, Fault::Stall));
    meanwhile().await;
    ways.iter().for_each(|way| link.set(*way, Fault::Pass));
}

/// 74: each link by itself, in both directions and in one.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_of_any_one_link_in_any_direction_loses_nothing_and_is_told() {
    let env = TestEnv::with_simulator(unhurried(20)).await;
    let (database, database_url) = Proxy::before(&env.database_url).await;
    let (broker, amqp_url) = Proxy::before(&env.amqp_url).await;
    let provider = Proxy::to(env.simulator.http_addr);
    env.company("blanca", |policy| {
        policy.accounts[0] = crate::support::company::twilio("blanca", provider.addr);
    })
    .await;
    let more = format!(
        "{SHORT_LEASES}database.url = \"{database_url}\"\namqp.url = \"{amqp_url}\"\namqp.heartbeat_secs = 1"
    );
    let mut worker = Process::start(&env, &more);
    env.consuming().await;
    let mut published = 0;
    for ways in [&[Way::Up, Way::Down][..], &[Way::Down][..], &[Way::Up][..]] {
        for link in [&database, &broker, &provider] {
            env.publish_numbers(published, published + 30).await;
            dead_for_a_while(link, ways, async || {
                env.publish_numbers(published + 30, published + 60).await;
                if std::ptr::eq(link, &database) {
                    wait::until("it is not ready", || async { !worker.is_ready().await }).await;
                } else if std::ptr::eq(link, &broker) {
                    worker.until_metric("postrider_broker_consuming", |consuming| consuming == 0.0).await;
                } else {
                    worker.until_metric("postrider_breaker_state", |state| state > 0.0).await;
                }
            })
            .await;
            published += 60;
            let ends = env.accounted_for(published).await;
            assert!(ends.unknown <= 9 * 64, "only what was under way can be unknown: {ends:?}");
            wait::until("it is ready", || async { worker.is_ready().await }).await;
        }
    }
    println!("{:?} {:?} {:?}", database.counts(), broker.counts(), provider.counts());
    assert_eq!(worker.terminate(), Some(0));
}

/// 75: the reader of the log has stopped; or its disk is full.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_a_reader_stops_no_work_and_its_lost_lines_are_counted() {
    for full_disk in [false, true] {
        let env = TestEnv::new().await;
        env.company("blanca", |_| {}).await;
        let private = format!("127.0.0.1:{}", free_port());
        let more = format!(
            "log.level = \"trace\"\nweb.private_listen = \"{private}\"\ndispatch.claim_interval_ms = 1\n\
             dispatch.sweep_interval_ms = 1"
        );
        let mut worker = Process::start_changed(&env, &more, |command| {
            let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full is there");
            command.stderr(if full_disk { Stdio::from(full) } else { Stdio::piped() });
        });
        env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
        env.consuming().await;
        let dropped = async || {
            let answer = http().get(format!("http://{private}/metrics")).send().await.expect("it answers");
            let text = answer.text().await.expect("read");
            text.lines().any(|line| line.starts_with("postrider_log_lines_dropped_total "))
        };
        // A healthy worker logs next to nothing; a worker with failing sweeps logs each failure.
        run(&env, &["alter table lease rename to lease_gone".to_owned()]).await;
        wait::until("more lines are said than the queue holds", dropped).await;
        run(&env, &["alter table lease_gone rename to lease".to_owned()]).await;
        // The pipe is full, the queue is full: and now?
        env.publish_numbers(0, 100).await;
        env.all_sent_once(100).await;
        worker.signal("TERM");
        assert_eq!(worker.exit(Duration::from_secs(12)).await, Exit::Code(0), "it ends as ever");
    }
}

/// 76: what cannot work is refused at the start, in words that name the key and no secret.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_wrong_settings_ends_at_once_and_says_which() {
    let env = TestEnv::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let database = |name: &str| {
        let mut url = url::Url::parse(&env.database_url).expect("a URL");
        url.set_path(name);
        url.set_password(Some("hunter2")).expect("a password can be set");
        url.to_string()
    };
    let cases = [
        ("secret = \"\"".to_owned(), "secret needs at least 32 characters"),
        ("secret = \"hunter2\"".to_owned(), "secret needs at least 32 characters"),
        ("database.url = \"\"".to_owned(), "database.url is empty"),
        ("database.url = \"postgres//u:hunter2@nowhere\"".to_owned(), "database.url is not of the form"),
        (format!("database.url = \"{}\"", database("no_such_database")), "does not exist"),
        (format!("database.url = \"{}\"", database("postgres")), "run `postrider migrate`"),
        ("dispatch.colour = \"hunter2\"".to_owned(), "unknown field `colour`"),
        ("amqp.prefetch = \"many\"".to_owned(), "amqp.prefetch"),
        ("retry.jitter = 7.0".to_owned(), "retry.jitter is 7"),
        (format!("web.listen = \"{address}\""), "listen on"),
    ];
    for (more, expected) in cases {
        let mut worker = Process::start(&env, &more);
        assert_eq!(worker.exit(Duration::from_secs(15)).await, Exit::Code(1), "{more}");
        let printed = worker.printed();
        assert!(printed.contains(expected), "{more}: {printed}");
        assert!(!printed.contains("hunter2") && !printed.contains("panicked"), "{more}: {printed}");
    }
}

/// 78: two at once, on a database with nothing in it.
#[tokio::test(flavor = "multi_thread")]
async fn two_migrations_at_once_make_one_schema() {
    let env = TestEnv::new().await;
    let name = format!("empty_{}", postrider_clock::random_id().simple());
    run(&env, &[format!("create database {name}")]).await;
    let mut url = url::Url::parse(&env.database_url).expect("a URL");
    url.set_path(&name);
    let migrate = || {
        Command::new(env!("CARGO_BIN_EXE_postrider"))
            .arg("migrate")
            .env("DATABASE_URL", url.as_str())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts")
    };
    let both = [migrate(), migrate()];
    for one in both {
        let output = one.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("up to date"));
    }
    run(&env, &[format!("drop database {name} with (force)")]).await;
}

/// 79: from one worker to eight and back, under load.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_grows_and_shrinks_sends_all_once_and_opens_no_more_sessions_than_it_may() {
    let env = TestEnv::with_simulator(unhurried(60)).await;
    env.company("blanca", |policy| policy.accounts[0].rate_per_sec = 150).await;
    let small = format!(
        "{LONG_LEASES}database.intake_connections = 1\ndatabase.dispatch_connections = 2\ndatabase.web_connections = 1\n\
         database.reads_connections = 1"
    );
    let first = env.worker_with(&small).await;
    env.consuming().await;
    env.publish_numbers(0, 300).await;
    let mut more = Vec::new();
    for _ in 0..7 {
        more.push(env.worker_with(&format!("{small}\nroles.web = false")).await);
    }
    wait::until("all consume", || async { env.queue("requests").await.is_some_and(|(_, of)| of == 8) }).await;
    env.publish_numbers(300, 900).await;
    env.taken(500).await;
    let (sessions,): (i64,) = sqlx::query_as(
        "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'postrider'",
    )
    .fetch_one(&env.pool)
    .await
    .expect("asked");
    assert!(sessions <= 8 * 5, "{sessions} sessions");
    for worker in more {
        assert!(worker.stop().await, "each ends within its deadline");
    }
    env.publish_numbers(900, 1_000).await;
    env.all_sent_once(1_000).await;
    env.nothing_left(first).await;
}
