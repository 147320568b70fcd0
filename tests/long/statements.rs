//! Faults inside the database: locks, lost races, old snapshots, slow and damaged rows, a pooler in between.
//!
//! Rows 39 to 46 of `FAULTS.md`. Each happens to a database of its own. Faults of the server and of the line
//! to it are in `faults_database`.

use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection, PgConnection, Row};

use crate::{
    database::run,
    support::{
        TestEnv,
        fake_pgbouncer::Pooler,
        inspect::Exit,
        job,
        load::{LONG_LEASES, SHORT_LEASES, SLOTS, unhurried},
        process::Process,
        wait,
        webhook::{Attempt, twilio_status},
    },
};

async fn world() -> TestEnv {
    let env = TestEnv::with_simulator(unhurried(20)).await;
    env.company("blanca", |_| {}).await;
    env
}

fn own_statements(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// 39: another connection alters a table for a long time.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_on_a_whole_table_lets_jobs_wait_and_loses_none() {
    let env = world().await;
    let mut worker = Process::start(&env, "");
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    env.consuming().await;
    env.publish_numbers(0, 100).await;
    env.taken(10).await;
    let mut somebody = PgConnection::connect(&env.database_url).await.expect("connected");
    let mut lock = somebody.begin().await.expect("begun");
    // One table alone: a second lock could meet a statement that holds it already, and lose as a deadlock.
    let statement = "lock table message in access exclusive mode";
    sqlx::query(statement).execute(&mut *lock).await.expect("locked");
    let before = env.simulator.accepted().len();
    env.publish_numbers(100, 200).await;
    // A statement that waits for a lock gives up after a while, and is tried again.
    worker.until_metric("postrider_ledger_retries_total", |retries| retries >= 1.0).await;
    let sent = env.simulator.accepted().len() - before;
    assert!(sent <= 64, "no call is made without a written attempt: {sent}");
    lock.rollback().await.expect("given back");
    env.sent_but_for(200, SLOTS).await;
    env.nothing_parked().await;
    assert_eq!(worker.terminate(), Some(0));
}

/// 42: races that the database decides against us, by its own judgement and by force.
#[tokio::test(flavor = "multi_thread")]
async fn statements_that_lost_a_race_are_repeated_a_bounded_number_of_times() {
    let env = world().await;
    let name = url::Url::parse(&env.database_url).expect("a URL").path()[1..].to_owned();
    let lost = "create function lost() returns trigger language plpgsql as $$ begin
        if nextval('losses') <= 3 then raise exception 'lost' using errcode = 'deadlock_detected'; end if;
        return null; end $$";
    let trigger = "create trigger lost before insert on request for each statement execute function lost()";
    run(&env, &own_statements(&["create sequence losses", lost, trigger])).await;
    run(&env, &[format!("alter database {name} set default_transaction_isolation = 'serializable'")]).await;
    let mut worker = Process::start(&env, LONG_LEASES);
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    let mut other = Process::start(&env, &format!("{LONG_LEASES}roles.web = false"));
    env.consuming().await;
    env.publish_numbers(0, 300).await;
    env.all_sent_once(300).await;
    let (tried,): (i64,) =
        sqlx::query_as("select last_value from losses").fetch_one(&env.pool).await.expect("asked");
    assert!(tried > 3, "what was lost by force was tried again");
    let metric = "postrider_ledger_retries_total";
    let retries = worker.metric(metric).await + other.metric(metric).await;
    println!("{retries} statements were repeated");
    assert!(retries >= 3.0);
    assert_eq!((worker.terminate(), other.terminate()), (Some(0), Some(0)));
}

/// 43: each statement takes its time.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_database_makes_the_broker_keep_the_backlog_and_webhooks_wait_within_bounds() {
    let env = world().await;
    let slow = "create function slow() returns trigger language plpgsql as $$ begin
        perform pg_sleep(0.3); return null; end $$";
    let on = |table| {
        format!(
            "create trigger slow before insert or update on {table} for each statement execute function slow()"
        )
    };
    run(&env, &[slow.to_owned(), on("request"), on("message"), on("receipt")]).await;
    let mut worker = Process::start(&env, "amqp.prefetch = 40\namqp.batch_max = 20");
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    env.consuming().await;
    let before = worker.kilobytes("VmRSS");
    env.publish_numbers(0, 200).await;
    env.taken(1).await;
    let attempt = Attempt::of(&env, "blanca-twilio", &env.simulator.accepted()[0].recipient).await;
    let asked = postrider_clock::monotonic();
    let told = twilio_status(&env, "blanca-twilio", &attempt, "sent", None).send(&env).await;
    assert!(matches!(told, 200 | 503), "answered {told}");
    assert!(asked.elapsed() < Duration::from_secs(10), "after {:?}", asked.elapsed());
    let (waiting, _) = env.queue("requests").await.expect("the queue is there");
    assert!(waiting > 0, "the broker keeps what cannot be written yet");
    assert!(worker.metric("postrider_deliveries_unacknowledged").await <= 40.0, "no more than the prefetch");
    run(&env, &["request", "message", "receipt"].map(|table| format!("drop trigger slow on {table}"))).await;
    env.sent_but_for(200, SLOTS).await;
    let grown = worker.kilobytes("VmRSS").saturating_sub(before);
    assert!(grown < 60_000, "{grown} kB more");
    assert_eq!(worker.terminate(), Some(0));
}

/// Blocks that the scan of the due index touches in a claim with this floor; nothing is claimed for good.
async fn touched(connection: &mut PgConnection, floor: &str) -> i64 {
    let mut transaction = connection.begin().await.expect("begun");
    let explain = format!(
        "explain (analyze, buffers, format json)
         execute claim(array[1], array[10], array[{floor}], gen_random_uuid(), gen_random_uuid(), 60)"
    );
    let row =
        sqlx::raw_sql(sqlx::AssertSqlSafe(explain)).fetch_one(&mut *transaction).await.expect("explained");
    transaction.rollback().await.expect("undone");
    let mut blocks = 0;
    scans(&row.get::<Value, _>(0), &mut blocks);
    blocks
}

fn scans(node: &Value, blocks: &mut i64) {
    if node["Index Name"] == "due_send" {
        let count = |name: &str| node[name].as_i64().unwrap_or(0);
        *blocks += count("Shared Hit Blocks") + count("Shared Read Blocks");
        return;
    }
    match node {
        Value::Object(fields) => fields.values().for_each(|value| scans(value, blocks)),
        Value::Array(items) => items.iter().for_each(|item| scans(item, blocks)),
        _ => {}
    }
}

/// 40: docs/dependency-hazards.md#f13: while an old snapshot is open, claimed rows stay in the index.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_with_its_floor_stays_quick_over_the_dead_rows_that_an_old_snapshot_keeps() {
    let env = TestEnv::new().await;
    let fill = "insert into due (message, kind, lane, at, expires_at)
        select gen_random_uuid(), 0, 1, now() - interval '1 hour', now() + interval '1 day' from generate_series(1, 20000)";
    run(&env, &own_statements(&[fill])).await;
    let mut old = PgConnection::connect(&env.database_url).await.expect("connected");
    let mut snapshot = old.begin_with("begin isolation level repeatable read").await.expect("begun");
    let counted = sqlx::query("select count(*) from due").execute(&mut *snapshot).await.expect("seen");
    assert_eq!(counted.rows_affected(), 1);
    let one = "insert into due (message, kind, lane, at, expires_at)
        values (gen_random_uuid(), 0, 1, now(), now() + interval '1 day')";
    run(&env, &own_statements(&["delete from due", "vacuum due", one])).await;
    let mut connection = PgConnection::connect(&env.database_url).await.expect("connected");
    let prepare = format!(
        "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_bitmapscan = off;
         set enable_mergejoin = off; prepare claim as {}",
        include_str!("../../crates/ledger/src/sql/claim.sql")
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(prepare)).execute(&mut connection).await.expect("prepared");
    let with = touched(&mut connection, "now() - interval '15 seconds'").await;
    let without = touched(&mut connection, "'epoch'::timestamptz").await;
    println!("{with} blocks with the floor, {without} without");
    assert!(without > 100, "the dead rows are there: {without} blocks");
    assert!(with < 20, "and the floor keeps us off them: {with} blocks");
    snapshot.rollback().await.expect("ended");
}

/// 45: rows that no statement of ours could have written.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_rows_hinder_no_other_row_and_are_never_sent() {
    let env = world().await;
    env.company("other", |_| {}).await;
    let worker = env.worker_with("roles.dispatch = false").await;
    env.consuming().await;
    env.publish_numbers(0, 20).await;
    env.all_are(20, "queued").await;
    assert!(worker.stop().await, "it ends within its deadline");
    let of = |n: usize, table: &str| {
        format!(
            "(select id from request where customer_phone = '{}') r where {table}.id = r.id",
            job::phone(n)
        )
    };
    let damages = [
        format!("update message set medium = 9 from {}", of(0, "message")),
        format!("update request set brand = 'gone' from {}", of(1, "request")),
        format!("update request set customer_phone = null from {}", of(2, "request")),
    ];
    run(&env, &damages).await;
    let mut worker = Process::start(&env, SHORT_LEASES);
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    env.taken(17).await;
    // A company's document that cannot be read any more: the last view of all companies holds.
    let unreadable =
        "update policy set document = '{}' where company = (select id from company where slug = 'other')";
    run(&env, &own_statements(&[unreadable])).await;
    env.company("blanca", |policy| policy.suppression_days += 1).await;
    worker
        .logged(
            "reading companies failed, retrying after companies.refresh_ms; the last snapshot stays in use",
        )
        .await;
    env.consuming().await;
    env.publish_numbers(20, 40).await;
    env.taken(37).await;
    // Past another lease: the damaged messages caused no call.
    wait::elapse(Duration::from_secs(3)).await;
    let accepted = env.simulator.accepted();
    assert_eq!(accepted.len(), 37);
    assert!((0..3).all(|n| accepted.iter().all(|one| one.recipient != job::phone(n))));
    let sound = env.standings().await.into_iter().filter(|one| matches!(one.status, "sent" | "delivered"));
    assert_eq!(sound.count(), 37);
    assert!(!worker.printed().contains("panicked"), "{}", worker.printed());
    assert_eq!(worker.terminate(), Some(0));
}

/// 46: docs/dependency-hazards.md#f2.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_in_transaction_mode_a_worker_refuses_to_start_and_says_why() {
    let env = world().await;
    let (_pooler, url) = Pooler::before(&env.database_url).await;
    let mut worker = Process::start(&env, &format!("database.url = \"{url}\""));
    assert_eq!(worker.exit(Duration::from_secs(20)).await, Exit::Code(1));
    let printed = worker.printed();
    assert!(printed.contains("transaction pooler"), "{printed}");
    assert_eq!(env.queue("requests").await, None, "before it took anything");
}
