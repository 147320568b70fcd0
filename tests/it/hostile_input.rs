//! Customers with names made to break something, and personal data that must not leak.
//!
//! The simulated providers keep what they were given; it is read here as a mail program would. The
//! canary test runs a worker as a process, with all that goes wrong, and reads everything it printed.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{TestEnv, job, process::Process, wait, webhook};

/// The only headers that an email of ours may have.
const HEADERS: [&str; 11] = [
    "message-id",
    "auto-submitted",
    "x-auto-response-suppress",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "from",
    "to",
    "subject",
    "date",
    "mime-version",
    "content-type",
];

fn names() -> Vec<String> {
    let plain = [
        "Bob\r\nBcc: everybody@example.test",
        "Bob\r\n\r\n<script>alert(1)</script>",
        "Bob\nSubject: You won",
        "Bob\rTo: other@example.test",
        "Jane\u{0}Doe",
        "\u{0}\u{1}\u{7f}\u{85}",
        "<script>alert('x')</script>",
        "</p><img src=x onerror=alert(1)>",
        "\"><script src=//evil.example></script>",
        "{{7*7}}",
        "{% for x in range(9) %}x{% endfor %}",
        "{{ brand.__class__ }} ${7*7} #{7*7}",
        "%recipient.email% %unsubscribe_url%",
        "\u{202e}gnp.exe\u{202c} Doe",
        "\u{2066}Jane\u{2069}\u{200f}",
        "J\u{200b}a\u{200d}n\u{feff}e",
        "http://evil.example/login",
        "Bob <bob@evil.example>, eve@evil.example",
        "=?utf-8?q?=0d=0aBcc:=20x@evil.example?=",
        "\"Bob\\\" <x@evil.example>",
        ".",
        ".\r\nQUIT\r\n",
        "\u{d7ff}\u{e000}\u{10ffff}\u{fffd}",
        "Ñandú Ωmega 李小龍 مرحبا",
        "'; drop table request; --",
        "\u{2028}Line\u{2029}Separators",
    ];
    let mut names: Vec<String> = plain.map(str::to_owned).into();
    names.push("👍".repeat(255));
    names.push("👨‍👩‍👧‍👦".repeat(50));
    names.push(format!("Z{}algo", "\u{301}\u{316}".repeat(120)));
    names.push("a".repeat(255));
    names.push(format!("{}\u{2029}", "ab ".repeat(84)));
    names
}

/// An email as a mail program reads it.
struct Mail {
    headers: Vec<(String, String)>,
    /// Decoded bodies by content type.
    parts: BTreeMap<String, String>,
}

impl Mail {
    fn read(raw: &[u8]) -> Mail {
        let raw = std::str::from_utf8(raw).expect("text");
        assert!(raw.is_ascii(), "everything else is encoded");
        assert!(!raw.replace("\r\n", "").contains(['\r', '\n', '\0']), "lines end in CRLF alone");
        let (head, body) = raw.split_once("\r\n\r\n").expect("a head and a body");
        let headers = fields(head);
        let kind = &headers.iter().find(|(name, _)| name == "content-type").expect("a content type").1;
        let boundary =
            kind.split("boundary=\"").nth(1).expect("a boundary").split('"').next().expect("quoted");
        let line = format!("--{boundary}");
        let parts = body.split(&line).filter_map(|part| part.split_once("\r\n\r\n"));
        let parts = parts.map(|(head, body)| part(&fields(head), body)).collect();
        Mail { headers, parts }
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// Unfolded header fields, names in lower case.
fn fields(head: &str) -> Vec<(String, String)> {
    let lines = head.trim_start_matches("\r\n").replace("\r\n ", " ").replace("\r\n\t", " ");
    let fields = lines.split("\r\n").map(|line| line.split_once(':').expect("a field"));
    fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect()
}

fn part(head: &[(String, String)], body: &str) -> (String, String) {
    let field = |name: &str| head.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    let bytes = match field("content-transfer-encoding") {
        "base64" => STANDARD.decode(body.replace("\r\n", "")).expect("base64"),
        "quoted-printable" => quoted_printable(body),
        _plain => body.as_bytes().to_vec(),
    };
    let kind = field("content-type").split(';').next().unwrap_or_default().to_owned();
    (kind, String::from_utf8(bytes).expect("UTF-8"))
}

fn quoted_printable(body: &str) -> Vec<u8> {
    let joined = body.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'=' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).expect("hex"), 16).expect("hex"));
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    bytes
}

/// Signs without ink that a name could have brought.
fn is_hidden(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        || (character.is_control() && !matches!(character, '\n' | '\r'))
}

async fn all_delivered(env: &TestEnv, field: &str, recipients: &[String], status: &str) {
    env.consuming().await;
    let producer = env.producer().await;
    for (recipient, name) in recipients.iter().zip(names()) {
        let body = job::to(json!({ "name": name, field: recipient })).to_string();
        assert!(producer.publish("requests.blanca", None, body.as_bytes()).await, "the job is routed");
    }
    env.all_are(recipients.len(), status).await;
    // A call that a busy machine could not connect in time does not count.
    let (tries,): (i16,) =
        sqlx::query_as("select max(tries) from message").fetch_one(&env.pool).await.expect("asked");
    assert_eq!(tries, 1, "at the first attempt");
    assert_eq!(env.simulator.accepted().len(), recipients.len());
}

fn read_as_meant(raw: &[u8], recipient: &str, name: &str) {
    let mail = Mail::read(raw);
    for header in ["to", "from", "subject", "date", "message-id"] {
        assert_eq!(mail.all(header).len(), 1, "{header} for {name:?}");
    }
    let unknown: Vec<_> =
        mail.headers.iter().filter(|(known, _)| !HEADERS.contains(&known.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?} for {name:?}");
    let to = mail.all("to")[0];
    assert!(to == recipient || to.ends_with(&format!("<{recipient}>")), "{to:?} for {name:?}");
    assert_eq!(mail.all("from"), ["\"Blanca Peak\" <feedback@blancapeak.example>"]);
    assert_eq!(mail.all("subject"), ["How was your experience with Blanca Peak?"]);
    assert_eq!(mail.parts.len(), 2, "{:?}", mail.parts.keys());
    let (text, html) = (&mail.parts["text/plain"], &mail.parts["text/html"].replace("&#x2f;", "/"));
    for tag in ["<script", "<img", "onerror=alert(1)>"] {
        assert!(!html.to_lowercase().contains(tag), "{tag} for {name:?} in\n{html}");
    }
    assert_eq!(html.matches("<p>Hello").count(), 1);
    for body in [text, html] {
        assert!(!body.contains(is_hidden), "{name:?} in\n{body}");
        assert_eq!(
            body.matches("://").count(),
            2,
            "survey and unsubscribe are the only links: {name:?} in\n{body}"
        );
    }
    assert_eq!(text.contains("{{7*7}}"), name == "{{7*7}}", "a name is never a template");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_breaks_an_email() {
    for smtp in [false, true] {
        let env = TestEnv::new().await;
        let relay = env.simulator.smtp_addr;
        env.company("blanca", |policy| {
            if smtp {
                policy.accounts[1] = crate::support::company::smtp("blanca", relay);
            }
        })
        .await;
        let worker = env.worker().await;
        let recipients: Vec<String> =
            (0..names().len()).map(|n| format!("customer.{n}@example.test")).collect();
        all_delivered(&env, "email", &recipients, if smtp { "sent" } else { "delivered" }).await;
        for (recipient, name) in recipients.iter().zip(names()) {
            read_as_meant(&webhook::accepted(&env, recipient).raw, recipient, &name);
        }
        env.nothing_left(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_breaks_a_text() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let recipients: Vec<String> = (0..names().len()).map(|n| format!("+1415555{n:04}")).collect();
    all_delivered(&env, "phone", &recipients, "delivered").await;
    for (recipient, name) in recipients.iter().zip(names()) {
        let text = webhook::accepted(&env, recipient).text_or_subject;
        assert!(!text.contains(is_hidden) && !text.contains(['\n', '\r']), "{name:?} in {text:?}");
        assert_eq!(text.matches("://").count(), 1, "the survey is the only link: {name:?} in {text:?}");
        assert!(text.contains("Reply STOP to opt out"), "{text:?}");
        assert!(text.chars().count() < 400, "no name makes it endless: {text:?}");
        assert_eq!(text.contains("{{7*7}}"), name == "{{7*7}}", "{text:?}");
    }
    env.nothing_left(worker).await;
}

/// Texts that stand nowhere else, to be found wherever they leak.
const CANARIES: [&str; 15] = [
    "canaryname",
    "canarylocal",
    "canarydomain",
    "canarycustomid",
    "canarytag",
    "canaryurl",
    "canaryproperty",
    "canaryvalue",
    "canaryinteraction",
    "canarykey",
    "canaryrejected",
    "canarybroken",
    "canarytext",
    "canarymember",
    "canarymessageid",
];

/// A job with a canary in every field of a person; the rest of each address tells the jobs apart.
fn canary_job(number: usize, address: (&str, &str)) -> Value {
    json!({
        "customer": {
            "name": format!("Canaryname {number}"),
            "custom_id": format!("canarycustomid-{number}"),
            address.0: address.1,
        },
        "employee": { "email": "paulagent@blancapeak.com" },
        "channel": "phone",
        "tags": ["canarytag"],
        "external_url": "https://canaryurl.example/canaryurl?x=canaryurl",
        "custom_properties": { "canaryproperty": "canaryvalue" },
        "ext_interaction_id": "canaryinteraction",
        "idempotency_key": format!("canarykey-{number}"),
    })
}

/// Jobs that are refused, each with canaries in what is wrong with it.
fn rejected_bodies() -> Vec<String> {
    let wrong = [
        json!({ "customer": { "email": "canaryrejected@@canaryrejected" } }),
        json!({ "customer": { "phone": "4155550173 canaryrejected" } }),
        json!({ "customer": { "name": 7, "email": "canarylocal@canarydomain.test" }, "tags": "canaryrejected" }),
        json!({ "external_url": "canaryrejected\u{1}", "custom_properties": { "canaryproperty": 1 } }),
    ];
    let mut bodies: Vec<String> = wrong
        .into_iter()
        .map(|own| {
            let mut body = job::to(json!({ "email": "canarylocal@canarydomain.test" }));
            body.as_object_mut().expect("an object").extend(own.as_object().expect("fields").clone());
            body.to_string()
        })
        .collect();
    let mut stranger = job::to(json!({ "email": "canarylocal@canarydomain.test" }));
    stranger["employee"]["email"] = json!("canarymember@canarydomain.test");
    bodies.push(stranger.to_string());
    bodies.push("{\"customer\": {\"name\": \"canarybroken\" canarybroken".to_owned());
    bodies.push("canarybroken".to_owned());
    bodies
}

fn logged(process: &Process, message: &str) -> Option<Value> {
    let lines = process.printed();
    let mut found = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    found.find(|line| line["fields"]["message"] == message)
}

/// Publishes three jobs for each kind of trouble; gives how many, and every text to look for.
async fn publish_canaries(env: &TestEnv) -> (usize, Vec<String>) {
    let producer = env.producer().await;
    let words = [
        "ok",
        "busy",
        "invalid",
        "optout",
        "error",
        "reset",
        "acceptreset",
        "cut",
        "garbage",
        "magnificent",
        "bounce",
        "spam",
        "complain",
        "unsubscribe",
        "latebounce",
        "misconfigured",
        "hang",
    ];
    let mut canaries: Vec<String> = CANARIES.map(str::to_owned).into();
    canaries.extend(["4155550173".to_owned(), "4155550174".to_owned()]);
    let mut count = 0;
    for word in words {
        let (email, phone) =
            (format!("canarylocal.{word}@canarydomain.test"), format!("+1415555{:04}", 200 + count));
        canaries.push(phone[2..].to_owned());
        for (company, field, address) in
            [("blanca", "email", &email), ("blanca", "phone", &phone), ("other", "email", &email)]
        {
            env.simulator.set_recipient_fault(address, word);
            let body = canary_job(count, (field, address)).to_string();
            let id = format!("canarymessageid-{count}");
            assert!(producer.publish(&format!("requests.{company}"), Some(&id), body.as_bytes()).await);
            count += 1;
        }
    }
    (count, canaries)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_personal_data_reaches_logs_or_metrics() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let relay = env.simulator.smtp_addr;
    env.company("other", |policy| policy.accounts[1] = crate::support::company::smtp("other", relay)).await;
    let mut process = Process::start(&env, "log.level = \"debug\"\nretry.tries_max = 2");
    env.webhooks_to("blanca", &format!("127.0.0.1:{}", env.public_port));
    env.consuming().await;
    let (count, canaries) = publish_canaries(&env).await;
    // One number as the canary says, and the same person again: a suppression.
    for _ in 0..2 {
        env.publish(&canary_job(900, ("phone", "+14155550173"))).await;
        env.publish(&job::to(json!({ "phone": "+14155550173" }))).await;
    }
    let bodies = rejected_bodies();
    for body in &bodies {
        env.publish_to("requests.blanca", Some("canarymessageid"), body.as_bytes()).await;
    }
    env.rejected(bodies.len()).await;
    wait::until("all but the misconfigured are settled", || async {
        let standings = env.standings().await;
        let waiting = standings.iter().filter(|one| one.status == "queued").count();
        standings.len() == count + 2 && waiting <= 4
    })
    .await;
    let text = webhook::twilio_text(&env, "blanca-twilio", "+14155550174", "canarytext STOP");
    assert_eq!(text.send(&env).await, 200);
    let stop = webhook::twilio_text(&env, "blanca-twilio", "+14155550174", "STOP");
    assert_eq!(stop.send(&env).await, 200);
    assert_eq!(webhook::Post { signature: None, ..stop }.send(&env).await, 403);
    let started = logged(&process, "worker started").expect("the worker told its addresses");
    let private = started["fields"]["private"].as_str().expect("an address");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let metrics = client
        .get(format!("http://{private}/metrics"))
        .send()
        .await
        .expect("answered")
        .text()
        .await
        .expect("read");
    assert!(
        metrics.contains("postrider_attempts_total{"),
        "the metrics are those of this worker:\n{metrics}"
    );
    assert_eq!(process.terminate(), Some(0));
    let printed = process.printed();
    assert!(printed.contains("\"DEBUG\""), "the log is as talkative as it can be");
    assert!(printed.contains("the provider refuses this account"), "and there was something to tell");
    for canary in &canaries {
        for (place, text) in [("log", &printed), ("metrics", &metrics)] {
            let found = text.lines().find(|line| line.to_lowercase().contains(canary.as_str()));
            assert_eq!(found, None, "{canary} in the {place}");
        }
    }
}
