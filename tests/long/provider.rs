//! Faults of providers and of the callers of our webhooks, beyond one call's answer.
//!
//! Rows 49 to 67 of `FAULTS.md`, beside `conformance` (faults of one call at each provider), `receipts` and
//! `webhook_security`.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt, future::join_all};
use postrider_domain::{
    company::{Account, Policy, ProviderSettings},
    ids::{AccountId, MessageId},
    lifecycle::State,
};
use postrider_provider_simulator::Behaviour;
use postrider_providers::TokenKey;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    TestEnv, job,
    load::unhurried,
    process::Process,
    static_server::{AUTHORITY, StaticServer},
    wait,
    webhook::{Attempt, Post, base, mailgun_data, mailgun_post, mailgun_signature, twilio_status},
};

const TWILIO: &str = "blanca-twilio";
const CREATED: &str = r#"{"sid":"SM00000000000000000000000000000001","status":"queued","error_code":null}"#;

fn at(policy: &mut Policy, url: &str) {
    if let Account { settings: ProviderSettings::Twilio { base_url, .. }, .. } = &mut policy.accounts[0] {
        url.clone_into(base_url);
    }
}

/// State, code and counted tries of a company's only message.
async fn only_message(env: &TestEnv, slug: &str) -> Option<(i16, Option<String>, i16, i16)> {
    sqlx::query_as(
        "select m.state, m.code, m.tries, m.attempt from message m join company c on c.id = m.company where c.slug = $1",
    )
    .bind(slug)
    .fetch_optional(&env.pool)
    .await
    .expect("the ledger answers")
}

/// 55 and 57: a server without the provider's certificate gets no data, and an unknown address gets no call.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_without_its_certificate_or_its_address_is_never_told_a_name_and_nothing_counts() {
    let env = TestEnv::new().await;
    let servers: HashMap<&str, StaticServer> =
        ["good", "expired", "elsewhere"].map(|name| (name, StaticServer::start(Some(name), CREATED))).into();
    let url = |name: &str| format!("https://{}", servers[name].addr);
    // A label of 64 letters is no name: it is refused without asking anybody.
    let nowhere = format!("https://{}.example", "x".repeat(64));
    for (slug, url) in [
        ("good", url("good")),
        ("expired", url("expired")),
        ("elsewhere", url("elsewhere")),
        ("nowhere", nowhere),
    ] {
        env.company(slug, |policy| at(policy, &url)).await;
    }
    let mut worker = Process::start_changed(&env, "", |command| {
        command.env("SSL_CERT_FILE", AUTHORITY);
    });
    env.consuming().await;
    let wrong = ["expired", "elsewhere", "nowhere"];
    for (n, slug) in ["good", "expired", "elsewhere", "nowhere"].into_iter().enumerate() {
        env.publish_to(&format!("requests.{slug}"), None, job::numbered(n).to_string().as_bytes()).await;
    }
    for slug in wrong {
        let found = wait::until_some(&format!("{slug} was tried twice"), || async {
            only_message(&env, slug)
                .await
                .filter(|(state, _, _, attempt)| *state == State::Waiting.code() && *attempt >= 2)
        })
        .await;
        assert_eq!((found.1.as_deref(), found.2), (Some("connect"), 0), "{slug}: not called, not counted");
    }
    wait::until("the server that proves its identity is called", || async {
        servers["good"].asked().len() == 1
    })
    .await;
    for slug in ["expired", "elsewhere"] {
        assert!(servers[slug].asked().is_empty(), "{slug} was told nothing");
    }
    // Mended in the company's file, they go out.
    for slug in wrong {
        env.company(slug, |policy| at(policy, &url("good"))).await;
    }
    env.all_are(4, "sent").await;
    assert_eq!(servers["good"].asked().len(), 4);
    assert_eq!(worker.terminate(), Some(0));
}

/// 56: two messages under one id of the provider's: our own tokens tell them apart.
#[tokio::test(flavor = "multi_thread")]
async fn one_providers_id_for_two_messages_mixes_nothing_up() {
    let env = TestEnv::new().await;
    let server = StaticServer::start(None, CREATED);
    env.company("blanca", |policy| at(policy, &format!("http://{}", server.addr))).await;
    let worker = env.worker().await;
    for n in 0..2 {
        env.publish(&job::numbered(n)).await;
    }
    let standings = env.all_are(2, "sent").await;
    let (account,): (i32,) = sqlx::query_as("select id from account where name = $1")
        .bind(TWILIO)
        .fetch_one(&env.pool)
        .await
        .expect("the account is there");
    let key = TokenKey::new(vec![env.keys.token]);
    let attempt = |place: usize| Attempt {
        message: standings[place].id,
        attempt: 1,
        token: key.sign(AccountId(account), MessageId(standings[place].id), 1).to_hex(),
        provider_id: "SM00000000000000000000000000000001".to_owned(),
    };
    let told = twilio_status(&env, TWILIO, &attempt(1), "undelivered", Some("30003"));
    assert_eq!(told.send(&env).await, 200);
    let told = twilio_status(&env, TWILIO, &attempt(0), "delivered", None);
    assert_eq!(told.send(&env).await, 200);
    let ends: Vec<&str> = env.standings().await.iter().map(|one| one.status).collect();
    assert_eq!(ends, ["delivered", "failed"]);
    env.nothing_left(worker).await;
}

/// 53: away for a while, with a backlog.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_a_provider_costs_a_few_probes_and_its_end_no_flood() {
    let env = TestEnv::new().await;
    let (rate, slots) = (100, 8);
    env.company("blanca", |policy| {
        policy.accounts[0].rate_per_sec = rate;
        policy.accounts[0].concurrency = slots;
    })
    .await;
    env.simulator.set_outage(true);
    let worker = env.worker_with("breaker.open_secs = 1.0\nbreaker.open_max_secs = 1.0").await;
    env.consuming().await;
    let began = postrider_clock::monotonic();
    env.publish_numbers(0, 300).await;
    wait::until("the breaker has opened", || async { env.simulator.calls().len() >= 5 }).await;
    wait::elapse(Duration::from_secs(3)).await;
    let probes = env.simulator.calls().len();
    // Five open it, what is under way may follow; then one probe a second.
    let most = 5 + slots as usize + began.elapsed().as_secs() as usize + 1;
    assert!(probes <= most, "{probes} calls during the outage, {most} are explained");
    env.simulator.set_outage(false);
    let ends = env.accounted_for(300).await;
    assert!(ends.unknown <= probes, "only a call that was made can be unknown: {ends:?}, {probes} calls");
    let mut times: Vec<_> = env.simulator.accepted().iter().map(|one| one.accepted_at).collect();
    times.sort_unstable();
    let in_a_second = |from: &chrono::DateTime<chrono::Utc>| {
        times.iter().filter(|at| *at >= from && **at < *from + chrono::Duration::seconds(1)).count()
    };
    let most = times.iter().map(in_a_second).max().unwrap_or(0);
    assert!(most <= rate as usize * 3 / 2, "{most} in one second, {rate} are allowed");
    env.nothing_left(worker).await;
}

/// 49 and 54: answers that take their time hold the slots of their own lane.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_provider_and_one_that_never_answers_hold_up_only_their_own_messages() {
    let env = TestEnv::new().await;
    for slug in ["blanca", "slow", "hanging"] {
        env.company(slug, |policy| policy.accounts[0].concurrency = 4).await;
    }
    env.simulator.set_behaviour(Behaviour { slow: Duration::from_millis(1_200), ..Behaviour::default() });
    let worker = env.worker().await;
    env.consuming().await;
    let producer = env.producer().await;
    for n in 0..16 {
        for (slug, first) in [("slow", 1_000), ("hanging", 2_000)] {
            env.simulator
                .set_recipient_fault(&job::phone(first + n), if slug == "slow" { "slow" } else { "hang" });
            let body = job::numbered(first + n).to_string();
            assert!(producer.publish(&format!("requests.{slug}"), None, body.as_bytes()).await);
        }
    }
    wait::until("both have all their slots taken", || async { env.simulator.calls().len() >= 8 }).await;
    env.publish_numbers(0, 100).await;
    wait::until("the healthy lane is through", || async {
        env.simulator.accepted().iter().filter(|one| one.recipient < job::phone(1_000)).count() == 100
    })
    .await;
    let left = env.standings().await.iter().filter(|one| one.attempt == 0).count();
    assert!(left > 0, "the others still wait for their own slots");
    // A call that is never answered frees its slot by our own timeout: all of them were called in the end.
    let ends = env.accounted_for(132).await;
    assert_eq!((ends.sent, env.simulator.calls().len()), (132, 132));
    let (lost,): (i64,) = sqlx::query_as("select count(*) from message where code = 'worker_lost'")
        .fetch_one(&env.pool)
        .await
        .expect("asked");
    assert_eq!(lost, 0, "no lease ran out under a call");
    env.nothing_left(worker).await;
}

/// 59: the same receipts in every order, many times over.
#[tokio::test(flavor = "multi_thread")]
async fn receipts_shuffled_and_five_times_over_end_the_same_for_each_of_100_seeds() {
    const SEEDS: usize = 100;
    let env = TestEnv::with_simulator(unhurried(5)).await;
    env.company("blanca", |_| {}).await;
    env.simulator.set_behaviour(Behaviour { webhook_loss_rate: 1.0, ..Behaviour::default() });
    let worker = env.worker().await;
    env.consuming().await;
    env.publish_numbers(0, SEEDS).await;
    env.all_are(SEEDS, "sent").await;
    let env = &env;
    let told = |seed| async move {
        let attempt = Attempt::of(env, TWILIO, &job::phone(seed)).await;
        // Half of them are delivered in the end, half of them fail.
        let last = if seed % 2 == 0 { ("delivered", None) } else { ("undelivered", Some("30003")) };
        let mut posts: Vec<Post> = [("queued", None), ("sent", None), last]
            .iter()
            .cycle()
            .take(15)
            .map(|(status, code)| twilio_status(env, TWILIO, &attempt, status, *code))
            .collect();
        shuffle(&mut posts, seed as u64);
        for post in posts {
            assert_eq!(post.send(env).await, 200);
        }
    };
    futures_util::stream::iter(0..SEEDS).for_each_concurrent(16, told).await;
    for (place, one) in env.standings().await.iter().enumerate() {
        let number: usize = recipient(env, one.id).await;
        let expected = if number.is_multiple_of(2) { "delivered" } else { "failed" };
        assert_eq!(one.status, expected, "message {place} of seed {number}");
    }
    let (kept,): (i64,) =
        sqlx::query_as("select count(*) from receipt").fetch_one(&env.pool).await.expect("asked");
    assert_eq!(kept, 3 * SEEDS as i64, "each notice once");
    env.nothing_stuck().await;
    env.nothing_left(worker).await;
}

async fn recipient(env: &TestEnv, request: uuid::Uuid) -> usize {
    let (phone,): (String,) = sqlx::query_as("select customer_phone from request where id = $1")
        .bind(request)
        .fetch_one(&env.pool)
        .await
        .expect("asked");
    phone[5..].parse().expect("a number")
}

/// By a linear congruence: enough disorder for a test that names its seed.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for last in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, (state >> 33) as usize % (last + 1));
    }
}

/// 63: many connections without a byte, and many with far too many.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_silent_and_oversized_calls_stops_no_sending_and_takes_no_memory() {
    let env = TestEnv::with_simulator(unhurried(10)).await;
    env.company("blanca", |_| {}).await;
    let more = "web.connections_max = 64\nweb.head_timeout_secs = 1.0\nweb.body_timeout_secs = 1.0";
    let mut worker = Process::start(&env, more);
    env.consuming().await;
    worker.logged("worker started").await;
    let before = worker.kilobytes("VmRSS");
    let address = base(&env).trim_start_matches("http://").to_owned();
    let silent = join_all((0..400).map(|_| TcpStream::connect(&address))).await;
    let large = async {
        for _ in 0..50 {
            let Ok(mut socket) = TcpStream::connect(&address).await else { continue };
            let head = format!(
                "POST /webhooks/twilio/{TWILIO}/status HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n"
            );
            // It is cut off in the middle, as it should be.
            let _ = socket.write_all(head.as_bytes()).await;
            let _ = socket.write_all(&vec![b'a'; 3_000_000]).await;
        }
    };
    let sending = async {
        env.publish_numbers(0, 200).await;
        env.taken(200).await;
    };
    let began = postrider_clock::monotonic();
    tokio::join!(large, sending);
    assert!(began.elapsed() < Duration::from_secs(20), "sending took {:?}", began.elapsed());
    drop(silent);
    let grown = worker.kilobytes("VmRSS").saturating_sub(before);
    assert!(grown < 80_000, "{grown} kB more");
    // And the door is open again for an honest call.
    let attempt = Attempt::of(&env, TWILIO, &job::phone(0)).await;
    assert_eq!(twilio_status(&env, TWILIO, &attempt, "delivered", None).send(&env).await, 200);
    env.all_sent_once(200).await;
    assert_eq!(worker.terminate(), Some(0));
}

/// 64: bodies that trip parsers.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_trip_parsers_change_nothing_and_stop_no_other_call() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.simulator.set_behaviour(Behaviour { webhook_loss_rate: 1.0, ..Behaviour::default() });
    let worker = env.worker().await;
    env.publish(&json!({
        "customer": { "email": "jane@example.test" },
        "employee": { "email": "paulagent@blancapeak.com" },
        "channel": "phone",
    }))
    .await;
    env.all_are(1, "sent").await;
    let attempt = Attempt::of(&env, "blanca-mailgun", "jane@example.test").await;
    let good = mailgun_data(&attempt, "delivered", json!({}));
    let signature = mailgun_signature(0);
    let whole = String::from_utf8(mailgun_post("blanca-mailgun", &signature, &good).body).expect("text");
    let twice = whole.replacen("{\"event-data\"", "{\"signature\":{},\"event-data\"", 1);
    let bodies: Vec<Vec<u8>> = vec![
        twice.into_bytes(),
        whole.replace("\"timestamp\":", "\"timestamp\":1e999999,\"was\":").into_bytes(),
        whole.replace("\"delivered\"", &format!("\"{}\"", "d".repeat(100_000))).into_bytes(),
        [b"\xef\xbb\xbf", whole.as_bytes()].concat(),
        [b"\x1f\x8b\x08\x00", whole.as_bytes()].concat(),
        whole.replace("delivered", "\\ud800").into_bytes(),
        format!("{{\"event-data\":{}1{}}}", "{\"a\":".repeat(10_000), "}".repeat(10_000)).into_bytes(),
        b"null".to_vec(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let path = "/webhooks/mailgun/blanca-mailgun/events".to_owned();
        let post = Post { path, content_type: "application/json", signature: None, body };
        let status = post.send(&env).await;
        assert!(matches!(status, 200 | 400 | 406), "{shown}: answered {status}");
        assert_eq!(env.standings().await[0].status, "sent", "{shown}: changed the message");
    }
    let honest = mailgun_post("blanca-mailgun", &mailgun_signature(0), &good);
    assert_eq!(honest.send(&env).await, 200);
    env.all_are(1, "delivered").await;
    env.nothing_left(worker).await;
}

/// 67: addresses that would like to be called, or to become a link.
#[tokio::test(flavor = "multi_thread")]
async fn no_external_url_is_ever_fetched_or_shown() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.consuming().await;
    let curious = StaticServer::start(None, "{}");
    let there = format!("http://{}", curious.addr);
    let port = curious.addr.port();
    let urls = [
        there.clone(),
        format!("{there}/?{}", "a".repeat(1_000)),
        format!("http://user:word@127.0.0.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "javascript:alert(1)".to_owned(),
        "data:text/html,<script>alert(1)</script>".to_owned(),
        "file:///etc/passwd".to_owned(),
        "http://a\r\nbcc: x@y.example".to_owned(),
        format!("http://{}/", "b".repeat(10_000)),
    ];
    for (n, url) in urls.iter().enumerate() {
        let mut body = job::numbered(n);
        body["customer"] = json!({ "email": format!("customer.{n}@example.test"), "name": "Jane" });
        body["external_url"] = json!(url);
        env.publish(&body).await;
    }
    let codes = env.rejected(2).await;
    assert_eq!(codes, ["control_character", "too_long"], "nothing is cut silently");
    env.all_are(urls.len() - 2, "delivered").await;
    for one in env.simulator.accepted() {
        let raw = String::from_utf8_lossy(&one.raw).to_lowercase();
        for trace in [&port.to_string(), "javascript", "passwd", "text/html,", "bcc:"] {
            assert!(!raw.contains(trace), "{trace} in\n{raw}");
        }
    }
    assert!(curious.asked().is_empty(), "no call came");
    env.nothing_left(worker).await;
}
