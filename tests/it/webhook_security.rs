//! The public webhook routes against forged, foreign, oversized and slow calls.
//!
//! Each is answered in the provider's terms, and leaves every row of the ledger as it was. Honest receipts are
//! in `receipts`.

use std::time::Duration;

use postrider::worker::Worker;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    TestEnv,
    proxy::Proxy,
    wait,
    webhook::{
        Attempt, MAILGUN_KEY, Post, hard_bounce, mailgun_data, mailgun_event, mailgun_post,
        mailgun_signature, twilio_form, twilio_status, twilio_text,
    },
};

const TWILIO: &str = "blanca-twilio";
const MAILGUN: &str = "blanca-mailgun";
const PHONE: &str = "+14155550101";
const EMAIL: &str = "jane@example.test";
/// Long enough for a busy machine, short enough to notice a wait of the server's timeout.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A world with one text and one email sent, of which nothing was told yet, and a company beside.
async fn sent(more: &str) -> (TestEnv, Worker) {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.company("other", |_| {}).await;
    let worker = env.worker_with(more).await;
    env.simulator.set_webhook_urls(None, None);
    for customer in [json!({ "phone": PHONE }), json!({ "email": EMAIL })] {
        for recipient in [PHONE, EMAIL] {
            env.simulator.set_recipient_fault(recipient, "silent");
        }
        let employee = json!({ "email": "paulagent@blancapeak.com" });
        env.publish(&json!({ "customer": customer, "employee": employee, "channel": "phone" })).await;
    }
    env.all_are(2, "sent").await;
    (env, worker)
}

/// Everything that a webhook could change, as text.
async fn ledger(env: &TestEnv) -> String {
    let mut text = String::new();
    for (table, key) in [
        ("message", "id"),
        ("receipt", "key"),
        ("block", "address_hash"),
        ("reservation", "key"),
        ("due", "message"),
        ("ending", "request"),
    ] {
        let query =
            format!("select coalesce(jsonb_agg(to_jsonb(t) order by {key})::text, '') from {table} t");
        let (rows,): (String,) = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .fetch_one(&env.pool)
            .await
            .expect("the ledger answers");
        text.push_str(&format!("{table}: {rows}\n"));
    }
    text
}

async fn standing_of(env: &TestEnv, of: &Attempt) -> &'static str {
    let standings = env.standings().await;
    standings.iter().find(|one| one.id == of.message).expect("the attempt's request is there").status
}

/// Posts each and compares; one message with all that went wrong.
async fn changes_nothing(env: &TestEnv, cases: Vec<(&str, Post, u16)>) {
    let before = ledger(env).await;
    let mut wrong = Vec::new();
    for (what, post, expected) in cases {
        let status = post.send(env).await;
        if status != expected {
            wrong.push(format!("{what}: answered {status}, not {expected}"));
        }
        if ledger(env).await != before {
            wrong.push(format!("{what}: changed the ledger"));
            break;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_twilio_itself_changes_a_text() {
    let (env, worker) = sent("").await;
    let attempt = Attempt::of(&env, TWILIO, PHONE).await;
    let good = twilio_status(&env, TWILIO, &attempt, "delivered", None);
    let flipped = |token: &str| format!("{}{}", if token.starts_with('0') { '1' } else { '0' }, &token[1..]);
    let guessed = Attempt { token: flipped(&attempt.token), ..attempt.clone() };
    let next = Attempt { attempt: 2, ..attempt.clone() };
    let unnamed = format!("/webhooks/twilio/{TWILIO}/status");
    let status = [("MessageSid", "SM1"), ("MessageStatus", "delivered")];
    let at = |path: &str| Post {
        path: good.path.replace(&format!("/twilio/{TWILIO}/status"), path),
        ..good.clone()
    };
    let signed_at =
        |path: &str, form: &[(&str, &str)]| twilio_form(&env, &format!("{path}?{}", attempt.query()), form);
    let mut not_text = signed_at(&unnamed, &[("MessageSid", "SM\u{fffd}"), ("MessageStatus", "delivered")]);
    not_text.body = b"MessageSid=SM%ff&MessageStatus=delivered".to_vec();
    let raw_bytes = Post { body: b"MessageSid=SM\xff&MessageStatus=delivered".to_vec(), ..not_text.clone() };
    changes_nothing(
        &env,
        vec![
            (
                "forged",
                Post { signature: Some("Zm9yZ2VkIGZvcmdlZCBmb3JnZQ==".to_owned()), ..good.clone() },
                403,
            ),
            ("signature is no base64", Post { signature: Some("%%%".to_owned()), ..good.clone() }, 403),
            ("unsigned", Post { signature: None, ..good.clone() }, 403),
            (
                "other content under the signature",
                Post { body: b"MessageSid=SM1".to_vec(), ..good.clone() },
                403,
            ),
            ("unknown account", at("/twilio/nobody/status"), 403),
            ("unknown account, well signed", signed_at("/webhooks/twilio/nobody/status", &status), 403),
            (
                "another provider's account",
                signed_at(&format!("/webhooks/twilio/{MAILGUN}/status"), &status),
                403,
            ),
            ("unknown provider", signed_at(&format!("/webhooks/carrier/{TWILIO}/status"), &status), 403),
            ("unknown kind", signed_at(&format!("/webhooks/twilio/{TWILIO}/other"), &status), 400),
            (
                "another account's path, its signature",
                signed_at("/webhooks/twilio/other-twilio/status", &status),
                200,
            ),
            ("guessed token", twilio_status(&env, TWILIO, &guessed, "delivered", None), 200),
            ("another attempt's number", twilio_status(&env, TWILIO, &next, "delivered", None), 200),
            ("no token", twilio_form(&env, &unnamed, &status), 200),
            ("no status", signed_at(&unnamed, &[("MessageSid", "SM1")]), 400),
            ("no sid", signed_at(&unnamed, &[("MessageStatus", "delivered")]), 400),
            ("not UTF-8, escaped", not_text, 400),
            ("not UTF-8", raw_bytes, 400),
            ("wrong content type", Post { content_type: "application/json", ..good.clone() }, 403),
            ("no form", Post { content_type: "text/plain", body: vec![0; 100], ..good.clone() }, 403),
            ("too large", Post { body: vec![b'a'; 256 * 1024 + 1], ..good.clone() }, 413),
            ("an ordinary text", twilio_text(&env, TWILIO, PHONE, "thanks!"), 200),
            ("STOP from no number", twilio_text(&env, TWILIO, "nobody", "STOP"), 200),
            ("STOP, unsigned", Post { signature: None, ..twilio_text(&env, TWILIO, PHONE, "STOP") }, 403),
        ],
    )
    .await;
    assert_eq!(good.send(&env).await, 200);
    assert_eq!(standing_of(&env, &attempt).await, "delivered", "the honest one was fit to change it");
    env.nothing_left(worker).await;
}

fn forged_emails(attempt: &Attempt, signature: &Value) -> Vec<(&'static str, Post, u16)> {
    let data = mailgun_data(attempt, "delivered", json!({}));
    let with = |name: &str, value: &str| {
        let mut signature = mailgun_signature(0);
        signature[name] = json!(value);
        mailgun_post(MAILGUN, &signature, &data)
    };
    let path = format!("/webhooks/mailgun/{MAILGUN}/events");
    let raw = |body: &[u8]| Post {
        path: path.clone(),
        content_type: "application/json",
        signature: None,
        body: body.to_vec(),
    };
    let guessed = Attempt { token: "0".repeat(32), ..attempt.clone() };
    let next = Attempt { attempt: 2, ..attempt.clone() };
    let unsigned = json!({ "event-data": data });
    let large =
        json!({ "signature": mailgun_signature(0), "event-data": data, "padding": "x".repeat(256 * 1024) });
    let nameless = json!({ "event": "failed", "severity": "permanent", "recipient": EMAIL });
    let old_form = form_urlencoded::Serializer::new(String::new())
        .append_pair("signature", signature["signature"].as_str().expect("text"))
        .append_pair("event", "delivered")
        .finish();
    vec![
        ("forged", with("signature", &"ab".repeat(32)), 406),
        ("signature is no hex", with("signature", "zz"), 406),
        ("token exchanged", with("token", &"c".repeat(50)), 406),
        ("timestamp exchanged", with("timestamp", "1700000000"), 406),
        ("unsigned", raw(unsigned.to_string().as_bytes()), 406),
        ("two days old", mailgun_post(MAILGUN, &mailgun_signature(-172_800), &data), 406),
        ("an hour in the future", mailgun_post(MAILGUN, &mailgun_signature(3_600), &data), 406),
        ("unknown account", mailgun_post("nobody", &mailgun_signature(0), &data), 406),
        ("another provider's account", mailgun_post(TWILIO, &mailgun_signature(0), &data), 406),
        (
            "another account's path, its signature",
            mailgun_post("other-mailgun", &mailgun_signature(0), &data),
            200,
        ),
        ("guessed token", mailgun_event(MAILGUN, &guessed, "delivered", json!({})), 200),
        ("another attempt's number", mailgun_event(MAILGUN, &next, "failed", hard_bounce()), 200),
        ("no token", mailgun_post(MAILGUN, &mailgun_signature(0), &nameless), 200),
        ("an event of the future", mailgun_event(MAILGUN, attempt, "teleported", json!({})), 200),
        ("not JSON", raw(b"{\"signature\": "), 406),
        ("not UTF-8", raw(b"{\"signature\": \"\xff\xfe\"}"), 406),
        ("deeply nested", raw("[".repeat(100_000).as_bytes()), 406),
        ("empty", raw(b""), 406),
        (
            "the form of its old webhooks",
            Post {
                content_type: "application/x-www-form-urlencoded",
                body: old_form.into_bytes(),
                ..raw(b"")
            },
            406,
        ),
        ("too large", raw(large.to_string().as_bytes()), 413),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_mailgun_itself_changes_an_email() {
    let (env, worker) = sent("").await;
    let attempt = Attempt::of(&env, MAILGUN, EMAIL).await;
    let signature = mailgun_signature(0);
    let good = mailgun_post(MAILGUN, &signature, &mailgun_data(&attempt, "delivered", json!({})));
    changes_nothing(&env, forged_emails(&attempt, &signature)).await;
    assert_eq!(good.send(&env).await, 200);
    assert_eq!(standing_of(&env, &attempt).await, "delivered", "the honest one was fit to change it");
    let bounce = mailgun_data(&attempt, "failed", hard_bounce());
    let replays = vec![
        ("the same again", good, 200),
        ("a captured signature over other content", mailgun_post(MAILGUN, &signature, &bounce), 200),
    ];
    changes_nothing(&env, replays).await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_or_missing_signing_key_lets_no_call_in() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| {
        if let postrider_domain::company::ProviderSettings::Mailgun { signing_key_env, .. } =
            &mut policy.accounts[1].settings
        {
            *signing_key_env = "POSTRIDER_SIMULATED_ABSENT".to_owned();
        }
    })
    .await;
    let worker = env.worker().await;
    let nobody = Attempt {
        message: uuid::Uuid::nil(),
        attempt: 1,
        token: "0".repeat(32),
        provider_id: "x".to_owned(),
    };
    let data = mailgun_data(&nobody, "delivered", json!({}));
    for key in ["", MAILGUN_KEY] {
        let mut signature: Value = mailgun_signature(0);
        let text = |name: &str| signature[name].as_str().expect("text").to_owned();
        let made = postrider_provider_simulator::sign::mailgun(key, &text("timestamp"), &text("token"));
        signature["signature"] = json!(made);
        assert_eq!(mailgun_post(MAILGUN, &signature, &data).send(&env).await, 406, "{key:?}");
    }
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_receipts_wait_or_hear_503_and_count_later() {
    let env = TestEnv::new().await;
    let (line, url) = Proxy::before(&env.database_url).await;
    env.company("blanca", |_| {}).await;
    env.simulator.set_recipient_fault(PHONE, "silent");
    let worker =
        env.worker_with(&format!("database.url = \"{url}\"\ndatabase.acquire_timeout_secs = 1")).await;
    let employee = json!({ "email": "paulagent@blancapeak.com" });
    env.publish(&json!({ "customer": { "phone": PHONE }, "employee": employee, "channel": "phone" })).await;
    env.all_are(1, "sent").await;
    let attempt = Attempt::of(&env, TWILIO, PHONE).await;
    let before = ledger(&env).await;
    line.set_cut(true);
    let (status, text) =
        (twilio_status(&env, TWILIO, &attempt, "sent", None), twilio_text(&env, TWILIO, PHONE, "STOP"));
    let (status, text) = tokio::join!(status.send(&env), text.send(&env));
    assert_eq!((status, text), (503, 503), "too long away: the provider shall repeat");
    assert_eq!(ledger(&env).await, before);
    let told = twilio_status(&env, TWILIO, &attempt, "delivered", None);
    let mending = async {
        let before = line.counts().connections;
        wait::until("the database is tried in vain", || async { line.counts().connections >= before + 3 })
            .await;
        line.set_cut(false);
    };
    let (status, ()) = tokio::join!(told.send(&env), mending);
    assert_eq!(status, 200, "a short absence is waited for");
    assert_eq!(env.standings().await[0].status, "delivered");
    assert_eq!(
        twilio_text(&env, TWILIO, PHONE, "STOP").send(&env).await,
        200,
        "and the repeated STOP counts"
    );
    let (blocks,): (i64,) = sqlx::query_as("select count(*) from block").fetch_one(&env.pool).await.unwrap();
    assert_eq!(blocks, 1);
    env.nothing_left(worker).await;
}

/// A client that says only this, and waits.
async fn stuck(env: &TestEnv, said: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", env.public_port)).await.expect("connected");
    stream.write_all(said.as_bytes()).await.expect("said");
    stream
}

/// The bytes that the server sent until it cut the connection.
async fn cut(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let read = timeout(AT_ONCE, stream.read_to_end(&mut said)).await.expect("cut in time");
    // A reset is as good an end as a close.
    drop(read);
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_cut_in_time_and_block_no_other() {
    let times = "web.connections_max = 8\nweb.head_timeout_secs = 1.0\nweb.body_timeout_secs = 1.0";
    let (env, worker) = sent(times).await;
    let attempt = Attempt::of(&env, TWILIO, PHONE).await;
    let half_head = format!("POST /webhooks/twilio/{TWILIO}/status HTTP/1.1\r\nhost: x\r\nx-twi");
    let half_body = format!(
        "POST /webhooks/twilio/{TWILIO}/status HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nMess"
    );
    let mut heads = Vec::new();
    let mut bodies = Vec::new();
    for _ in 0..3 {
        heads.push(stuck(&env, &half_head).await);
        bodies.push(stuck(&env, &half_body).await);
    }
    let silent = stuck(&env, "").await;
    let told = twilio_status(&env, TWILIO, &attempt, "sent", None);
    let status = timeout(Duration::from_millis(800), told.send(&env)).await;
    assert_eq!(status.ok(), Some(200), "there is a place left, and it is served before the others are cut");
    for stream in heads.into_iter().chain([silent]) {
        let said = cut(stream).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
    for stream in bodies {
        assert!(cut(stream).await.starts_with("HTTP/1.1 408"), "a body is waited for, then refused");
    }
    // All places taken: the next connection waits until the slow ones are cut, and is served.
    let mut crowd = Vec::new();
    for _ in 0..8 {
        crowd.push(stuck(&env, &half_head).await);
    }
    let told = twilio_status(&env, TWILIO, &attempt, "delivered", None);
    assert_eq!(timeout(AT_ONCE, told.send(&env)).await.ok(), Some(200));
    assert_eq!(standing_of(&env, &attempt).await, "delivered");
    drop(crowd);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_idle_connections_keep_no_client_out() {
    // Idle connections would be given up after minutes only.
    let times = "web.connections_max = 8\nweb.head_timeout_secs = 120.0";
    let (env, worker) = sent(times).await;
    let attempt = Attempt::of(&env, TWILIO, PHONE).await;
    let call = "GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut idle = Vec::new();
    for _ in 0..16 {
        let mut stream = stuck(&env, call).await;
        let mut first = [0; 12];
        timeout(AT_ONCE, stream.read_exact(&mut first)).await.expect("served in time").expect("served");
        assert_eq!(&first, b"HTTP/1.1 404");
        idle.push(stream);
    }
    let told = twilio_status(&env, TWILIO, &attempt, "delivered", None);
    assert_eq!(timeout(AT_ONCE, told.send(&env)).await.ok(), Some(200));
    drop(idle);
    env.nothing_left(worker).await;
}
