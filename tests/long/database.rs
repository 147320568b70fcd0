//! Faults of the database server and of the line to it: rows 31 to 38, 41 and 74 of `FAULTS.md`.
//!
//! Faults that other tests would feel are done to a server of its own. Faults inside statements are in
//! `statements`.

use std::{collections::HashSet, path::Path, process::Command, sync::Arc, time::Duration};

use lapin::types::{AMQPValue, FieldTable};
use postrider::worker::{Purpose, pool};
use postrider_ledger::Ledger;

use crate::support::{
    TestEnv, company,
    inspect::{family, signal},
    job,
    load::{SHORT_LEASES, SLOTS, unhurried},
    process::Process,
    proxy::{Cut, Fault, Proxy, Way},
    stack::Stack,
    wait,
    webhook::{Attempt, twilio_status},
};

/// Statements for a test's own database.
pub async fn run(env: &TestEnv, statements: &[String]) {
    for statement in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).execute(&env.pool).await.expect("done");
    }
}

fn database(env: &TestEnv) -> String {
    url::Url::parse(&env.database_url).expect("a URL").path().trim_start_matches('/').to_owned()
}

/// Ends every session of the workers of a world.
async fn terminate_sessions(env: &TestEnv) {
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'postrider'",
    )
    .execute(&env.pool)
    .await
    .expect("asked");
}

/// A worker that takes its own webhooks, behind a line to its database.
async fn behind_a_line(env: &TestEnv, more: &str) -> (Proxy, Process) {
    let (line, url) = Proxy::before(&env.database_url).await;
    let worker = Process::start(env, &format!("database.url = \"{url}\"\n{more}"));
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    env.consuming().await;
    (line, worker)
}

/// A database server of its own, and one worker that lives through everything.
struct World {
    stack: Arc<Stack>,
    env: TestEnv,
    worker: Process,
}

impl World {
    async fn tell(&self, arguments: &'static [&'static str]) {
        let stack = Arc::clone(&self.stack);
        tokio::task::spawn_blocking(move || stack.tell(arguments)).await.expect("the stack did as told");
    }

    /// 31: killed in the middle of the work.
    async fn killed(&self) {
        self.env.publish_numbers(0, 300).await;
        self.env.taken(30).await;
        signal(self.stack.server("postgres").0, "KILL");
        self.tell(&["start-postgres"]).await;
        self.env.sent_but_for(300, SLOTS).await;
    }

    /// 32: connections stay open without any answer.
    async fn frozen(&self) {
        let processes = family(self.stack.server("postgres").0);
        processes.iter().for_each(|process| signal(*process, "STOP"));
        self.env.publish_numbers(300, 400).await;
        let ready = self.worker.is_ready().await;
        wait::elapse(Duration::from_secs(3)).await;
        processes.iter().rev().for_each(|process| signal(*process, "CONT"));
        assert!(!ready, "it said that it cannot work");
        let (sessions,): (i64,) = sqlx::query_as(
            "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'postrider'",
        )
        .fetch_one(&self.env.pool)
        .await
        .expect("asked");
        assert!(sessions <= 10, "no more sessions are open than the pools have: {sessions}");
        self.env.sent_but_for(400, 2 * SLOTS).await;
        assert!(self.worker.is_ready().await);
    }

    /// 38: a standby takes over that is some commits behind. No worker can give them back; what must hold
    /// is that they are found, and that everything else goes on.
    async fn rolled_back(&self) {
        let data = self.stack.postgres_data();
        let copy = data.with_extension("standby");
        let before = self.env.simulator.accepted().len();
        let run = |program: &str, arguments: &[&Path]| {
            let done = Command::new(program).args(arguments).status().expect("the program runs");
            assert!(done.success(), "{program} {arguments:?}");
        };
        self.tell(&["stop-postgres", "fast"]).await;
        run("cp", &[Path::new("-a"), &data, &copy]);
        self.tell(&["start-postgres"]).await;
        self.env.publish_numbers(400, 430).await;
        self.env.taken(before + 30).await;
        wait::until("all are settled", || async {
            let standings = self.env.standings().await;
            standings.len() == 430 && standings.iter().all(|one| one.status != "queued")
        })
        .await;
        self.tell(&["stop-postgres", "immediate"]).await;
        run("rm", &[Path::new("-r"), &data]);
        run("mv", &[&copy, &data]);
        self.tell(&["start-postgres"]).await;

        let known: HashSet<String> =
            self.env.standings().await.iter().map(|one| one.id.to_string()).collect();
        let accepted = self.env.simulator.accepted();
        let lost: HashSet<&str> = accepted
            .iter()
            .filter(|one| !one.correlation.as_ref().is_some_and(|request| known.contains(request)))
            .map(|one| one.recipient.as_str())
            .collect();
        let expected: Vec<String> = (400..430).map(job::phone).collect();
        assert_eq!(lost, expected.iter().map(String::as_str).collect(), "the provider's book names the lost");
        let orphan = Attempt::of(&self.env, "blanca-twilio", &job::phone(400)).await;
        let late = twilio_status(&self.env, "blanca-twilio", &orphan, "delivered", None);
        assert_eq!(late.send(&self.env).await, 200, "a receipt for a missing message disturbs nothing");
        // Whatever a producer repeats that was not lost stays once; new jobs go out.
        self.env.publish_numbers(380, 400).await;
        self.env.publish_numbers(430, 450).await;
        wait::until("the new ones are sent", || async {
            let standings = self.env.standings().await;
            standings.len() == 420 && standings.iter().all(|one| one.status != "queued")
        })
        .await;
        assert_eq!(self.env.simulator.accepted().len(), before + 50, "and no customer was asked twice");
        self.env.nothing_stuck().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_the_database_nothing_that_it_kept_is_lost_and_one_worker_lives_through_it_all() {
    let stack = tokio::task::spawn_blocking(|| Stack::postgres("faults-database")).await.expect("it starts");
    let amqp_url = std::env::var("AMQP_URL").expect("run the tests by `make test`");
    let env = TestEnv::on(&stack.database_url, &amqp_url, unhurried(50)).await;
    env.company("blanca", |_| {}).await;
    let worker = Process::start(&env, "");
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    env.consuming().await;
    let mut world = World { stack: Arc::new(stack), env, worker };
    world.killed().await;
    world.frozen().await;
    world.rolled_back().await;
    world.env.nothing_parked().await;
    assert_eq!(world.worker.terminate(), Some(0));
    assert!(!world.worker.printed().contains("panicked"), "{}", world.worker.printed());
}

/// 33: before the statement arrives, and when it is committed and its answer is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_before_a_statement_or_before_its_answer_loses_nothing_and_repeats_nothing() {
    for cut in [Cut::Before, Cut::Unanswered] {
        let env = TestEnv::new().await;
        env.company("blanca", |_| {}).await;
        let (line, mut worker) = behind_a_line(&env, SHORT_LEASES).await;
        // Accept: nothing else carries the name.
        line.set(Way::Up, Fault::CutAt(b"Cutaccept".to_vec(), cut));
        let mut named = job::numbered(0);
        named["customer"]["name"] = "Cutaccept".into();
        env.publish(&named).await;
        line.has_struck(1).await;
        env.all_sent_once(1).await;
        // Begin: after the claim it is the next that carries the message's id.
        let mut delayed = job::numbered(1);
        delayed["delay_secs"] = 1.into();
        env.publish(&delayed).await;
        let standings = wait::until_some("it is there", || async {
            let standings = env.standings().await;
            (standings.len() == 2).then_some(standings)
        });
        let message = standings.await[1].id;
        line.set(Way::Up, Fault::CutAt(message.as_bytes().to_vec(), cut));
        line.has_struck(2).await;
        env.all_sent_once(2).await;
        // Settle: while the call is under way nothing else carries it, for its receipts are lost.
        env.simulator.set_behaviour(postrider_provider_simulator::Behaviour {
            webhook_loss_rate: 1.0,
            ..Default::default()
        });
        env.simulator.set_recipient_fault(&job::phone(2), "hang");
        env.publish_numbers(2, 3).await;
        env.taken(3).await;
        let message = env.standings().await[2].id;
        line.set(Way::Up, Fault::CutAt(message.as_bytes().to_vec(), cut));
        env.simulator.release_hung();
        line.has_struck(3).await;
        env.all_sent_once(3).await;
        // A receipt.
        line.set(Way::Up, Fault::CutAt(message.as_bytes().to_vec(), cut));
        let attempt = Attempt::of(&env, "blanca-twilio", &job::phone(2)).await;
        let told = twilio_status(&env, "blanca-twilio", &attempt, "delivered", None);
        assert_eq!(told.send(&env).await, 200, "{cut:?}: it was waited for");
        line.has_struck(4).await;
        assert_eq!(env.all_are(3, "delivered").await.len(), 3);
        env.no_lease().await;
        assert_eq!(worker.terminate(), Some(0));
    }
}

/// 34: docs/dependency-hazards.md#f1: the BEGIN is on its way when its caller is dropped.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_statement_after_a_begin_that_was_given_up_writes_visibly() {
    let env = TestEnv::new().await;
    let (line, url) = Proxy::before(&env.database_url).await;
    let config = env.config(&format!("database.url = \"{url}\""));
    let policy = company::standard("blanca", env.providers());
    let members = [company::paul()];
    let pool = pool(&config.database, Purpose::Hot, 1).expect("a pool");
    let ledger = Ledger::bounded(pool, Duration::from_secs(10));
    for _ in 1..=3 {
        line.set(Way::Down, Fault::Delay(Duration::from_millis(50)));
        let applied = ledger.apply_company(&policy, &members, &env.keys.identity);
        let given_up = tokio::time::timeout(Duration::from_millis(20), applied).await.is_err();
        assert!(given_up, "the answer comes later");
        line.set(Way::Down, Fault::Pass);
        env.writes_visibly(&ledger).await;
    }
    let (open,): (i64,) = sqlx::query_as(
        "select count(*) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'",
    )
    .fetch_one(&env.pool)
    .await
    .expect("asked");
    assert_eq!(open, 0);
    ledger.close().await;
}

/// 35: again and again, in the middle of everything.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_killed_again_and_again_lose_nothing() {
    let env = TestEnv::with_simulator(unhurried(100)).await;
    env.company("blanca", |policy| policy.accounts[0].concurrency = 16).await;
    let worker = env.worker().await;
    env.consuming().await;
    env.publish_numbers(0, 600).await;
    for sent in [50, 150, 250, 350, 450] {
        env.taken(sent).await;
        terminate_sessions(&env).await;
    }
    env.sent_but_for(600, 5 * 16).await;
    env.nothing_left(worker).await;
}

/// 36: every attempt to connect is refused.
#[tokio::test(flavor = "multi_thread")]
async fn without_free_connections_a_worker_says_so_and_does_not_hammer() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let role = format!("app_{}", postrider_clock::random_id().simple());
    let grants = ["tables", "sequences", "functions"]
        .map(|things| format!("grant all on all {things} in schema public to {role}"));
    run(&env, &[&[format!("create role {role} login")], &grants[..]].concat()).await;
    let (line, url) = Proxy::before(&env.database_url).await;
    let url = url.replace("//postrider@", &format!("//{role}@"));
    let mut worker = Process::start(&env, &format!("database.url = \"{url}\""));
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    env.consuming().await;
    run(&env, &[format!("alter role {role} connection limit 0")]).await;
    terminate_sessions(&env).await;
    env.publish_numbers(0, 50).await;
    wait::until("it says so", || async { !worker.is_ready().await }).await;
    let before = line.counts().connections;
    wait::elapse(Duration::from_secs(3)).await;
    let tried = line.counts().connections - before;
    assert!((1..=150).contains(&tried), "{tried} attempts in 3 s");
    assert!(env.standings().await.is_empty());
    run(&env, &[format!("alter role {role} connection limit -1")]).await;
    env.all_sent_once(50).await;
    assert!(worker.is_ready().await);
    assert_eq!(worker.terminate(), Some(0));
    run(&env, &[format!("drop owned by {role}"), format!("drop role {role}")]).await;
}

/// 37 and 41: the database answers, and takes nothing: read-only after a failover, or without room.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_reads_and_does_not_write_jobs_wait_and_none_is_parked_for_it() {
    let refuse = "create function no_room() returns trigger language plpgsql as $$ begin
        raise exception 'could not extend file' using errcode = 'disk_full'; end $$";
    let read_only = |env: &TestEnv, on| {
        format!("alter database {} set default_transaction_read_only = {on}", database(env))
    };
    let full =
        "create trigger no_room before insert on request for each statement execute function no_room()";
    for fault in ["25006", "53100"] {
        let env = TestEnv::new().await;
        env.company("blanca", |_| {}).await;
        // Deliveries that come back more than three times are thrown out.
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(3));
        let dead = format!("{}.dead", env.amqp_name);
        arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(dead.into()));
        let connection =
            lapin::Connection::connect(&env.amqp_url, Default::default()).await.expect("connected");
        let channel = connection.create_channel().await.expect("opened");
        let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
        let queue = format!("{}.requests", env.amqp_name);
        channel.queue_declare(queue.into(), durable, arguments).await.expect("declared");
        let worker = env.worker_with("amqp.database_patience_secs = 0").await;
        env.consuming().await;
        match fault {
            "25006" => run(&env, &[read_only(&env, "on")]).await,
            _ => run(&env, &[refuse.to_owned(), full.to_owned()]).await,
        }
        terminate_sessions(&env).await;
        env.publish_numbers(0, 20).await;
        wait::elapse(Duration::from_secs(8)).await;
        env.nothing_parked().await;
        match fault {
            "25006" => {
                let mend = read_only(&env, "off");
                run(&env, &[format!("begin read write; {mend}; commit")]).await;
                terminate_sessions(&env).await;
            }
            _ => run(&env, &["drop trigger no_room on request".to_owned()]).await,
        }
        env.all_sent_once(20).await;
        env.nothing_parked().await;
        env.nothing_left(worker).await;
    }
}

/// 74 and 37: the server's machine is gone and its address leads to another: open connections end without a FIN
/// or RST.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_without_a_word_are_given_up_and_work_goes_on_over_new_ones() {
    let env = TestEnv::with_simulator(unhurried(20)).await;
    env.company("blanca", |_| {}).await;
    let (line, mut worker) =
        behind_a_line(&env, "database.acquire_timeout_secs = 1\ndatabase.statement_timeout_secs = 1").await;
    env.publish_numbers(0, 100).await;
    env.taken(20).await;
    line.forsake();
    env.sent_but_for(100, SLOTS).await;
    env.publish_numbers(100, 120).await;
    env.sent_but_for(120, SLOTS).await;
    assert!(worker.is_ready().await);
    assert_eq!(worker.terminate(), Some(0));
}
